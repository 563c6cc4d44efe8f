"""exporter.json: what the job exporter (images/job-exporter) is told, version 1."""

import json
from typing import Any

from config.settings import ROOT, ClusterSettings
from config.settings.tres_budgets import tres_budgets

QUERY_SECONDS = 60
"""Seconds between two queries of the accounting database, each of which costs slurmdbd work."""
QUEUE_SECONDS = 15
"""Seconds between two looks at the queue, which slurmctld answers from memory."""
PROMETHEUS = "prometheus:9090"
"""Its address in the containers' networks."""


def exporter_json(settings: ClusterSettings) -> str:
    """The file's text. Budgets are dollars, and minutes by TRES where there are some, in
    `budget_period`; `root` is the whole cluster."""
    accounts: dict[str, dict[str, Any]] = {
        name: {"parent": account.parent, "budget_dollars": account.budget_dollars}
        for name, account in sorted(settings.accounts.items())
    }
    minutes = tres_budgets(settings)
    if settings.budget.dollars is not None or ROOT in minutes:
        accounts[ROOT] = {"budget_dollars": settings.budget.dollars}
    for name, budget in minutes.items():
        accounts[name]["tres_minutes"] = budget
    document = {
        "version": 1,
        "cluster": settings.name,
        "query_seconds": QUERY_SECONDS,
        "queue_seconds": QUEUE_SECONDS,
        "max_accounts": settings.monitoring.max_accounts,
        "max_users": settings.monitoring.max_users,
        "budget_period": settings.budget.period,
        "accounts": accounts,
        "users": sorted(settings.users),
        **({"job_comments": True} if settings.monitoring.job_comments else {}),
        **({"prometheus": PROMETHEUS} if settings.jobs_gpus_are_measured else {}),
    }
    return json.dumps(document, indent=1) + "\n"
