"""Jobs that wait in vain, a scheduler that does not keep up, records that pile up."""

from tests.alerts.cluster import SCHEDULER, exporter, nodes
from tests.alerts.fault import Fault

_WAITING = exporter("hpc_stack_oldest_pending_seconds", partition="cpu", reason="Resources")

FAULTS = (
    Fault(
        alert="QueueStuck",
        shows={_WAITING: 1200.0, **nodes("cpu", off=7, idle=1)},
        labels={"partition": "cpu"},
        says="A job has waited for nodes of cpu for 20m 0s. None of its nodes is busy or coming,"
        " and it may launch more.",
        fires=15,
        ends=20,
        over=20,
    ),
    Fault(
        alert="SchedulerStopped",
        shows={
            f"slurm_schedule_cycle_cnt{SCHEDULER}": 300.0,
            f"slurm_bf_cycle_cnt{SCHEDULER}": 9.0,
        },
        says="2 jobs wait for nodes, and slurmctld has not run its scheduler for 15 minutes.",
        fires=30,
        ends=35,
        over=40,
    ),
    Fault(
        alert="SchedulerSlow",
        shows={f"slurm_schedule_cycle_last{SCHEDULER}": 4e6},
        says="A pass of the main scheduler takes 4s. slurmctld is busy with it and answers late.",
        fires=30,
        ends=35,
        over=55,
    ),
    Fault(
        alert="BackfillSlow",
        shows={f"slurm_bf_cycle_last{SCHEDULER}": 24e6},
        says="A pass of the backfill scheduler takes 24s, more than half of the time between two"
        " passes. It no longer reaches all jobs.",
        fires=55,
        ends=60,
        over=80,
    ),
    Fault(
        alert="SlurmdbdQueueGrowing",
        shows={f"slurm_slurmdbd_queue_size{SCHEDULER}": 150.0},
        says="150 records or more have waited in slurmctld for slurmdbd for 10 minutes.",
        fires=20,
        ends=25,
        over=25,
    ),
    Fault(
        alert="SlurmdbdQueueFilling",
        shows={f"slurm_slurmdbd_queue_size{SCHEDULER}": 60_000.0},
        says="60000 records wait in slurmctld for slurmdbd, more than half of what it keeps"
        " (100040).",
        fires=10,
        ends=15,
        over=20,
    ),
)
