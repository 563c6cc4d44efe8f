"""alerts.yml: Prometheus' alert rules, made from config/alerts and the settings."""

from collections.abc import Mapping
from string import Template
from typing import Any

import yaml

from config.alerts import ALERT_GROUPS, Alert, Needs
from config.settings import ClusterSettings


def alert_rules(settings: ClusterSettings) -> str:
    """The file's text."""
    groups = [
        {"name": name, "rules": [_rule(alert, settings) for alert in alerts]}
        for name, alerts in alerts_of(settings).items()
    ]
    return yaml.safe_dump({"groups": groups}, sort_keys=False, allow_unicode=True, width=1000)


def alerts_of(settings: ClusterSettings) -> Mapping[str, tuple[Alert, ...]]:
    """The alerts that make sense for a cluster, by group."""
    has = {
        Needs.NOTHING: True,
        Needs.AWS: settings.platform == "aws",
        Needs.GPUS: any(pool.gpus for pool in settings.pools.values()),
        Needs.COST_LIMIT: settings.limits.max_cost_per_hour is not None,
    }
    kept = {
        name: tuple(alert for alert in alerts if has[alert.needs])
        for name, alerts in ALERT_GROUPS.items()
    }
    return {name: alerts for name, alerts in kept.items() if alerts}


def numbers(settings: ClusterSettings) -> Mapping[str, float]:
    """What `@name` in an alert stands for, and the `number` of a panel's step."""
    nodes = sum(pool.max_nodes for pool in settings.pools.values())
    return {
        "resume_timeout_seconds": settings.slurm.resume_timeout_seconds,
        "backfill_interval_seconds": settings.slurm.scheduler.interval_seconds,
        # https://slurm.schedmd.com/slurm.conf.html#OPT_MaxDBDMsgs, its default
        "slurmdbd_queue_most": max(10_000, 2 * settings.slurm.max_job_count + 4 * nodes),
        "budget_warn_at": settings.budget.warn_at,
        # Where there is none, no alert names it.
        "max_cost_per_hour": settings.limits.max_cost_per_hour or 0.0,
    }


class _Numbers(Template):
    """`$` is PromQL's and the annotations' own."""

    delimiter = "@"


def _rule(alert: Alert, settings: ClusterSettings) -> dict[str, Any]:
    known = {name: f"{value:.12g}" for name, value in numbers(settings).items()}

    def filled(text: str) -> str:
        return _Numbers(" ".join(text.split())).substitute(known)

    return {
        "alert": alert.name,
        "expr": filled(alert.expr),
        "for": alert.lasts,
        **({"keep_firing_for": alert.keeps} if alert.keeps else {}),
        "labels": {"severity": alert.severity.value},
        "annotations": {
            "summary": f"Cluster {settings.name}: {filled(alert.summary)}",
            "description": filled(alert.description),
            "meaning": alert.meaning,
            "todo": alert.todo[0],
            "runbook_url": f"{settings.monitoring.alerts.runbook_base}#{alert.anchor}",
            "dashboard": alert.dashboard,
        },
    }
