"""Accounts (who pays, in a tree with fair-share and limits) and QOS (how a job is treated)."""

from typing import Annotated

from pydantic import AfterValidator, Field

from config.settings.budgets import Dollars
from config.settings.names import AccountName, PlainText, QosName
from config.settings.part import Count, Many, Part, Text, without_duplicates
from config.settings.slurm_time import TimeSpan
from config.settings.tres import Tres

ROOT = "root"
"""Slurm's top account, parent of all that name none."""

NORMAL = "normal"
"""The QOS that always exists; `qos.normal` changes it."""

# The root account is a valid parent, though not one that settings define.
ParentName = Annotated[
    Text, Field(json_schema_extra={"allowed": "the name of an account, or root"})
]


class Limits(Part):
    """Limits of an account. What is not set is not limited here; a parent's limits hold too."""

    grp_tres: Tres | None = None
    """Resources in use at a time by all jobs of the account and its children (`GrpTRES`)."""
    grp_tres_mins: Tres | None = None
    """Resource minutes of all jobs of the account and its children in a `budget.period`
    (`GrpTRESMins`).

    A job waits until what is left is enough for its whole time limit. Where pools have prices,
    `billing` is money, 10000 for a dollar an hour; `budget_dollars` is the same limit in dollars.
    """
    max_tres_per_job: Tres | None = None
    """Resources of one job (`MaxTRESPerJob`)."""
    grp_jobs: Count | None = None
    """Running jobs of the account and its children (`GrpJobs`)."""
    grp_submit_jobs: Count | None = None
    """Waiting and running jobs of the account and its children (`GrpSubmitJobs`)."""
    max_jobs: Count | None = None
    """Running jobs of each user of the account (`MaxJobs`)."""
    max_submit_jobs: Count | None = None
    """Waiting and running jobs of each user of the account (`MaxSubmitJobs`)."""
    max_wall: TimeSpan | None = None
    """Longest run time of one job (`MaxWall`)."""


class Account(Part):
    """One account of the tree."""

    parent: ParentName = ROOT
    """The account above this one."""
    description: PlainText = ""
    """What the account is for."""
    fairshare: Count = 1
    """Share of the machine among the accounts with the same parent."""
    qos: Annotated[Many[QosName], AfterValidator(without_duplicates)] = ()
    """QOS that its jobs may use. Empty: those of the parent, at the top `normal`."""
    default_qos: QosName | None = None
    """QOS of a job that names none; one of those it may use.

    Not set: that of the parent (at the top `normal`), or the first of `qos` where that is not
    among them.
    """
    budget_dollars: Dollars | None = None
    """Dollars that the jobs of the account and its children may cost in a `budget.period`.

    A job waits until what is left pays for its whole time limit. Not set: no limit of its own; the
    parents' and the cluster's hold in any case.
    """
    limits: Limits = Limits()
    """Limits of this account."""


class Qos(Part):
    """A quality of service: a priority and limits that jobs get with `--qos`.

    What is not set is not limited.
    """

    priority: Count = 0
    """Priority, relative to the largest of all QOS; `slurm.priority.qos` is its weight."""
    description: PlainText = ""
    """What the QOS is for."""
    usage_factor: Annotated[float, Field(strict=True, ge=0, le=1000, allow_inf_nan=False)] = 1.0
    """What a used minute counts for fair-share, GrpTRESMins and budgets.

    0 is free, 2 costs double.
    """
    grp_tres: Tres | None = None
    """Resources in use at a time by all jobs of this QOS (`GrpTRES`)."""
    grp_tres_mins: Tres | None = None
    """Resource minutes used by all jobs of this QOS (`GrpTRESMins`)."""
    grp_jobs: Count | None = None
    """Running jobs of this QOS (`GrpJobs`)."""
    max_jobs_per_user: Count | None = None
    """Running jobs of each user (`MaxJobsPerUser`)."""
    max_submit_jobs_per_user: Count | None = None
    """Waiting and running jobs of each user (`MaxSubmitJobsPerUser`)."""
    max_tres_per_user: Tres | None = None
    """Resources in use at a time by each user (`MaxTRESPerUser`)."""
    max_tres_per_job: Tres | None = None
    """Resources of one job (`MaxTRESPerJob`)."""
    max_wall: TimeSpan | None = None
    """Longest run time of one job (`MaxWall`)."""


__all__ = ["NORMAL", "ROOT", "Account", "AccountName", "Limits", "Qos", "QosName"]
