"""Nodes and elasticity: how fast nodes come, why they do not, and how their machines are."""

from config.panels.absence import (
    FLEET_SEEN,
    NO_ROUND,
    QUEUE_SEEN,
    answers,
    or_nothing,
    rows_or_not_known,
    while_known,
)
from config.panels.model import Dashboard, Kind, Needs, Panel, Query, Unit
from config.panels.rows import row
from config.panels.steps import BAD_FROM_ONE, FULL, WARN_FROM_ONE

_HERE = 'pool=~"$pool"'
_MACHINES = f'job="node", {_HERE}'
_NO_NODE_MANAGER = "the node manager does not answer"
_STARTS = f"hpc_stack_node_start_seconds_bucket{{{_HERE}}}"
_NO_START = "no node has started in this time"
_NO_MACHINE = "no node reports"
_CARDS = 'device!~"lo|veth.+|docker.+|br-.+"'


def _start_quantile(share: float) -> str:
    return f"histogram_quantile({share}, sum by (le) (rate({_STARTS}[1h]))) >= 0"


_NOW = (
    Panel(
        title="Brakes of the pools",
        about="On: the pool is stopped after failed starts. See why under failed launches, then "
        "`make resume`.",
        kind=Kind.LIGHT,
        queries=(
            Query(
                expr=while_known(f"max by (pool) (hpc_stack_pool_brake{{{_HERE}}})", FLEET_SEEN),
                legend="{{pool}}",
            ),
        ),
        unit=Unit.NONE,
        steps=BAD_FROM_ONE,
        words=((0.0, "off"), (1.0, "on")),
        empty=NO_ROUND,
        empty_is_fine=False,
        width=7,
        height=6,
    ),
    Panel(
        title="Pools that launch",
        about="Closed: no node is launched, because of the brake, of a limit in the settings, or "
        "because the platform had no capacity; the last opens again by itself.",
        kind=Kind.LIGHT,
        queries=(
            Query(
                expr=while_known(
                    f"max by (pool, capacity) (hpc_stack_pool_closed{{{_HERE}}})", FLEET_SEEN
                ),
                legend="{{pool}} {{capacity}}",
            ),
        ),
        unit=Unit.NONE,
        steps=WARN_FROM_ONE,
        words=((0.0, "open"), (1.0, "closed")),
        empty=NO_ROUND,
        empty_is_fine=False,
        width=7,
        height=6,
    ),
    Panel(
        title="Why nodes are out of service",
        about="Nodes that are down, drained or failed, with the reason in Slurm. Once it is gone: "
        "`scontrol update nodename=NODE state=resume`.",
        kind=Kind.TABLE,
        queries=(
            Query(
                expr=rows_or_not_known(
                    "count by (node, state, reason) (hpc_stack_node_out_of_service == 1)",
                    QUEUE_SEEN,
                    "reason",
                    "not known: the queue is not seen",
                ),
                legend="{{node}}",
            ),
        ),
        columns=(("node", "node"), ("state", "state"), ("reason", "reason")),
        value_heading="nodes",
        empty="none",
        width=7,
        height=6,
    ),
    Panel(
        title="Nodes by state",
        about="All nodes but those that are off. Coming ones are paid for and not usable yet; "
        "idle ones go after `idle_seconds`.",
        kind=Kind.AREAS,
        queries=(
            Query(
                expr=f'sum by (state) (hpc_stack_nodes{{{_HERE}, state!="off"}})',
                legend="{{state}}",
            ),
        ),
        empty=NO_ROUND,
        empty_is_fine=False,
    ),
    Panel(
        title="Live nodes by pool and capacity",
        about="Machines or containers that exist, by how they are bought.",
        kind=Kind.AREAS,
        queries=(
            Query(
                expr=f"sum by (pool, capacity) (hpc_stack_instances{{{_HERE}}})",
                legend="{{pool}} {{capacity}}",
            ),
        ),
        empty=NO_ROUND,
        empty_is_fine=False,
    ),
)

