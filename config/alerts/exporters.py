"""Alerts about what measures: an exporter that is away, or tells nothing, hides faults."""

from config.alerts.alert import Alert, Needs, Severity
from config.alerts.dashboards import COST, DATABASE, GPUS, HOST
from config.alerts.replacement import REPLACE
from config.alerts.sources import missing_metrics, nothing_scraped

_ITS_LOG = "`make logs SERVICE={} SINCE=30m`: the last lines before it ended."
_UP = "`make up`: it starts what is not running."

EXPORTERS = (
    Alert(
        name="NothingScraped",
        severity=Severity.PAGE,
        expr=nothing_scraped(),
        lasts="5m",
        summary="Prometheus measures nothing of {{ $labels.job }}",
        description="Prometheus has no target at all for the job {{ $labels.job }}, so no alert"
        " that depends on it can fire.",
        meaning="Prometheus' configuration lacks a part, which a target that is merely down does"
        " not do. Everything of that job looks healthy because nobody looks.",
        todo=(
            "Prometheus' page Status > Target health: which jobs are there?",
            "`make logs SERVICE=prometheus SINCE=1h`: an error while it read its configuration?",
            "`make up`: it renders the configuration again. If it stays so, it is a bug of"
            " hpc-stack: config/render/prometheus.py.",
        ),
        dashboard=HOST,
        about=("job",),
    ),
    Alert(
        name="MetricsMissing",
        severity=Severity.WARNING,
        expr=missing_metrics(),
        lasts="10m",
        summary="{{ $labels.job }} answers without {{ $labels.metric }}",
        description="{{ $labels.job }} has answered for 10 minutes without the metric"
        " {{ $labels.metric }}, on which alerts depend: they cannot fire.",
        meaning="Another version of that program has other metrics, or a part of it fails while the"
        " rest answers. The faults that this metric shows go unseen.",
        todo=(
            "`make logs SERVICE=NAME SINCE=30m` of the exporter: does it say that a part failed?",
            "Was it or Slurm updated? Compare its /metrics with the name in the alert.",
        ),
        dashboard=HOST,
        about=("job", "metric"),
        # Before its first round the node manager knows of no nodes.
        explained_by=("SlurmctldDown", "NodeManagerStuck"),
    ),
    Alert(
        name="NativeMetricsMissing",
        severity=Severity.WARNING,
        expr='max by (job) (up{job=~"slurm-.+"}) == 0 and on () max(hpc_stack_slurmctld_answers) =='
        " 1",
        lasts="5m",
        summary="slurmctld works, but serves no metrics for {{ $labels.job }}",
        description="slurmctld answers commands, but its metrics for {{ $labels.job }} cannot be"
        " read.",
        meaning="Jobs are not affected. Alerts about the scheduler and the queue of accounting"
        " records cannot fire, and panels are empty.",
        todo=(
            "`docker compose -p hpc-NAME exec login curl -s slurmctld:6817/metrics/jobs | head`:"
            " what does it answer?",
            "`PrivateData` in `slurm.extra` closes these pages: remove it, or see"
            " `MetricsAuthUsers` in Slurm's manual.",
            "A timeout: slurmctld is overloaded, see SchedulerSlow.",
        ),
        dashboard=HOST,
        about=("job",),
        explained_by=("SlurmctldDown",),
    ),
    Alert(
        name="JobExporterDown",
        severity=Severity.WARNING,
        expr='max(up{job="job-exporter"}) == 0',
        lasts="3m",
        keeps="5m",
        summary="the job exporter is down",
        description="Nothing has answered at the job exporter's port for 3 minutes: waiting times,"
        " costs, budgets and reasons of nodes are not measured.",
        meaning="Jobs are not affected. What has ended meanwhile is counted when it is back. Until"
        " then no alert about the queue, about budgets or about slurmdbd can fire.",
        todo=(_ITS_LOG.format("job-exporter"), _UP),
        dashboard=HOST,
    ),
    Alert(
        name="JobExporterStale",
        severity=Severity.WARNING,
        expr="time() - max(hpc_stack_accounting_cursor_timestamp_seconds) > 600",
        lasts="5m",
        summary="costs and finished jobs are not up to date",
        description="The job exporter has counted jobs that ended until"
        " {{ $value | humanizeDuration }} ago. Numbers of jobs, costs and budgets are from then.",
        meaning="Jobs are not affected. A budget that is passed now is not noticed.",
        todo=(
            "`make logs SERVICE=job-exporter SINCE=30m`: what does its query of accounting say?",
            "`hpc_stack_accounting_query_seconds`: near a minute, the database is too slow; raise"
            " `database.buffer_pool_mb`, or set `database.purge_jobs_after_months`.",
        ),
        dashboard=COST,
        explained_by=("SlurmdbdDown", "MysqlDown", "SlurmctldDown", "JobExporterDown"),
    ),
    Alert(
        name="JobQueueUnobserved",
        severity=Severity.WARNING,
        expr="time() - max(hpc_stack_queue_last_success_timestamp_seconds) > 300",
        lasts="3m",
        summary="the queue is not observed",
        description="The job exporter answers, but has not seen the queue and the nodes for more"
        " than 5 minutes.",
        meaning="Jobs are not affected. Waiting jobs and their reasons, nodes out of service, and"
        " what accounts have spent with their running jobs are not measured, so alerts about them"
        " cannot fire.",
        todo=(
            "`make logs SERVICE=job-exporter SINCE=30m`: what do `squeue` and `scontrol` say?",
            "In `make shell`, `squeue --all` and `scontrol show nodes`: do they answer within 10"
            " seconds? If not, see SchedulerSlow.",
            "If it says nothing: restart it, `docker compose -p hpc-NAME restart job-exporter`."
            " Nothing is lost.",
        ),
        dashboard=HOST,
        explained_by=("SlurmctldDown", "JobExporterDown"),
    ),
    Alert(
        name="HostExporterDown",
        severity=Severity.WARNING,
        expr='max(up{job="host"}) == 0',
        lasts="5m",
        keeps="5m",
        summary="the controller's machine is not measured",
        description="Nothing has answered at the node exporter's port of the controller's machine"
        " for 5 minutes: its disks and memory are not watched.",
        meaning="Jobs are not affected. A disk that fills up, or on AWS a missing backup, is not"
        " noticed.",
        todo=(_ITS_LOG.format("node-exporter"), _UP),
        dashboard=HOST,
    ),
    Alert(
        name="MysqlExporterDown",
        severity=Severity.WARNING,
        expr='max(up{job="mysql"}) == 0',
        lasts="5m",
        keeps="5m",
        summary="MySQL is not measured",
        description="Nothing has answered at the MySQL exporter's port for 5 minutes. Whether MySQL"
        " works is known by slurmdbd alone.",
        meaning="Jobs and accounting are not affected.",
        todo=(_ITS_LOG.format("mysqld-exporter"), _UP),
        dashboard=HOST,
    ),
    Alert(
        name="MysqlUnobserved",
        severity=Severity.WARNING,
        expr="max(mysql_up) == 0 and max(hpc_stack_slurmdbd_answers) == 1",
        lasts="5m",
        summary="MySQL is not measured: its exporter cannot log in",
        description="The MySQL exporter has been refused by MySQL for 5 minutes, and slurmdbd,"
        " which needs MySQL, answers.",
        meaning="Jobs and accounting are not affected. That MySQL fails would be known by slurmdbd"
        " alone, and the database's dashboard is empty.",
        todo=(
            "`make logs SERVICE=mysqld-exporter SINCE=30m`: what does MySQL say? `Access denied`:"
            " its account or password is not right. `Too many connections`: MySQL has no room.",
            "`make up`: it makes the exporter's account as it should be, and starts what is not"
            " running.",
        ),
        dashboard=DATABASE,
    ),
    Alert(
        name="NodeExporterDown",
        severity=Severity.WARNING,
        expr='max by (node, pool) (up{job="node"}) == 0',
        lasts="10m",
        keeps="5m",
        summary="node {{ $labels.node }} is not measured",
        description="Nothing has answered at the node exporter's port of {{ $labels.node }} (pool"
        " {{ $labels.pool }}) for 10 minutes, although its machine is there.",
        meaning="Jobs may run all the same. If Slurm does not reach it either, the node manager"
        " replaces it by itself.",
        todo=(
            "`sinfo -n NODE -o '%N %T %E'`: does Slurm reach it?",
            "On the node (by SSM): did its exporter start? May the controller reach the node's port"
            " 9100 (security groups)?",
            REPLACE.format("unmeasured"),
        ),
        dashboard=HOST,
        needs=Needs.AWS,
        about=("node",),
    ),
    Alert(
        name="NodesUnobserved",
        severity=Severity.WARNING,
        expr="""
            sum by (pool) (hpc_stack_nodes{state=~"idle|busy"})
            > (count by (pool) (up{job="node"}) or sum by (pool) (hpc_stack_nodes) * 0)
        """,
        lasts="15m",
        summary="Prometheus does not know all nodes of pool {{ $labels.pool }}",
        description="{{ $value }} nodes of pool {{ $labels.pool }} are up, and Prometheus measures"
        " fewer than that.",
        meaning="The list of nodes that the node manager writes for Prometheus is not current, so"
        " their disks, clocks and GPUs are not watched.",
        todo=(
            "Prometheus' page Status > Target health, job `node`: which are missing?",
            "`make logs SERVICE=node-manager SINCE=30m`: could it not write the list?",
        ),
        dashboard=HOST,
        needs=Needs.AWS,
        about=("pool",),
    ),
    Alert(
        name="GpuExporterDown",
        severity=Severity.WARNING,
        expr='max by (node, pool) (up{job="gpu"}) == 0',
        lasts="10m",
        summary="GPUs of node {{ $labels.node }} are not measured",
        description="Nothing has answered at the GPU exporter's port of {{ $labels.node }} (pool"
        " {{ $labels.pool }}) for 10 minutes.",
        meaning="Jobs may run all the same, but errors and heat of its GPUs are not noticed.",
        todo=(
            "On the node: did the exporter (DCGM) start? It fails where the driver does.",
            "As a job on the node: `srun -w NODE --gres=gpu:1 nvidia-smi`.",
            f"If that fails, too: {REPLACE.format('gpu')}",
        ),
        dashboard=GPUS,
        needs=Needs.GPUS,
        about=("node",),
        explained_by=("NodeExporterDown",),
    ),
)
