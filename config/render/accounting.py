"""accounting.json: accounts, QOS and users as the accounting database should have them.

The configurator (images/configurator) brings the database there. Limits carry sacctmgr's own names;
None means "no limit", so that a limit that is no longer set is taken back.
"""

import json
from typing import Any

from config.settings import (
    NORMAL,
    Account,
    ClusterSettings,
    Limits,
    Qos,
    span_minutes,
    tres_text,
)
from config.settings.budgets import BILLING, Budget, billing_minutes


def accounting_json(settings: ClusterSettings) -> str:
    """The file's text."""
    qos = {NORMAL: Qos(), **settings.qos}
    document = {
        "version": 1,
        "cluster": settings.name,
        **_root(settings.budget),
        "qos": {name: _qos(qos[name]) for name in sorted(qos)},
        "accounts": {
            name: _account(settings, name, account)
            for name, account in sorted(settings.accounts.items())
        },
        "users": {
            name: {
                "accounts": list(user.accounts),
                "default_account": user.accounts[0],
                "admin": user.admin,
            }
            for name, user in sorted(settings.users.items())
        },
    }
    return json.dumps(document, indent=1) + "\n"


def _root(budget: Budget) -> dict[str, Any]:
    """Limits of Slurm's top account, the budgets of the whole cluster. Of `billing` its number, of
    the other types, where there are some, what sacctmgr prints."""
    minutes = _grp_tres_minutes(budget.tres_mins, budget.dollars)
    billing = minutes.pop(BILLING, None)
    others = {"root_tres_minutes": tres_text(minutes)} if minutes else {}
    return {"root_billing_minutes": billing, **others}


def _account(settings: ClusterSettings, name: str, account: Account) -> dict[str, Any]:
    return {
        "parent": account.parent,
        "description": account.description or name,
        "fairshare": account.fairshare,
        "qos": sorted(settings.account_qos(name)),
        "default_qos": settings.account_default_qos(name),
        "limits": _account_limits(account.limits, account.budget_dollars),
    }


def _account_limits(limits: Limits, budget: float | None) -> dict[str, str | None]:
    """Limits by sacctmgr's name, each as sacctmgr prints it."""
    return {
        "GrpTRES": _tres(limits.grp_tres),
        "GrpTRESMins": _tres(_grp_tres_minutes(limits.grp_tres_mins, budget)),
        "MaxTRESPerJob": _tres(limits.max_tres_per_job),
        "GrpJobs": _count(limits.grp_jobs),
        "GrpSubmitJobs": _count(limits.grp_submit_jobs),
        "MaxJobs": _count(limits.max_jobs),
        "MaxSubmitJobs": _count(limits.max_submit_jobs),
        "MaxWall": _minutes(limits.max_wall),
    }


def _qos(qos: Qos) -> dict[str, Any]:
    return {
        "description": qos.description or None,
        "priority": qos.priority,
        "usage_factor": qos.usage_factor,
        "limits": {
            "GrpTRES": _tres(qos.grp_tres),
            "GrpTRESMins": _tres(qos.grp_tres_mins),
            "GrpJobs": _count(qos.grp_jobs),
            "MaxJobsPerUser": _count(qos.max_jobs_per_user),
            "MaxSubmitJobsPerUser": _count(qos.max_submit_jobs_per_user),
            "MaxTRESPerUser": _tres(qos.max_tres_per_user),
            "MaxTRESPerJob": _tres(qos.max_tres_per_job),
            "MaxWall": _minutes(qos.max_wall),
        },
    }


def _tres(tres: dict[str, int] | None) -> str | None:
    return tres_text(tres) if tres else None


def _grp_tres_minutes(minutes: dict[str, int] | None, dollars: float | None) -> dict[str, int]:
    """A limit of TRES-minutes, among them those of money."""
    paid = {} if dollars is None else {BILLING: billing_minutes(dollars)}
    return {**(minutes or {}), **paid}


def _count(value: int | None) -> str | None:
    return None if value is None else str(value)


def _minutes(span: str | None) -> str | None:
    return None if span is None else str(span_minutes(span))
