"""Alerts about nodes that do not come, do not work, or do not go."""

from config.alerts.alert import Alert, Severity
from config.alerts.dashboards import NODES
from config.alerts.growth import growth

SLURM_REASONS = (
    "Not responding",
    "ResumeTimeout reached",
    "Node unexpectedly rebooted",
    "Kill task failed",
    "Prolog error",
    "Epilog error",
    "Prolog/Epilog failure",
    "Job env setup error",
    "Job step not running",
    "Duplicate jobid",
    "batch job complete failure",
    "Low RealMemory",
    "Low socket*core*thread count",
    "Low CPUs",
    "Low TmpDisk",
    "gres/",
    "Could not unpack gres data",
    "SlurmdSpoolDir is full",
    "reboot timed out",
)
"""How reasons begin that Slurm itself gives a node: the node manager's list (slurm_state.py)."""

_OURS = "hpc-stack: .*"
_UNASKED = "(" + "|".join((*SLURM_REASONS, "none given")).replace("*", "[*]") + ").*"
_LEAVING = "hpc-stack: leaving: .*"
_SILENT = ".*(ResumeTimeout reached|did not register).*"

_FAILED = growth("hpc_stack_launch_failures_total", "pool", "30m")
_LAUNCHED = growth("hpc_stack_launches_total", "pool", "30m")
_REGISTERED = growth("hpc_stack_node_start_seconds_count", "pool", "30m")
_BRAKED = "max by (pool) (hpc_stack_pool_brake) == 1"
_CLOSED_LATELY = "max by (pool) (max_over_time(hpc_stack_pool_closed[20m])) == 1"
_CLOSED_FOR_LONG = "max by (pool, capacity) (avg_over_time(hpc_stack_pool_closed[30m])) > 0.8"
"""Not 1: a pool without capacity is opened for a moment whenever it is tried again."""
_WAITING = (
    "sum by (partition) (max_over_time("
    'hpc_stack_jobs_pending{reason!~"JobHeld.*|Dependency|BeginTime|Assoc.*|QOS.*"}[10m]))'
)
"""Lately: an exporter that is started again begins no hour anew."""
_POOL_OF_NODE = '"pool", "$1", "node", "(.+)-[0-9]+"'

_SLURM_UNSEEN = ("SlurmctldDown", "NodeManagerDown", "NodeManagerStuck")

