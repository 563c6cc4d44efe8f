"""Faults of the controller's services."""

from tests.alerts.cluster import (
    MANAGER,
    MYSQL,
    SCHEDULER,
    SLURM_JOBS,
    Signal,
    at,
    exporter,
    manager,
)
from tests.alerts.fault import BEGIN, Fault

SINCE = BEGIN * 60.0
"""The last time at which a clock that stops was right."""

NO_NATIVE_METRICS: dict[str, Signal] = {
    **{f"up{at(job, 'slurmctld:6817')}": 0.0 for job in SLURM_JOBS},
    **{
        f"{metric}{SCHEDULER}": None
        for metric in (
            "slurm_bf_cycle_cnt",
            "slurm_bf_cycle_last",
            "slurm_schedule_cycle_cnt",
            "slurm_schedule_cycle_last",
            "slurm_slurmdbd_queue_size",
        )
    },
}
NO_JOB_EXPORTER: dict[str, Signal] = {
    exporter("up"): 0.0,
    exporter("hpc_stack_slurmctld_answers"): None,
    exporter("hpc_stack_slurmdbd_answers"): None,
    exporter("hpc_stack_accounting_cursor_timestamp_seconds"): None,
    exporter("hpc_stack_queue_last_success_timestamp_seconds"): None,
    exporter("hpc_stack_jobs_unpriced_total"): None,
    exporter("hpc_stack_jobs_pending", partition="cpu", reason="Resources"): None,
    exporter("hpc_stack_oldest_pending_seconds", partition="cpu", reason="Resources"): None,
    exporter("hpc_stack_account_budget_dollars", account="research"): None,
    exporter("hpc_stack_account_budget_dollars", account="root"): None,
    exporter("hpc_stack_account_cost_period_dollars", account="research"): None,
    exporter("hpc_stack_account_cost_period_dollars", account="root"): None,
}
_SLURMCTLD_SAYS = (
    "Slurm's controller has not answered for 2 minutes: nobody can submit jobs or ask about them,"
    " and no job starts."
)
_STUCK_SAYS = (
    "The node manager runs, but its last round in which both Slurm and the platform answered was"
    " 10m 0s ago."
)

FAULTS = (
    Fault(
        alert="SlurmctldDown",
        shows={
            **NO_NATIVE_METRICS,
            exporter("hpc_stack_slurmctld_answers"): 0.0,
            exporter("hpc_stack_slurmdbd_answers"): 0.0,
            exporter("hpc_stack_accounting_cursor_timestamp_seconds"): SINCE,
            exporter("hpc_stack_queue_last_success_timestamp_seconds"): SINCE,
            manager("hpc_stack_last_round_timestamp_seconds"): SINCE,
        },
        says=_SLURMCTLD_SAYS,
        fires=25,
        ends=30,
        over=40,
        also=frozenset(
            {"NodeManagerStuck", "SlurmdbdDown", "JobExporterStale", "JobQueueUnobserved"}
        ),
    ),
    Fault(
        # The one who asks is away as well.
        alert="SlurmctldDown",
        shows={**NO_NATIVE_METRICS, **NO_JOB_EXPORTER},
        says=_SLURMCTLD_SAYS,
        fires=10,
        ends=15,
        over=25,
        beside=frozenset({"JobExporterDown"}),
    ),
    Fault(
        # Its own endpoint is not measured at all.
        alert="SlurmctldDown",
        shows={
            **dict.fromkeys(NO_NATIVE_METRICS),
            exporter("hpc_stack_slurmctld_answers"): 0.0,
        },
        says=_SLURMCTLD_SAYS,
        fires=15,
        ends=20,
        over=30,
        beside=frozenset({"NothingScraped"}),
    ),
    Fault(
        alert="SlurmdbdDown",
        shows={exporter("hpc_stack_slurmdbd_answers"): 0.0},
        says="Slurm's accounting has not answered for 3 minutes. slurmctld keeps its records"
        " meanwhile, as long as it has room.",
        fires=10,
        ends=15,
        over=20,
    ),
    Fault(
        alert="MysqlDown",
        shows={
            f"mysql_up{MYSQL}": 0.0,
            exporter("hpc_stack_slurmdbd_answers"): 0.0,
            exporter("hpc_stack_accounting_cursor_timestamp_seconds"): SINCE,
            f"slurm_slurmdbd_queue_size{SCHEDULER}": 400.0,
        },
        says="The accounting database has refused or not answered for 2 minutes, so slurmdbd cannot"
        " store anything.",
        fires=25,
        ends=30,
        over=40,
        also=frozenset({"SlurmdbdDown", "JobExporterStale", "SlurmdbdQueueGrowing"}),
    ),
    Fault(
        # The one who asks slurmdbd is away as well.
        alert="MysqlDown",
        shows={f"mysql_up{MYSQL}": 0.0, **NO_JOB_EXPORTER},
        says="The accounting database has refused or not answered for 2 minutes, so slurmdbd cannot"
        " store anything.",
        fires=10,
        ends=15,
        over=25,
        beside=frozenset({"JobExporterDown"}),
    ),
    Fault(
        alert="NodeManagerDown",
        shows={
            f"up{MANAGER}": 0.0,
            manager("hpc_stack_last_round_timestamp_seconds"): None,
        },
        says="Nothing has answered at the node manager's port for 2 minutes: no node is launched,"
        " none that is idle goes, and none that has died is replaced.",
        fires=10,
        ends=15,
        over=25,
    ),
    Fault(
        alert="NodeManagerStuck",
        shows={manager("hpc_stack_last_round_timestamp_seconds"): SINCE},
        says=_STUCK_SAYS,
        fires=15,
        ends=20,
        over=25,
    ),
    Fault(
        # It was restarted, and has not had a round since.
        alert="NodeManagerStuck",
        shows={manager("hpc_stack_last_round_timestamp_seconds"): 0.0},
        says=_STUCK_SAYS,
        fires=10,
        ends=15,
        over=20,
    ),
)