_COMING = (
    Panel(
        title="Time until a node is there",
        about="From when Slurm wanted a node until it was registered, of the nodes that came in "
        "the hour before each point. This is most of what a job waits in an empty cluster.",
        kind=Kind.LINES,
        queries=(
            Query(expr=_start_quantile(0.5), legend="median"),
            Query(expr=_start_quantile(0.9), legend="90 of 100"),
            Query(expr=_start_quantile(0.99), legend="99 of 100"),
        ),
        unit=Unit.SECONDS,
        empty=_NO_START,
        width=9,
    ),
    Panel(
        title="Starts of nodes",
        about="How many nodes took how long to come, in this time.",
        kind=Kind.BUCKETS,
        queries=(
            Query(expr=f"sum by (le) (increase({_STARTS}[$__range]))", legend="up to {{le}} s"),
        ),
        empty=_NO_START,
        width=6,
    ),
    Panel(
        title="Median start by pool",
        about="Half of the pool's nodes that came in this time were there earlier.",
        kind=Kind.BARS,
        queries=(
            Query(
                expr="histogram_quantile(0.5, sum by (le, pool) "
                f"(increase({_STARTS}[$__range]))) >= 0",
                legend="{{pool}}",
            ),
        ),
        unit=Unit.SECONDS,
        empty=_NO_START,
        width=6,
    ),
    Panel(
        title="Launches",
        about="Nodes launched, by pool and how they are bought. Many launches of few nodes mean "
        "that they go too soon: see `idle_seconds`.",
        kind=Kind.LINES,
        queries=(
            or_nothing(
                "round(sum by (pool, capacity) "
                f"(increase(hpc_stack_launches_total{{{_HERE}}}[$__rate_interval])))",
                FLEET_SEEN,
                "pool",
                "no launch",
                "{{pool}} {{capacity}}",
            ),
        ),
        empty=NO_ROUND,
        empty_is_fine=False,
    ),
    Panel(
        title="Failed launches by code",
        about="Nodes for which no machine came, by the platform's word for it. What ends in "
        "Capacity passes by itself; others are the settings' or the account's.",
        kind=Kind.BARS,
        queries=(
            or_nothing(
                "round(sum by (pool, code) "
                f"(increase(hpc_stack_launch_failures_total{{{_HERE}}}[$__range])))",
                FLEET_SEEN,
                "code",
                "none failed",
                "{{pool}} {{code}}",
            ),
        ),
        empty=NO_ROUND,
        empty_is_fine=False,
        width=6,
    ),
    Panel(
        title="Ended nodes by result",
        about="Nodes whose machine was ended in this time, and those where that failed: they "
        "still cost money, and it is tried again.",
        kind=Kind.BARS,
        queries=(
            or_nothing(
                "round(sum by (pool, result) "
                f"(increase(hpc_stack_terminations_total{{{_HERE}}}[$__range])))",
                FLEET_SEEN,
                "result",
                "none ended",
                "{{pool}} {{result}}",
            ),
        ),
        empty=NO_ROUND,
        empty_is_fine=False,
        width=6,
    ),
)

_MANAGER = (
    Panel(
        title="Rounds of the node manager",
        about="How long a look at Slurm and the platform, and what follows from it, takes. "
        "Rounds that take longer than some seconds delay every node.",
        kind=Kind.LINES,
        queries=(
            Query(
                expr="sum(rate(hpc_stack_round_seconds_sum[$__rate_interval]))"
                " / sum(rate(hpc_stack_round_seconds_count[$__rate_interval]))",
                legend="mean",
            ),
            Query(
                expr="histogram_quantile(0.99, "
                "sum by (le) (rate(hpc_stack_round_seconds_bucket[$__rate_interval])))",
                legend="99 of 100",
            ),
        ),
        unit=Unit.SECONDS,
        empty=_NO_NODE_MANAGER,
        empty_is_fine=False,
        width=11,
    ),
    Panel(
        title="Requests to the platform",
        about="By name and result. Throttled ones mean that the account's rate limit is reached.",
        kind=Kind.LINES,
        queries=(
            or_nothing(
                "sum by (call, result) (rate(hpc_stack_api_calls_total[$__rate_interval]))",
                answers("node-manager"),
                "call",
                "no request",
                "{{call}} {{result}}",
            ),
        ),
        unit=Unit.PER_SECOND,
        empty=_NO_NODE_MANAGER,
        empty_is_fine=False,
        width=10,
    ),
)


