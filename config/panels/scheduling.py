"""Queue and scheduling: who waits, for what, how long, and how well Slurm keeps up."""

from config.panels.absence import QUEUE_SEEN, or_nothing, or_zero
from config.panels.model import Dashboard, Kind, Panel, Query, Unit
from config.panels.rows import row

_HERE = 'partition=~"$partition"'
_NO_SLURMCTLD = "slurmctld does not answer"
_QUEUE_NOT_SEEN = "the queue is not seen: the job exporter or slurmctld does not answer"
_WAITS = f"hpc_stack_job_wait_seconds_bucket{{{_HERE}}}"


def _wait_quantile(share: float) -> str:
    return f"histogram_quantile({share}, sum by (le) (rate({_WAITS}[1h]))) >= 0"


def _jobs(state: str) -> str:
    return f"sum(slurm_partition_jobs_{state}{{{_HERE}}})"


_NOW = (
    Panel(
        title="Jobs that wait",
        about="Pending jobs of the chosen partitions. A job that names several counts in each.",
        kind=Kind.NUMBER,
        queries=(Query(expr=_jobs("pending"), legend="pending"),),
        empty=_NO_SLURMCTLD,
        empty_is_fine=False,
        width=4,
    ),
    Panel(
        title="Jobs that are held",
        about="Pending jobs that wait for somebody to release them, not for resources.",
        kind=Kind.NUMBER,
        queries=(Query(expr=_jobs("hold"), legend="held"),),
        empty=_NO_SLURMCTLD,
        empty_is_fine=False,
        width=4,
    ),
    Panel(
        title="Longest wait now",
        about="How long the oldest pending job could have run already. Held jobs and those that "
        "wait for another job are not eligible, and do not count.",
        kind=Kind.NUMBER,
        queries=(
            Query(
                expr=or_zero(f"max(hpc_stack_oldest_pending_seconds{{{_HERE}}})", QUEUE_SEEN),
                legend="longest wait",
            ),
        ),
        unit=Unit.SECONDS,
        empty=_QUEUE_NOT_SEEN,
        empty_is_fine=False,
        width=4,
    ),
    Panel(
        title="Oldest waiting job by reason",
        about="Resources and Priority wait for nodes or for their turn. Reasons that begin with "
        "Assoc or QOS are limits: the job waits until other jobs of the account or user end, or, "
        "with BillingMinutes, until somebody raises the limit.",
        kind=Kind.BARS,
        queries=(
            or_nothing(
                f"max by (partition, reason) (hpc_stack_oldest_pending_seconds{{{_HERE}}})",
                QUEUE_SEEN,
                "reason",
                "nothing waits",
                "{{partition}} {{reason}}",
            ),
        ),
        unit=Unit.SECONDS,
        empty=_QUEUE_NOT_SEEN,
        empty_is_fine=False,
    ),
)

_OVER_TIME = (
    Panel(
        title="Waiting jobs by reason",
        about="Pending jobs by Slurm's word for why they wait.",
        kind=Kind.AREAS,
        queries=(
            or_nothing(
                f"sum by (reason) (hpc_stack_jobs_pending{{{_HERE}}})",
                QUEUE_SEEN,
                "reason",
                "nothing waits",
                "{{reason}}",
            ),
        ),
        empty=_QUEUE_NOT_SEEN,
        empty_is_fine=False,
        width=11,
    ),
    Panel(
        title="Jobs by state",
        about="Configuring jobs have their nodes and wait until those are up; they are running "
        "jobs for Slurm. Completing ones have ended, and their nodes clean up.",
        kind=Kind.LINES,
        queries=tuple(
            Query(expr=_jobs(state), legend=state)
            for state in ("running", "pending", "configuring", "completing", "suspended")
        ),
        empty=_NO_SLURMCTLD,
        empty_is_fine=False,
        width=10,
    ),
)

_WAITED = (
    Panel(
        title="Wait time",
        about="From when a job could have run until it started, of jobs that ended in the hour "
        "before each point. Half of them waited less than the median.",
        kind=Kind.LINES,
        queries=(
            Query(expr=_wait_quantile(0.5), legend="median"),
            Query(expr=_wait_quantile(0.9), legend="90 of 100"),
            Query(expr=_wait_quantile(0.99), legend="99 of 100"),
        ),
        unit=Unit.SECONDS,
        empty="no job has ended in this time",
        width=9,
    ),
    Panel(
        title="Waits of ended jobs",
        about="How many jobs waited how long, of those that ended in this time.",
        kind=Kind.BUCKETS,
        queries=(
            Query(expr=f"sum by (le) (increase({_WAITS}[$__range]))", legend="up to {{le}} s"),
        ),
        empty="no job has ended in this time",
        width=6,
    ),
    Panel(
        title="Median wait by partition",
        about="Half of the jobs that ended in this time waited less.",
        kind=Kind.BARS,
        queries=(
            Query(
                expr="histogram_quantile(0.5, sum by (le, partition) "
                f"(increase({_WAITS}[$__range]))) >= 0",
                legend="{{partition}}",
            ),
        ),
        unit=Unit.SECONDS,
        empty="no job has ended in this time",
        width=6,
    ),
)

