"""Host and monitoring: the controller's machine, and what observes the cluster.

The exporter may run in a container, whose CPUs, memory and disks are the machine's. A disk is told
by its device, since the container has its own mount points.
"""

from config.panels.absence import answers, or_zero
from config.panels.model import Colour, Dashboard, Kind, Needs, Panel, Query, Step, Unit
from config.panels.rows import row
from config.panels.steps import BAD_FROM_ONE, FULL

_HOST = 'job="host"'
_DISKS = f'{_HOST}, fstype!~"tmpfs|ramfs|nfs.*"'
_NO_HOST = "the host's exporter does not answer"
_NO_PROMETHEUS = "Prometheus does not answer"
_LONG = 90 * 86400

_CPU = f'1 - avg(rate(node_cpu_seconds_total{{{_HOST}, mode="idle"}}[$__rate_interval]))'
_MEMORY = (
    f"1 - max(node_memory_MemAvailable_bytes{{{_HOST}}})"
    f" / max(node_memory_MemTotal_bytes{{{_HOST}}})"
)
_DISK = (
    f"1 - min by (device) (node_filesystem_avail_bytes{{{_DISKS}}}"
    f" / node_filesystem_size_bytes{{{_DISKS}}})"
)
# The time at which the line through the last six hours meets 0, in at most 90 days.
_FULL_IN = (
    f"clamp_max(min by (device) (node_filesystem_avail_bytes{{{_DISKS}}}"
    f" / clamp_min(-deriv(node_filesystem_avail_bytes{{{_DISKS}}}[6h]), 1)), {_LONG})"
)
_IN_FOUR_DAYS = (
    f"min by (device) (predict_linear(node_filesystem_avail_bytes{{{_DISKS}}}[6h], 4 * 86400))"
)


def _number(title: str, about: str, expr: str, unit: Unit, steps: tuple[Step, ...] = ()) -> Panel:
    return Panel(
        title=title,
        about=about,
        kind=Kind.NUMBER,
        queries=(Query(expr=expr, legend=title),),
        unit=unit,
        steps=steps,
        empty=_NO_HOST,
        empty_is_fine=False,
        width=4,
        height=4,
    )


_NOW = (
    _number("Host's CPUs in use", "Of all CPUs, in the last minutes.", _CPU, Unit.SHARE, FULL),
    _number(
        "Host's memory in use",
        "Caches not counted. On one machine the nodes' jobs are part of it.",
        _MEMORY,
        Unit.SHARE,
        FULL,
    ),
    _number(
        "Fullest disk",
        "At 100 %, MySQL and slurmctld stop.",
        f"max({_DISK})",
        Unit.SHARE,
        FULL,
    ),
    Panel(
        title="Disk full in",
        about="When the disk is full if it goes on as in the last six hours. In the first hours "
        "of a cluster this is a guess.",
        kind=Kind.NUMBER,
        queries=(Query(expr=_FULL_IN, legend="{{device}}"),),
        unit=Unit.SECONDS,
        steps=(
            Step(value=None, colour=Colour.RED),
            Step(value=86400, colour=Colour.YELLOW),
            Step(value=7 * 86400, colour=Colour.GREEN),
        ),
        words=((float(_LONG), "90 days or more"),),
        empty=_NO_HOST,
        empty_is_fine=False,
        width=4,
        height=4,
    ),
    _number(
        "Host up for",
        "Time since the machine's last start.",
        f"time() - max(node_boot_time_seconds{{{_HOST}}})",
        Unit.SECONDS,
    ),
    _number(
        "Killed for memory",
        "Processes that the kernel killed in this time, for want of memory or at a job's limit. "
        "On one machine those of jobs are part of it.",
        f"round(sum(increase(node_vmstat_oom_kill{{{_HOST}}}[$__range])))",
        Unit.COUNT,
        (Step(value=None, colour=Colour.GREEN), Step(value=1, colour=Colour.YELLOW)),
    ),
)


def _lines(
    title: str,
    about: str,
    queries: tuple[Query, ...],
    unit: Unit,
    *,
    kind: Kind = Kind.LINES,
    needs: Needs = Needs.NOTHING,
    width: int = 8,
) -> Panel:
    return Panel(
        title=title,
        about=about,
        kind=kind,
        queries=queries,
        unit=unit,
        empty=_NO_HOST,
        empty_is_fine=False,
        needs=needs,
        width=width,
    )


