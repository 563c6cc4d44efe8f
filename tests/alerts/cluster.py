"""The cluster of these tests, on AWS, with all that any alert needs; and what it measures while all
is well."""

from collections.abc import Callable, Mapping

from config.settings import ClusterSettings, load_cluster
from tests.unit.test_settings_aws import on_aws

Signal = float | None | Callable[[float], float | None]
"""A value, or one by the seconds since the beginning; None: no such series."""


def settings() -> ClusterSettings:
    """A cluster that has every alert."""
    pools = {
        "cpu": {"instance_types": ["c7i.xlarge"], "max_nodes": 8, "default": True},
        "gpu": {"instance_types": ["g5.xlarge"], "max_nodes": 2},
    }
    return load_cluster(on_aws(pools=pools, limits={"max_cost_per_hour": 10}))


def running(seconds: float) -> float:
    """A clock, or the time of what has just succeeded."""
    return seconds


def at(job: str, instance: str, **labels: str) -> str:
    """The labels of a target's series."""
    found = {**labels, "instance": instance, "job": job}
    return "{" + ",".join(f'{name}="{value}"' for name, value in found.items()) + "}"


PROMETHEUS = at("prometheus", "localhost:9090")
SCHEDULER = at("slurm-scheduler", "slurmctld:6817")
EXPORTER = at("job-exporter", "job-exporter:9811")
MANAGER = at("node-manager", "10.80.0.10:9810")
HOST = at("host", "10.80.0.10:9100")
MYSQL = at("mysql", "mysqld-exporter:9104")
ALERTMANAGER = at("alertmanager", "alertmanager:9093")
SLURM_JOBS = ("slurm-jobs", "slurm-nodes", "slurm-partitions", "slurm-scheduler", "slurm-accounts")


def manager(metric: str, **labels: str) -> str:
    """A series of the node manager."""
    return metric + at("node-manager", "10.80.0.10:9810", **labels)


def exporter(metric: str, **labels: str) -> str:
    """A series of the job exporter."""
    return metric + at("job-exporter", "job-exporter:9811", **labels)


def of_node(metric: str, node: str, job: str = "node", **labels: str) -> str:
    """A series of a node's exporter."""
    return metric + at(job, node, node=node, pool=node.rpartition("-")[0], **labels)


def disk(metric: str, node: str = "") -> str:
    """A series of the one disk, of the controller's machine if no node is named."""
    labels = {"device": "/dev/nvme1n1", "fstype": "ext4", "mountpoint": "/data"}
    if node:
        return of_node(f"node_filesystem_{metric}", node, **labels)
    return f"node_filesystem_{metric}" + at("host", "10.80.0.10:9100", **labels)


def nodes(pool: str, **states: int) -> dict[str, Signal]:
    """How many nodes of a pool are in each state."""
    words = ("off", "coming", "idle", "busy", "going", "out of service")
    return {
        manager("hpc_stack_nodes", pool=pool, state=word): float(
            states.get(word.replace(" ", "_"), 0)
        )
        for word in words
    }


GIB = float(1 << 30)

_ERRORS = "prometheus_notifications_errors_total" + at(
    "prometheus", "localhost:9090", alertmanager="http://alertmanager:9093/"
)
_PROMETHEUS_COUNTERS = (
    "prometheus_notifications_dropped_total",
    "prometheus_tsdb_compactions_failed_total",
    "prometheus_tsdb_head_truncations_failed_total",
    "prometheus_tsdb_reloads_failures_total",
    "prometheus_tsdb_wal_corruptions_total",
    "prometheus_tsdb_wal_truncations_failed_total",
    "prometheus_tsdb_wal_writes_failed_total",
)


def healthy() -> Mapping[str, Signal]:
    """By series."""
    return {**_services(), **_slurm(), **_fleet(), **_machines(), **_accounts()}


def just_begun() -> Mapping[str, Signal]:
    """The same for a cluster whose services start: nothing is there at first, and they come one
    after the other."""
    targets = [name for name in healthy() if name.startswith("up{")]
    first_tries: dict[str, Signal] = {
        exporter("hpc_stack_slurmctld_answers"): _from(2, 1.0, before=0.0),
        exporter("hpc_stack_slurmdbd_answers"): _from(3, 1.0, before=0.0),
        exporter("hpc_stack_accounting_cursor_timestamp_seconds"): _from(3, running, before=1.0),
        exporter("hpc_stack_queue_last_success_timestamp_seconds"): _from(2, running, before=0.0),
        manager("hpc_stack_last_round_timestamp_seconds"): _from(2, running, before=0.0),
        f"mysql_up{MYSQL}": _from(2, 1.0, before=0.0),
        # Prometheus was there before Alertmanager.
        _ERRORS: _from(1, 2.0, before=0.0),
        f"prometheus_config_last_reload_successful{PROMETHEUS}": 1.0,
        f"hpc_stack_backup_last_success_timestamp_seconds{HOST}": None,
        # The images were just built.
        disk("avail_bytes"): lambda seconds: GIB * (45 - min(seconds, 300) / 60),
    }
    return {
        **{name: _from(2, signal) for name, signal in healthy().items()},
        **{name: _from(1, 1.0, before=0.0) for name in targets},
        **first_tries,
    }


def _from(minute: int, signal: Signal, before: Signal = None) -> Signal:
    """One signal from a minute on, and another before."""

    def value(seconds: float) -> float | None:
        now = signal if seconds >= minute * 60 else before
        return now(seconds) if callable(now) else now

    return value