_CYCLE_ENDS = (
    ("slurm_sched_exit_end", "main: all jobs seen"),
    ("slurm_sched_exit_max_depth", "main: default_queue_depth"),
    ("slurm_sched_exit_max_job_start", "main: sched_max_job_start"),
    ("slurm_sched_exit_lic", "main: licences"),
    ("slurm_sched_exit_rpc_cnt", "main: max_rpc_cnt"),
    ("slurm_sched_exit_timeout", "main: max_sched_time"),
    ("slurm_bf_exit_end", "backfill: all jobs seen"),
    ("slurm_bf_exit_max_job_start", "backfill: bf_max_job_start"),
    ("slurm_bf_exit_max_job_test", "backfill: bf_max_job_test"),
    ("slurm_bf_exit_state_changed", "backfill: the cluster changed"),
    ("slurm_bf_exit_table_limit", "backfill: bf_node_space_size"),
    ("slurm_bf_exit_timeout", "backfill: bf_max_time"),
)

_SCHEDULER = (
    Panel(
        title="Main scheduling cycle",
        about="How long slurmctld takes to look through the queue, by priority. While it does, "
        "commands wait: above a second users notice. The longest is since midnight or a restart.",
        kind=Kind.LINES,
        queries=(
            Query(expr="slurm_schedule_cycle_last / 1e6", legend="last"),
            Query(expr="slurm_sched_mean_cycle / 1e6", legend="mean"),
            Query(expr="slurm_schedule_cycle_max / 1e6", legend="longest"),
        ),
        unit=Unit.SECONDS,
        empty=_NO_SLURMCTLD,
        empty_is_fine=False,
        width=8,
    ),
    Panel(
        title="Backfill cycle",
        about="How long slurmctld takes to find smaller jobs that fit in before larger ones. It "
        "yields now and then, so some seconds are usual in a long queue. 0: nothing had to wait.",
        kind=Kind.LINES,
        queries=(
            Query(expr="slurm_bf_cycle_last / 1e6", legend="last"),
            Query(expr="slurm_bf_mean_cycle / 1e6", legend="mean"),
            Query(expr="slurm_bf_cycle_max / 1e6", legend="longest"),
        ),
        unit=Unit.SECONDS,
        empty=_NO_SLURMCTLD,
        empty_is_fine=False,
        width=8,
    ),
    Panel(
        title="Jobs in a cycle",
        about="How many jobs the queue has, and how many of them backfill looked at last.",
        kind=Kind.LINES,
        queries=(
            Query(expr="slurm_schedule_queue_len", legend="main queue"),
            Query(expr="slurm_bf_queue_len", legend="backfill queue"),
            Query(expr="slurm_bf_last_depth", legend="looked at by backfill"),
        ),
        empty=_NO_SLURMCTLD,
        empty_is_fine=False,
        width=8,
    ),
    Panel(
        title="Why scheduling cycles ended",
        about="Since midnight or a restart. Cycles should end with all jobs seen; else the limit "
        "that is named keeps jobs from being looked at.",
        kind=Kind.BARS,
        queries=tuple(Query(expr=metric, legend=text) for metric, text in _CYCLE_ENDS),
        empty=_NO_SLURMCTLD,
        empty_is_fine=False,
        width=8,
        height=10,
    ),
    Panel(
        title="slurmctld's threads and messages",
        about="Threads that answer commands, of 256 at most, and messages to nodes that wait. "
        "Both stay small in a healthy cluster.",
        kind=Kind.LINES,
        queries=(
            Query(expr="slurm_server_thread_cnt", legend="threads"),
            Query(expr="slurm_agent_queue_size", legend="messages to nodes"),
        ),
        empty=_NO_SLURMCTLD,
        empty_is_fine=False,
        width=8,
        height=10,
    ),
    Panel(
        title="Records on their way to slurmdbd",
        about="They wait in slurmctld while slurmdbd is down or slow. At 10 000 and more, records "
        "of jobs are lost.",
        kind=Kind.LINES,
        queries=(Query(expr="slurm_slurmdbd_queue_size", legend="records"),),
        empty=_NO_SLURMCTLD,
        empty_is_fine=False,
        width=8,
        height=10,
    ),
)

SCHEDULING = Dashboard(
    uid="hpc-queue",
    title="Queue and scheduling",
    about="Who waits, for what and how long, and whether Slurm keeps up.",
    rows=(
        row("Waiting now", _NOW),
        row("The queue over time", _OVER_TIME),
        row("How long jobs waited", _WAITED),
        row("The scheduler", _SCHEDULER),
    ),
    variables=("partition",),
    variable_source="slurm_partition_jobs",
)