_OVER_TIME = (
    _lines(
        "Host's CPUs by use",
        "iowait: CPUs that wait for disks. steal: CPUs that the platform has taken away, on small "
        "EC2 types once their credits are used up.",
        (
            Query(
                expr="avg by (mode) (rate(node_cpu_seconds_total"
                f'{{{_HOST}, mode!="idle"}}[$__rate_interval]))',
                legend="{{mode}}",
            ),
        ),
        Unit.SHARE,
        kind=Kind.AREAS,
        width=7,
    ),
    _lines(
        "Host's load",
        "Processes that run or want to, on average. For long above the CPUs: they wait.",
        (
            Query(expr=f"max(node_load1{{{_HOST}}})", legend="1 minute"),
            Query(expr=f"max(node_load15{{{_HOST}}})", legend="15 minutes"),
            Query(
                expr=f'count(node_cpu_seconds_total{{{_HOST}, mode="idle"}})',
                legend="CPUs",
            ),
        ),
        Unit.COUNT,
        width=7,
    ),
    _lines(
        "Host's memory by use",
        "Caches give way when processes need the memory.",
        (
            Query(
                expr=f"max(node_memory_MemTotal_bytes{{{_HOST}}}"
                f" - node_memory_MemAvailable_bytes{{{_HOST}}})",
                legend="processes",
            ),
            Query(
                expr=f"max(node_memory_MemAvailable_bytes{{{_HOST}}}"
                f" - node_memory_MemFree_bytes{{{_HOST}}})",
                legend="caches",
            ),
            Query(expr=f"max(node_memory_MemFree_bytes{{{_HOST}}})", legend="free"),
        ),
        Unit.BYTES,
        kind=Kind.AREAS,
        width=7,
    ),
    _lines(
        "Space on the host's disks",
        "Free now, and in four days if it goes on as in the last six hours.",
        (
            Query(
                expr=f"min by (device) (node_filesystem_avail_bytes{{{_DISKS}}})",
                legend="{{device}} free",
            ),
            Query(expr=_IN_FOUR_DAYS, legend="{{device}} in four days"),
        ),
        Unit.BYTES,
    ),
    _lines(
        "Traffic of the host's disks",
        "The database and slurmctld's state are on them.",
        (
            Query(
                expr="sum by (device) "
                f"(rate(node_disk_read_bytes_total{{{_HOST}}}[$__rate_interval]))",
                legend="{{device}} read",
            ),
            Query(
                expr="sum by (device) "
                f"(rate(node_disk_written_bytes_total{{{_HOST}}}[$__rate_interval]))",
                legend="{{device}} written",
            ),
        ),
        Unit.BYTES_PER_SECOND,
    ),
    _lines(
        "Network of the host",
        "What the controller's machine receives and sends, with all services on it.",
        (
            Query(
                expr="sum(rate(node_network_receive_bytes_total"
                f'{{{_HOST}, device!~"lo|veth.+|docker.+|br-.+"}}[$__rate_interval]))',
                legend="received",
            ),
            Query(
                expr="sum(rate(node_network_transmit_bytes_total"
                f'{{{_HOST}, device!~"lo|veth.+|docker.+|br-.+"}}[$__rate_interval]))',
                legend="sent",
            ),
        ),
        Unit.BYTES_PER_SECOND,
        needs=Needs.AWS,
    ),
)

_MONITORING = (
    Panel(
        title="Silent services and nodes",
        about="What does not tell Prometheus how it is. The Overview counts services alone: nodes "
        "come and go, and one that has just gone may be named here for some seconds.",
        kind=Kind.TABLE,
        queries=(Query(expr="count by (job, instance) (up == 0)", legend="{{job}} {{instance}}"),),
        columns=(("job", "job"), ("instance", "address")),
        value_heading="state",
        words=((1.0, "no answer"),),
        empty="all answer",
        width=7,
    ),
    Panel(
        title="Time to ask a service",
        about="How long each takes to tell Prometheus how it is. A slow slurmctld is a busy one.",
        kind=Kind.LINES,
        queries=(Query(expr="max by (job) (scrape_duration_seconds)", legend="{{job}}"),),
        unit=Unit.SECONDS,
        empty=_NO_PROMETHEUS,
        empty_is_fine=False,
        width=7,
    ),
    Panel(
        title="Space of the measurements",
        about="What Prometheus keeps on disk, at most `monitoring.retention_gb`.",
        kind=Kind.LINES,
        queries=(
            Query(
                expr="max(prometheus_tsdb_storage_blocks_bytes)"
                " + max(prometheus_tsdb_wal_storage_size_bytes)",
                legend="on disk",
            ),
        ),
        unit=Unit.BYTES,
        empty=_NO_PROMETHEUS,
        empty_is_fine=False,
        width=7,
    ),
    Panel(
        title="Series in memory",
        about="What Prometheus measures. Some thousands are usual, and each node adds some "
        "hundreds; ten times as many point to a label with too many values.",
        kind=Kind.NUMBER,
        queries=(Query(expr="max(prometheus_tsdb_head_series)", legend="series"),),
        empty=_NO_PROMETHEUS,
        empty_is_fine=False,
        width=8,
        height=4,
    ),
    Panel(
        title="Alerts that were not delivered",
        about="Messages that Alertmanager could not send in this time: look at its address and "
        "secret in `monitoring.alerts`, and at its log.",
        kind=Kind.NUMBER,
        queries=(
            Query(
                expr=or_zero(
                    "round(sum(increase(alertmanager_notifications_failed_total[$__range])))",
                    answers("alertmanager"),
                ),
                legend="messages",
            ),
        ),
        steps=BAD_FROM_ONE,
        empty="Alertmanager does not answer",
        empty_is_fine=False,
        width=8,
        height=4,
    ),
    Panel(
        title="Rules that failed",
        about="Alert rules that Prometheus could not evaluate in this time. Their alerts do not "
        "come.",
        kind=Kind.NUMBER,
        queries=(
            Query(
                expr=or_zero(
                    "round(sum(increase(prometheus_rule_evaluation_failures_total[$__range])))",
                    answers("prometheus"),
                ),
                legend="rules",
            ),
        ),
        steps=BAD_FROM_ONE,
        empty=_NO_PROMETHEUS,
        empty_is_fine=False,
        width=8,
        height=4,
    ),
)

HOST = Dashboard(
    uid="hpc-host",
    title="Host and monitoring",
    about="The controller's machine, and what observes the cluster.",
    rows=(
        row("The controller's machine", _NOW),
        row("The machine over time", _OVER_TIME),
        row("What observes the cluster", _MONITORING),
    ),
)
