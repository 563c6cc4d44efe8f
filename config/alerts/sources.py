"""What must be measured for the alerts to mean anything: jobs of Prometheus, and their metrics."""

from collections.abc import Mapping

ALWAYS: Mapping[str, tuple[str, ...]] = {
    "prometheus": (
        "prometheus_config_last_reload_successful",
        "prometheus_notifications_dropped_total",
        "prometheus_notifications_errors_total",
        "prometheus_rule_evaluation_failures_total",
        "prometheus_tsdb_compactions_failed_total",
        "prometheus_tsdb_head_truncations_failed_total",
        "prometheus_tsdb_reloads_failures_total",
        "prometheus_tsdb_wal_corruptions_total",
        "prometheus_tsdb_wal_truncations_failed_total",
        "prometheus_tsdb_wal_writes_failed_total",
    ),
    "alertmanager": (
        "alertmanager_config_last_reload_successful",
        "alertmanager_notifications_failed_total",
    ),
    "slurm-jobs": (),
    "slurm-nodes": (),
    "slurm-partitions": (),
    "slurm-scheduler": (
        "slurm_bf_cycle_cnt",
        "slurm_bf_cycle_last",
        "slurm_schedule_cycle_cnt",
        "slurm_schedule_cycle_last",
        "slurm_slurmdbd_queue_size",
    ),
    "slurm-accounts": (),
    "node-manager": (
        "hpc_stack_cost_dollars_per_hour",
        "hpc_stack_last_round_timestamp_seconds",
        "hpc_stack_nodes",
        "hpc_stack_pool_brake",
        "hpc_stack_pool_closed",
    ),
    "job-exporter": (
        "hpc_stack_accounting_cursor_timestamp_seconds",
        "hpc_stack_jobs_unpriced_total",
        "hpc_stack_queue_last_success_timestamp_seconds",
        "hpc_stack_slurmctld_answers",
        "hpc_stack_slurmdbd_answers",
    ),
    "mysql": ("mysql_up",),
    "host": (
        "node_filesystem_avail_bytes",
        "node_filesystem_files",
        "node_filesystem_files_free",
        "node_filesystem_size_bytes",
        "node_memory_MemAvailable_bytes",
        "node_memory_MemTotal_bytes",
        "node_time_seconds",
        "node_vmstat_pswpin",
        "node_vmstat_pswpout",
    ),
}
"""By job: what alerts use and a healthy target always has. Every job here has a target in every
cluster."""

SOMETIMES = frozenset(
    {
        # There once something of that kind has happened, or while there is such a job or node.
        "hpc_stack_jobs_pending",
        "hpc_stack_launch_failures_total",
        "hpc_stack_launches_total",
        "hpc_stack_node_out_of_service",
        "hpc_stack_node_start_seconds_count",
        "hpc_stack_node_start_seconds_sum",
        "hpc_stack_oldest_pending_seconds",
        "hpc_stack_terminations_total",
        # There with a budget in the settings, and once all costs of the period are known.
        "hpc_stack_account_budget_dollars",
        "hpc_stack_account_cost_period_dollars",
        # The same of minutes, which are known once slurmctld has answered.
        "hpc_stack_account_tres_budget_minutes",
        "hpc_stack_account_tres_used_minutes",
        # There after the first backup. BackupMissing notices their absence by itself.
        "hpc_stack_backup_last_success_timestamp_seconds",
        # There while there are nodes with GPUs.
        "DCGM_FI_DEV_GPU_TEMP",
        "DCGM_FI_DEV_XID_ERRORS",
    }
)
"""What alerts use and a healthy target may lack."""


def nothing_scraped() -> str:
    """PromQL: jobs without any target, each as a result with its name."""
    return " or ".join(f'absent(up{{job="{job}"}})' for job in ALWAYS)


def missing_metrics() -> str:
    """PromQL: what targets that answer lack, each as a result with `job` and `metric`."""
    return " or ".join(
        f'label_replace(max by (job) (up{{job="{job}"}} == 1)'
        f' unless on () {metric}{{job="{job}"}}, "metric", "{metric}", "", "")'
        for job, metrics in ALWAYS.items()
        for metric in metrics
    )
