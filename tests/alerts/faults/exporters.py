"""What measures is away, or tells nothing."""

from tests.alerts.cluster import HOST, MYSQL, PROMETHEUS, exporter, healthy, nodes, of_node
from tests.alerts.fault import Fault
from tests.alerts.faults.services import NO_JOB_EXPORTER, NO_NATIVE_METRICS, SINCE

_GPU = {"gpu": "0", "UUID": "GPU-1"}


def _without(labels: str) -> dict[str, None]:
    """All series of a target, but its `up`, are gone."""
    return {name: None for name in healthy() if name.endswith(labels) and name != f"up{labels}"}


FAULTS = (
    Fault(
        alert="NothingScraped",
        shows={f"up{MYSQL}": None, f"mysql_up{MYSQL}": None},
        labels={"job": "mysql"},
        says="Prometheus has no target at all for the job mysql, so no alert that depends on it can"
        " fire.",
        fires=10,
        ends=15,
        over=15,
    ),
    Fault(
        alert="MetricsMissing",
        shows={f"prometheus_config_last_reload_successful{PROMETHEUS}": None},
        labels={"job": "prometheus", "metric": "prometheus_config_last_reload_successful"},
        says="prometheus has answered for 10 minutes without the metric"
        " prometheus_config_last_reload_successful, on which alerts depend: they cannot fire.",
        fires=15,
        ends=20,
        over=20,
    ),
    Fault(
        alert="NativeMetricsMissing",
        shows={name: signal for name, signal in NO_NATIVE_METRICS.items() if "accounts" in name},
        labels={"job": "slurm-accounts"},
        says="slurmctld answers commands, but its metrics for slurm-accounts cannot be read.",
        fires=10,
        ends=15,
        over=15,
    ),
    Fault(
        alert="JobExporterDown",
        shows=NO_JOB_EXPORTER,
        says="Nothing has answered at the job exporter's port for 3 minutes: waiting times, costs,"
        " budgets and reasons of nodes are not measured.",
        fires=10,
        ends=15,
        over=20,
    ),
    Fault(
        alert="JobExporterStale",
        shows={exporter("hpc_stack_accounting_cursor_timestamp_seconds"): SINCE},
        says="The job exporter has counted jobs that ended until 20m 0s ago. Numbers of jobs, costs"
        " and budgets are from then.",
        fires=25,
        ends=30,
        over=30,
    ),
    Fault(
        alert="JobQueueUnobserved",
        shows={exporter("hpc_stack_queue_last_success_timestamp_seconds"): SINCE},
        says="The job exporter answers, but has not seen the queue and the nodes for more than 5"
        " minutes.",
        fires=20,
        ends=25,
        over=25,
    ),
    Fault(
        # It was restarted, and has not seen the queue since.
        alert="JobQueueUnobserved",
        shows={exporter("hpc_stack_queue_last_success_timestamp_seconds"): 0.0},
        says="The job exporter answers, but has not seen the queue and the nodes for more than 5"
        " minutes.",
        begins=10,
        fires=15,
        ends=20,
        over=20,
    ),
    Fault(
        # Commands fail, as by a wrong key, while slurmctld serves: nobody is paged.
        alert="JobQueueUnobserved",
        shows={
            exporter("hpc_stack_queue_last_success_timestamp_seconds"): SINCE,
            exporter("hpc_stack_slurmctld_answers"): 0.0,
        },
        says="The job exporter answers, but has not seen the queue and the nodes for more than 5"
        " minutes.",
        fires=20,
        ends=25,
        over=25,
    ),
    Fault(
        alert="HostExporterDown",
        shows={**_without(HOST), f"up{HOST}": 0.0},
        says="Nothing has answered at the node exporter's port of the controller's machine for 5"
        " minutes: its disks and memory are not watched.",
        fires=10,
        ends=15,
        over=20,
    ),
    Fault(
        alert="MysqlExporterDown",
        shows={f"up{MYSQL}": 0.0, f"mysql_up{MYSQL}": None},
        says="Nothing has answered at the MySQL exporter's port for 5 minutes. Whether MySQL works"
        " is known by slurmdbd alone.",
        fires=10,
        ends=15,
        over=20,
    ),
    Fault(
        alert="MysqlUnobserved",
        shows={f"mysql_up{MYSQL}": 0.0},
        says="The MySQL exporter has been refused by MySQL for 5 minutes, and slurmdbd, which needs"
        " MySQL, answers.",
        fires=10,
        ends=15,
        over=15,
    ),
    Fault(
        alert="NodeExporterDown",
        shows={of_node("up", "cpu-2"): 0.0, of_node("node_time_seconds", "cpu-2"): None},
        labels={"node": "cpu-2", "pool": "cpu"},
        says="Nothing has answered at the node exporter's port of cpu-2 (pool cpu) for 10 minutes,"
        " although its machine is there.",
        fires=15,
        ends=20,
        over=25,
    ),
    Fault(
        alert="NodesUnobserved",
        shows=nodes("cpu", off=4, idle=2, busy=2),
        labels={"pool": "cpu"},
        says="4 nodes of pool cpu are up, and Prometheus measures fewer than that.",
        fires=20,
        ends=25,
        over=25,
    ),
    Fault(
        # None of the pool's nodes is known.
        alert="NodesUnobserved",
        shows={of_node("up", "gpu-1"): None, of_node("node_time_seconds", "gpu-1"): None},
        labels={"pool": "gpu"},
        says="1 nodes of pool gpu are up, and Prometheus measures fewer than that.",
        fires=20,
        ends=25,
        over=25,
    ),
    Fault(
        alert="GpuExporterDown",
        shows={
            of_node("up", "gpu-1", job="gpu"): 0.0,
            of_node("DCGM_FI_DEV_GPU_TEMP", "gpu-1", job="gpu", **_GPU): None,
            of_node("DCGM_FI_DEV_XID_ERRORS", "gpu-1", job="gpu", **_GPU): None,
        },
        labels={"node": "gpu-1", "pool": "gpu"},
        says="Nothing has answered at the GPU exporter's port of gpu-1 (pool gpu) for 10 minutes.",
        fires=15,
        ends=20,
        over=20,
    ),
)