NODE_ALERTS = (
    Alert(
        name="PoolBraked",
        severity=Severity.PAGE,
        expr=_BRAKED,
        lasts="1m",
        keeps="10m",
        summary="pool {{ $labels.pool }} is stopped after failed starts",
        description="So many new nodes of pool {{ $labels.pool }} in a row have never registered"
        " that it launches nothing more until somebody says so.",
        meaning="Something is wrong with all new nodes of the pool: its image, network, key or"
        " machine type. Jobs wait; nodes that are up stay in use.",
        todo=(
            "`make logs SERVICE=node-manager`: `last_words` is the end of what the failed nodes"
            " printed.",
            "Was something changed just before: `software`, the pool, security groups? Mend it:"
            " `make up`.",
            "`make resume POOL=NAME` after you have found out why, not before.",
        ),
        dashboard=NODES,
        about=("pool",),
    ),
    Alert(
        name="LaunchesFailing",
        severity=Severity.WARNING,
        expr=f"{_FAILED} >= 3 unless on (pool) {_LAUNCHED} > 0",
        lasts="5m",
        summary="pool {{ $labels.pool }} gets no machines",
        description='{{ $value | printf "%.0f" }} launches for pool {{ $labels.pool }} failed in'
        " the"
        " last 30 minutes, and none succeeded.",
        meaning="The platform refuses: no capacity, a quota, permissions, a missing image, no room"
        " on this machine's disk. Jobs that need new nodes wait.",
        todo=(
            "`sinfo -R`: the platform's own words are the nodes' reason.",
            "`hpc_stack_launch_failures_total` by `code`, or `make logs SERVICE=node-manager`:"
            " which error is it?",
            "Quota (`VcpuLimitExceeded` and the like): ask AWS for more. Permissions: `make up`"
            " puts the roles back. `no_image`: `make up` builds it. `no_space`: free disk.",
        ),
        dashboard=NODES,
        about=("pool",),
        explained_by=("PoolBraked", "PoolClosedLong"),
    ),
    Alert(
        name="NodesNotRegistering",
        severity=Severity.WARNING,
        expr=f"""
            count by (pool) (label_replace(count by (node) (
            max_over_time(hpc_stack_node_out_of_service{{reason=~"{_SILENT}"}}[30m])
            ), {_POOL_OF_NODE}))
            unless on (pool) {_REGISTERED} > 0
        """,
        lasts="5m",
        summary="new nodes of pool {{ $labels.pool }} do not register",
        description="{{ $value }} nodes of pool {{ $labels.pool }} were launched in the last 30"
        " minutes and did not register with Slurm within @resume_timeout_seconds s; none did.",
        meaning="Machines come up and cost, but slurmd in them does not reach slurmctld. After"
        " `limits.failed_starts` of them in a row the pool is stopped (PoolBraked).",
        todo=(
            "`make logs SERVICE=node-manager`: `last_words` is the end of what such a node printed."
            "",
            "On AWS: can the pool's subnets reach the controller's address and the registry"
            " (security groups, NAT, endpoints)? Was `aws.amis` changed?",
            "If nodes are merely slow: raise `slurm.resume_timeout_seconds`.",
        ),
        dashboard=NODES,
        about=("pool",),
        explained_by=("PoolBraked", *_SLURM_UNSEEN),
    ),
    Alert(
        name="NodeStartsSlow",
        severity=Severity.WARNING,
        expr="""
            sum by (pool) (increase(hpc_stack_node_start_seconds_sum[1h]))
            / sum by (pool) (increase(hpc_stack_node_start_seconds_count[1h]))
            > 0.7 * @resume_timeout_seconds
        """,
        lasts="10m",
        summary="nodes of pool {{ $labels.pool }} start slowly",
        description="New nodes of pool {{ $labels.pool }} took {{ $value | humanizeDuration }} on"
        " average in the last hour. After @resume_timeout_seconds s Slurm gives a node up.",
        meaning="A little slower, and nodes count as failed just before they are ready: their jobs"
        " are put back into the queue, and new machines are launched for them.",
        todo=(
            "Which part is slow? On a new node: `systemd-analyze blame` and `docker events`; mostly"
            " it is the image. Fewer packages in `software` make it smaller.",
            "Raise `slurm.resume_timeout_seconds`, or keep nodes ready: `warm_nodes`, `schedule`.",
        ),
        dashboard=NODES,
        about=("pool",),
        explained_by=("PoolBraked", "NodesNotRegistering"),
    ),
    Alert(
        name="NodeOutOfService",
        severity=Severity.WARNING,
        expr=f'max by (node, reason) (hpc_stack_node_out_of_service{{reason=~"{_UNASKED}"}}) == 1',
        lasts="10m",
        summary="Slurm has taken node {{ $labels.node }} out of service",
        description="Nobody asked for it, and the node manager has not replaced it in 10 minutes:"
        " {{ $labels.node }}, reason: {{ $labels.reason }}.",
        meaning="No new job starts there. The node manager gives such a node a fresh machine as"
        " soon as its jobs have ended; if jobs hang on it, that may take until their time limit.",
        todo=(
            "`squeue -w NODE`: jobs that still hold it? `scancel` those that hang.",
            "`make logs SERVICE=NODE`, on AWS `aws ec2 get-console-output`: what slurmd says of the"
            " reason.",
            "`scontrol update nodename=NODE state=power_down_force` ends its machine at once; its"
            " jobs are queued again. Give no reason of your own: with one, the node is yours, and"
            " the node manager may leave it out of service.",
        ),
        dashboard=NODES,
        about=("node",),
        explained_by=_SLURM_UNSEEN,
    ),
    Alert(
        name="NodeKeepsFailing",
        severity=Severity.WARNING,
        expr=f"""
            label_replace(count by (node) (max_over_time(
            hpc_stack_node_out_of_service{{reason=~"{_OURS}",reason!~"{_LEAVING}"}}[20m]
            )), {_POOL_OF_NODE})
            unless on (pool) {_CLOSED_LATELY}
        """,
        lasts="1h",
        summary="node {{ $labels.node }} fails again and again",
        description="{{ $labels.node }} (pool {{ $labels.pool }}) has been put out of service and"
        " tried again for an hour.",
        meaning="Others of its pool may work. The node manager tries it every 15 minutes at most"
        " and cannot mend what is wrong with this one.",
        todo=(
            "`sinfo -R -n NODE`: the reason, and how often it was tried.",
            "`make logs SERVICE=node-manager | grep NODE`: the whole story.",
            "One machine's GPUs or device files? On AWS, a zone or type that lacks something?",
            "Mended: `scontrol update nodename=NODE state=resume` does not wait for the next try."
            " This alert ends 20 minutes after the node was last out of service.",
        ),
        dashboard=NODES,
        about=("node",),
        explained_by=("PoolBraked", "NodesNotRegistering", "LaunchesFailing", *_SLURM_UNSEEN),
    ),
    Alert(
        name="NodeDrainedLong",
        severity=Severity.INFO,
        expr=f"""
            max by (node, reason) (
            hpc_stack_node_out_of_service{{reason!~"{_OURS}",reason!~"{_UNASKED}"}}
            ) == 1
        """,
        lasts="3d",
        summary="node {{ $labels.node }} has been drained for days",
        description="Somebody took {{ $labels.node }} out of service at least 3 days ago:"
        " {{ $labels.reason }}.",
        meaning="Nobody else puts it back: the node manager leaves an admin's decision alone. If"
        " its machine is up, it costs.",
        todo=(
            "Still needed? `scontrol show node NODE` says who set the reason and when.",
            "If not: `scontrol update nodename=NODE state=resume`.",
        ),
        dashboard=NODES,
        about=("node",),
    ),
    Alert(
        name="PoolClosedLong",
        severity=Severity.WARNING,
        expr=f"""
            {_CLOSED_FOR_LONG}
            and on (pool) {growth("hpc_stack_launch_failures_total", "pool", "1h")} > 0
            unless on (pool) {_BRAKED}
        """,
        lasts="45m",
        keeps="5m",
        summary="pool {{ $labels.pool }} has had no capacity for an hour",
        description="Pool {{ $labels.pool }} ({{ $labels.capacity }}) was closed for"
        " {{ $value | humanizePercentage }} of the last half hour, because the platform had no"
        " machine for it.",
        meaning="Jobs wait and say why. It is tried again at least every 15 minutes and goes on by"
        " itself.",
        todo=(
            "`make status`: the platform's words, and when it is tried next.",
            "On AWS, give it more to choose from: more `instance_types`, more zones, and for spot"
            " `fallback: on_demand`. A quota has to be raised by AWS.",
            "On one machine: free disk or addresses of the engine's network (`docker network ls`).",
        ),
        dashboard=NODES,
        about=("pool",),
        explained_by=("PoolBraked",),
    ),
    Alert(
        name="PoolAtLimit",
        severity=Severity.INFO,
        expr=f"""
            {_CLOSED_FOR_LONG}
            and on (pool) label_replace({_WAITING} > 0, "pool", "$1", "partition", "(.+)")
            unless on (pool) {growth("hpc_stack_launch_failures_total", "pool", "1h")} > 0
            unless on (pool) {_BRAKED}
        """,
        lasts="45m",
        summary="jobs wait for pool {{ $labels.pool }}, which is at a limit",
        description="Pool {{ $labels.pool }} ({{ $labels.capacity }}) has launched nothing for an"
        " hour, because a limit of the cluster is reached, and jobs wait for it.",
        meaning="The cluster is full, as its settings want it: `limits.max_nodes`,"
        " `limits.max_cost_per_hour` or `limits.memory_mb`.",
        todo=(
            "`make status` says which limit it is.",
            "If that is often so, raise it, or see who waits for what in the dashboard.",
        ),
        dashboard=NODES,
        about=("pool",),
    ),
    Alert(
        name="TerminationsFailing",
        severity=Severity.PAGE,
        expr=growth('hpc_stack_terminations_total{result="failed"}', "pool", "30m") + " >= 3",
        lasts="5m",
        keeps="5m",
        summary="machines of pool {{ $labels.pool }} cannot be ended",
        description='{{ $value | printf "%.0f" }} attempts to end machines of pool'
        " {{ $labels.pool }} failed in the last 30 minutes.",
        meaning="Machines that nobody uses go on costing, and their nodes cannot be launched anew.",
        todo=(
            "`make logs SERVICE=node-manager SINCE=1h`: what does the platform say?",
            "On AWS: permissions of the controller's role (`make up` puts them back), or a machine"
            " with protection against termination: `aws ec2 terminate-instances` by hand.",
            "On one machine: `docker ps`; an engine that hangs has to be restarted.",
        ),
        dashboard=NODES,
        about=("pool",),
    ),
)
