"""Alerts about jobs that wait, the scheduler, and the queue of accounting records."""

from config.alerts.alert import Alert, Severity
from config.alerts.dashboards import DATABASE, QUEUE

_FOR_NODES = 'reason=~"Resources|Priority"'
"""Slurm's words for a job that only waits for its turn and for nodes."""

_FREE_POOLS = """
    sum by (pool) (hpc_stack_nodes{state=~"idle|off"}) > 0
    unless on (pool) sum by (pool) (hpc_stack_nodes{state=~"busy|coming"}) > 0
    unless on (pool) max by (pool) (hpc_stack_pool_closed) == 1
"""
"""Pools that have nodes or may launch some, and do nothing. Where one is partly busy, a job that is
larger than the rest has to wait."""

QUEUE_ALERTS = (
    Alert(
        name="QueueStuck",
        severity=Severity.WARNING,
        expr=f"""
            max by (partition) (hpc_stack_oldest_pending_seconds{{{_FOR_NODES}}}) > 900
            and on (partition) label_replace({_FREE_POOLS}, "partition", "$1", "pool", "(.+)")
        """,
        lasts="5m",
        summary="jobs wait in partition {{ $labels.partition }}, although its nodes are free",
        description="A job has waited for nodes of {{ $labels.partition }} for"
        " {{ $value | humanizeDuration }}. None of its nodes is busy or coming, and it may launch"
        " more.",
        meaning="Slurm or the node manager does not do its work for this pool, or a job asks for"
        " more than the pool can ever give: more nodes than are in service, or than a limit allows."
        "",
        todo=(
            "`squeue -t PD -p PARTITION -o '%i %u %D %C %m %b %R'`: what does the oldest job ask"
            " for?",
            "`sinfo -p PARTITION -R`: are nodes out of service that it needs?",
            "`scontrol show job ID`: `Reason`, `StartTime`, and `Features` that no node has.",
            "`make logs SERVICE=node-manager SINCE=30m`: does it see nodes that are wanted?",
            "`make logs SERVICE=slurmctld SINCE=30m`: does it say why it passes the job over?",
        ),
        dashboard=QUEUE,
        about=("partition",),
        explained_by=("SlurmctldDown", "NodeManagerDown", "NodeManagerStuck", "SchedulerStopped"),
    ),
    Alert(
        name="SchedulerStopped",
        severity=Severity.PAGE,
        expr=f"""
            sum(hpc_stack_jobs_pending{{{_FOR_NODES}}}) > 0
            and on () max(slurm_schedule_cycle_cnt) == max(slurm_schedule_cycle_cnt offset 15m)
            and on () max(slurm_bf_cycle_cnt) == max(slurm_bf_cycle_cnt offset 15m)
        """,
        lasts="5m",
        keeps="5m",
        summary="the scheduler does not run",
        description="{{ $value }} jobs wait for nodes, and slurmctld has not run its scheduler for"
        " 15 minutes.",
        meaning="slurmctld answers, but starts no job. Running jobs go on.",
        todo=(
            "`sdiag`: `Last cycle when`, and the number of `agent` threads, which stand in the way"
            " when there are hundreds.",
            "`make logs SERVICE=slurmctld SINCE=30m`: locks, timeouts, nodes that do not answer?",
            "Restart it, which loses no job: `docker compose -p hpc-NAME restart slurmctld`.",
        ),
        dashboard=QUEUE,
        explained_by=("SlurmctldDown",),
    ),
    Alert(
        name="SchedulerSlow",
        severity=Severity.WARNING,
        expr="max(avg_over_time(slurm_schedule_cycle_last[15m])) / 1e6 > 2",
        lasts="10m",
        summary="the scheduler is slow",
        description="A pass of the main scheduler takes {{ $value | humanizeDuration }}. slurmctld"
        " is busy with it and answers late.",
        meaning="Jobs start later than they could, and commands hang. Slurm ends a pass after a few"
        " seconds, so jobs at the end of the queue may not be looked at.",
        todo=(
            "`sdiag`: mean and longest cycle since midnight, and which users send most requests.",
            "Lower `slurm.scheduler.queue_depth`, or limit the jobs that an account may have in the"
            " queue (`max_submit_jobs`).",
            "Is the machine itself busy? On one machine, jobs take the CPUs that slurmctld needs.",
        ),
        dashboard=QUEUE,
        explained_by=("SchedulerStopped",),
    ),
    Alert(
        name="BackfillSlow",
        severity=Severity.WARNING,
        expr="max(avg_over_time(slurm_bf_cycle_last[30m])) / 1e6 > 0.5 * @backfill_interval_seconds"
        "",
        lasts="15m",
        summary="the backfill scheduler is slow",
        description="A pass of the backfill scheduler takes {{ $value | humanizeDuration }}, more"
        " than half of the time between two passes. It no longer reaches all jobs.",
        meaning="Small jobs that would fit into gaps are not found, so nodes are idle or are"
        " launched without need.",
        todo=(
            "`sdiag`: `Depth Mean` against the length of the queue.",
            "In the settings, `slurm.scheduler`: raise `interval_seconds` or `resolution_seconds`,"
            " or lower `max_job_test` or `max_jobs_per_user`.",
        ),
        dashboard=QUEUE,
        explained_by=("SchedulerStopped",),
    ),
    Alert(
        name="SlurmdbdQueueGrowing",
        severity=Severity.WARNING,
        expr="max(min_over_time(slurm_slurmdbd_queue_size[10m])) > 100",
        lasts="5m",
        summary="accounting records pile up",
        description="{{ $value }} records or more have waited in slurmctld for slurmdbd for 10"
        " minutes.",
        meaning="slurmdbd takes records more slowly than jobs make them. Nothing is lost yet; costs"
        " and `sacct` are behind.",
        todo=(
            "`make logs SERVICE=slurmdbd SINCE=30m`: slow queries, lost connections?",
            "Raise `database.buffer_pool_mb`; set `database.purge_jobs_after_months` where years of"
            " jobs are kept.",
        ),
        dashboard=DATABASE,
        explained_by=("SlurmdbdDown", "MysqlDown"),
    ),
    Alert(
        name="SlurmdbdQueueFilling",
        severity=Severity.PAGE,
        expr="max(slurm_slurmdbd_queue_size) > 0.5 * @slurmdbd_queue_most",
        lasts="1m",
        keeps="5m",
        summary="accounting records will be lost",
        description="{{ $value }} records wait in slurmctld for slurmdbd, more than half of what it"
        " keeps (@slurmdbd_queue_most).",
        meaning="When its queue is full, slurmctld throws records away: first those of steps, then"
        " those of jobs. They are missing in accounts, costs and budgets for ever.",
        todo=(
            "`make status`: are `slurmdbd` and `mysql` running? Bring them back: see SlurmdbdDown"
            " and MysqlDown.",
            "If that takes longer, stop new jobs: `scontrol update partitionname=NAME state=down`"
            " for each partition, later `state=up`.",
        ),
        dashboard=DATABASE,
    ),
)
