"""How Slurm schedules: backfill, priorities with fair-share, and the sizes of its tables.

Preemption is off. What is not here can be set through `extra`.
"""

from typing import Annotated, Literal

from pydantic import Field

from config.settings.part import Part, Whole
from config.settings.slurm_conf_lines import ExtraLines
from config.settings.slurm_time import TimeSpan

HALF_LIFE = "7-00:00:00"

Weight = Annotated[Whole, Field(ge=0, le=2**31 - 1)]


class Scheduler(Part):
    """The backfill scheduler: starts a later job early when that delays no earlier one."""

    interval_seconds: Annotated[Whole, Field(ge=1, le=3600)] = 30
    """Seconds between two backfill passes (`bf_interval`)."""
    window_minutes: Annotated[Whole, Field(ge=60, le=60 * 24 * 30)] = 2880
    """How far ahead backfill plans, in minutes (`bf_window`); best the longest time limit."""
    resolution_seconds: Annotated[Whole, Field(ge=1, le=3600)] = 60
    """Grain of the plan in seconds (`bf_resolution`); coarser is faster."""
    max_job_test: Annotated[Whole, Field(ge=1, le=1_000_000)] = 500
    """Jobs that one backfill pass looks at (`bf_max_job_test`)."""
    max_jobs_per_user: Annotated[Whole, Field(ge=0, le=1_000_000)] = 0
    """Jobs of one user that one backfill pass tries (`bf_max_job_user`); 0 is no limit."""
    queue_depth: Annotated[Whole, Field(ge=1, le=100_000)] = 100
    """Jobs that are tried whenever one is submitted or ends (`default_queue_depth`)."""


class Priority(Part):
    """A job's priority (`priority/multifactor`): the sum of weight times factor (0 to 1)."""

    fairshare: Weight = 10_000
    """Weight of fair-share: who used less than their share comes first."""
    age: Weight = 1_000
    """Weight of the time that a job has waited."""
    qos: Weight = 10_000
    """Weight of the QOS' priority, relative to the largest."""
    partition: Weight = 1_000
    """Weight of the pool's `priority`, relative to the largest."""
    job_size: Weight = 500
    """Weight of the job's size: larger jobs come first, so that they are not starved."""
    half_life: TimeSpan | None = None
    """Time after which past use counts half for fair-share. Not set: 7 days.

    Where there is any budget past use counts in full, for fair-share as well, until the budget's
    period ends, and this cannot be set; but with budgets of accounts' `grp_tres_mins` alone, which
    then fade with it.
    """
    max_age: TimeSpan = "7-00:00:00"
    """Waiting time at which the age factor is full."""


class Slurm(Part):
    """The controller's behaviour."""

    scheduler: Scheduler = Scheduler()
    """The backfill scheduler."""
    priority: Priority = Priority()
    """In which order waiting jobs are tried."""
    max_job_count: Annotated[Whole, Field(ge=100, le=1_000_000)] = 50_000
    """Jobs that the controller holds at a time, waiting, running and just ended (`MaxJobCount`)."""
    max_array_size: Annotated[Whole, Field(ge=1, le=1_000_001)] = 10_001
    """Largest index of a job array plus one (`MaxArraySize`); not above `max_job_count`."""
    min_job_age_seconds: Annotated[Whole, Field(ge=10, le=86_400)] = 300
    """Seconds for which `squeue` and `scontrol` still know an ended job (`MinJobAge`)."""
    default_memory_per_cpu_mb: Annotated[Whole, Field(ge=1, le=1024 * 1024)] | None = None
    """MiB for each CPU of a job that asks for no memory (`DefMemPerCPU`).

    Not set: in each pool, a node's memory divided by its CPUs.
    """
    resume_timeout_seconds: Annotated[Whole, Field(ge=10, le=3600)] = 120
    """Seconds in which a new node must have registered, or it counts as failed."""
    suspend_timeout_seconds: Annotated[Whole, Field(ge=5, le=3600)] = 30
    """Seconds in which a node that goes must be gone, before its name is used again."""
    debug: Literal[
        "quiet",
        "fatal",
        "error",
        "info",
        "verbose",
        "debug",
        "debug2",
        "debug3",
        "debug4",
        "debug5",
    ] = "info"
    """How much the Slurm daemons log."""
    extra: ExtraLines = ()
    """Lines for slurm.conf, each `Key=Value`. Keys that hpc-stack writes itself are refused."""