def _services() -> dict[str, Signal]:
    targets = (PROMETHEUS, ALERTMANAGER, EXPORTER, MANAGER, HOST, MYSQL)
    slurm = (at(job, "slurmctld:6817") for job in SLURM_JOBS)
    group = at("prometheus", "localhost:9090", rule_group="/etc/prometheus/alerts.yml;nodes")
    mail = at("alertmanager", "alertmanager:9093", integration="email", reason="other")
    return {
        **{f"up{target}": 1.0 for target in (*targets, *slurm)},
        **{f"{counter}{PROMETHEUS}": 0.0 for counter in _PROMETHEUS_COUNTERS},
        f"prometheus_config_last_reload_successful{PROMETHEUS}": 1.0,
        _ERRORS: 0.0,
        f"prometheus_rule_evaluation_failures_total{group}": 0.0,
        f"alertmanager_config_last_reload_successful{ALERTMANAGER}": 1.0,
        f"alertmanager_notifications_failed_total{mail}": 0.0,
        f"mysql_up{MYSQL}": 1.0,
    }


def _slurm() -> dict[str, Signal]:
    return {
        exporter("hpc_stack_slurmctld_answers"): 1.0,
        exporter("hpc_stack_slurmdbd_answers"): 1.0,
        exporter("hpc_stack_accounting_cursor_timestamp_seconds"): running,
        exporter("hpc_stack_queue_last_success_timestamp_seconds"): running,
        # A job waits for the rest of its pool, as it may.
        exporter("hpc_stack_jobs_pending", partition="cpu", reason="Resources"): 2.0,
        exporter("hpc_stack_oldest_pending_seconds", partition="cpu", reason="Resources"): 5000.0,
        f"slurm_schedule_cycle_cnt{SCHEDULER}": running,
        f"slurm_schedule_cycle_last{SCHEDULER}": 400.0,
        f"slurm_bf_cycle_cnt{SCHEDULER}": running,
        f"slurm_bf_cycle_last{SCHEDULER}": 9000.0,
        f"slurm_slurmdbd_queue_size{SCHEDULER}": 0.0,
    }


def _fleet() -> dict[str, Signal]:
    spot = {"pool": "cpu", "capacity": "spot"}
    return {
        manager("hpc_stack_last_round_timestamp_seconds"): running,
        manager("hpc_stack_cost_dollars_per_hour"): 0.5,
        **nodes("cpu", off=6, idle=1, busy=1),
        **nodes("gpu", off=1, busy=1),
        manager("hpc_stack_pool_brake", pool="cpu"): 0.0,
        manager("hpc_stack_pool_brake", pool="gpu"): 0.0,
        manager("hpc_stack_pool_closed", pool="cpu", capacity="on_demand"): 0.0,
        manager("hpc_stack_pool_closed", **spot): 0.0,
        manager("hpc_stack_pool_closed", pool="gpu", capacity="on_demand"): 0.0,
        manager("hpc_stack_launches_total", pool="cpu", capacity="on_demand"): 4.0,
        manager("hpc_stack_launch_failures_total", pool="cpu", code="RequestLimitExceeded"): 1.0,
        manager("hpc_stack_terminations_total", pool="cpu", result="failed"): 1.0,
        manager("hpc_stack_node_start_seconds_sum", pool="cpu"): 240.0,
        manager("hpc_stack_node_start_seconds_count", pool="cpu"): 4.0,
    }


def _machines() -> dict[str, Signal]:
    up = ("cpu-1", "cpu-2", "gpu-1")
    gpu = {"gpu": "0", "UUID": "GPU-1"}
    return {
        disk("avail_bytes"): 60 * GIB,
        disk("size_bytes"): 100 * GIB,
        disk("files_free"): 900_000.0,
        disk("files"): 1_000_000.0,
        f"node_memory_MemAvailable_bytes{HOST}": 2 * GIB,
        f"node_memory_MemTotal_bytes{HOST}": 4 * GIB,
        f"node_vmstat_pswpin{HOST}": 0.0,
        f"node_vmstat_pswpout{HOST}": 0.0,
        f"node_time_seconds{HOST}": running,
        f"hpc_stack_backup_last_success_timestamp_seconds{HOST}": running,
        **{of_node("up", node): 1.0 for node in up},
        **{of_node("node_time_seconds", node): running for node in up},
        disk("avail_bytes", "cpu-1"): 20 * GIB,
        disk("size_bytes", "cpu-1"): 30 * GIB,
        of_node("up", "gpu-1", job="gpu"): 1.0,
        of_node("DCGM_FI_DEV_GPU_TEMP", "gpu-1", job="gpu", **gpu): 60.0,
        of_node("DCGM_FI_DEV_XID_ERRORS", "gpu-1", job="gpu", **gpu): 0.0,
    }


def _accounts() -> dict[str, Signal]:
    return {
        exporter("hpc_stack_account_budget_dollars", account="research"): 100.0,
        exporter("hpc_stack_account_cost_period_dollars", account="research"): 20.0,
        exporter("hpc_stack_account_budget_dollars", account="root"): 500.0,
        exporter("hpc_stack_account_cost_period_dollars", account="root"): 20.0,
        exporter("hpc_stack_account_tres_budget_minutes", account="research", tres="cpu"): 6e6,
        exporter("hpc_stack_account_tres_used_minutes", account="research", tres="cpu"): 1e6,
        exporter("hpc_stack_account_tres_budget_minutes", account="root", tres="gres/gpu"): 6000.0,
        exporter("hpc_stack_account_tres_used_minutes", account="root", tres="gres/gpu"): 0.0,
        exporter("hpc_stack_jobs_unpriced_total"): 0.0,
    }