def _machines(title: str, about: str, expr: str, legend: str, unit: Unit) -> Panel:
    return Panel(
        title=title,
        about=about,
        kind=Kind.LINES,
        queries=(Query(expr=expr, legend=legend),),
        unit=unit,
        empty=_NO_MACHINE,
        needs=Needs.MACHINES,
        width=7,
    )


_NODE_CPU = (
    f'1 - avg by (pool, node) (rate(node_cpu_seconds_total{{{_MACHINES}, mode="idle"}}'
    "[$__rate_interval]))"
)
_NODE_MEMORY = (
    f"1 - sum by ({{by}}) (node_memory_MemAvailable_bytes{{{{{_MACHINES}}}}})"
    f" / sum by ({{by}}) (node_memory_MemTotal_bytes{{{{{_MACHINES}}}}})"
)
_DISKS = f'{_MACHINES}, fstype!~"tmpfs|nfs.*"'
_NODE_DISK = (
    f"1 - min by (node, device) (node_filesystem_avail_bytes{{{_DISKS}}}"
    f" / node_filesystem_size_bytes{{{_DISKS}}})"
)


def _traffic(metric: str) -> str:
    return f"sum by (pool) (rate({metric}{{{_MACHINES}, {_CARDS}}}[$__rate_interval]))"


def _disk_traffic(metric: str) -> str:
    return f"sum by (pool) (rate({metric}{{{_MACHINES}}}[$__rate_interval]))"


_BODIES = (
    _machines(
        "CPUs in use by pool",
        "What the nodes' CPUs really do, which jobs may hold and not use.",
        f"avg by (pool) ({_NODE_CPU})",
        "{{pool}}",
        Unit.SHARE,
    ),
    _machines(
        "Memory in use by pool",
        "Of all memory of the pool's live nodes, caches not counted.",
        _NODE_MEMORY.format(by="pool"),
        "{{pool}}",
        Unit.SHARE,
    ),
    Panel(
        title="Network of the nodes",
        about="What the pool's nodes receive and send together. Jobs that read shared files a "
        "lot show here.",
        kind=Kind.LINES,
        queries=(
            Query(expr=_traffic("node_network_receive_bytes_total"), legend="{{pool}} received"),
            Query(expr=_traffic("node_network_transmit_bytes_total"), legend="{{pool}} sent"),
        ),
        unit=Unit.BYTES_PER_SECOND,
        empty=_NO_MACHINE,
        needs=Needs.MACHINES,
        width=7,
    ),
    Panel(
        title="Local disks of the nodes",
        about="What the pool's nodes read and write on their own disks together.",
        kind=Kind.LINES,
        queries=(
            Query(expr=_disk_traffic("node_disk_read_bytes_total"), legend="{{pool}} read"),
            Query(expr=_disk_traffic("node_disk_written_bytes_total"), legend="{{pool}} written"),
        ),
        unit=Unit.BYTES_PER_SECOND,
        empty=_NO_MACHINE,
        needs=Needs.MACHINES,
        width=8,
    ),
    Panel(
        title="Fullest memories",
        about="The ten nodes with the least memory left. At 100 % the kernel kills processes.",
        kind=Kind.BARS,
        queries=(Query(expr=f"topk(10, {_NODE_MEMORY.format(by='node')})", legend="{{node}}"),),
        unit=Unit.SHARE,
        steps=FULL,
        empty=_NO_MACHINE,
        needs=Needs.MACHINES,
        width=8,
    ),
    Panel(
        title="Fullest disks",
        about="The ten fullest local disks. Jobs fail on a full one; what they leave in /tmp goes "
        "with the node.",
        kind=Kind.BARS,
        queries=(Query(expr=f"topk(10, {_NODE_DISK})", legend="{{node}} {{device}}"),),
        unit=Unit.SHARE,
        steps=FULL,
        empty=_NO_MACHINE,
        needs=Needs.MACHINES,
        width=8,
    ),
)

NODES = Dashboard(
    uid="hpc-nodes",
    title="Nodes and elasticity",
    about="How fast nodes come and go, why they do not, and how their machines are.",
    rows=(
        row("Nodes now", _NOW),
        row("How nodes come and go", _COMING),
        row("The node manager", _MANAGER),
        row("The nodes' machines", _BODIES),
    ),
    variables=("pool",),
    variable_source="hpc_stack_nodes",
)
