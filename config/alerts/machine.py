"""Alerts about machines: disks, memory, clocks. Of nodes only what their jobs do not decide."""

from config.alerts.alert import Alert, Needs, Severity
from config.alerts.dashboards import HOST
from config.alerts.replacement import REPLACE

# What is in memory, read-only, or somebody else's disk.
_DISKS = 'fstype!~"tmpfs|ramfs|squashfs|iso9660|nfs.*|fuse.*"'
_SWAP = " + ".join(
    f'max by (instance) (rate(node_vmstat_{metric}{{job="host"}}[15m]))'
    for metric in ("pswpin", "pswpout")
)


def _disk(metric: str, job: str = "host", past: str = "") -> str:
    # A disk has many mount points: each file that a container gets from its machine is one.
    labels = "instance, device" if job == "host" else "node, pool, device"
    return f'max by ({labels}) (node_filesystem_{metric}{{job="{job}",{_DISKS}}}{past})'


def _seconds_until_full(window: str) -> str:
    trend = f'deriv(node_filesystem_avail_bytes{{job="host",{_DISKS}}}[{window}])'
    return f"({_disk('avail_bytes')} / (0 - max by (instance, device) ({trend})) > 0)"


def _filling(window: str, past: str, seconds: int, free: float) -> str:
    """The seconds until a disk is full, where these are few.

    Without some past the trend is that of a cluster that is just being made, and a disk that is
    mostly empty is filled and emptied by jobs as they come and go.
    """
    return f"""
        {_seconds_until_full(window)} < {seconds}
        and {_disk("avail_bytes")} / {_disk("size_bytes")} < {free}
        and {_disk("avail_bytes", past=f" offset {past}")}
    """


_FREE_DISK = (
    "`docker system df` and `du -xsh /var/lib/docker/volumes/*`: what grows?",
    "Images of earlier settings: `docker image prune --all`, then at once `make up`.",
    "Homes and scratch: ask the users with most (`du -xsh /home/*` on the login node).",
    "Prometheus: lower `monitoring.retention_gb`. On AWS raise `aws.controller.data_gb`: it grows"
    " while everything runs.",
)

MACHINE = (
    Alert(
        name="DiskNearlyFull",
        severity=Severity.PAGE,
        expr=f"{_disk('avail_bytes')} / {_disk('size_bytes')} < 0.05",
        lasts="5m",
        keeps="10m",
        summary="disk {{ $labels.device }} of the controller's machine is nearly full",
        description="{{ $value | humanizePercentage }} of {{ $labels.device }} is free.",
        meaning="A full disk stops MySQL and slurmctld, which cannot save its state: jobs that are"
        " submitted then may be lost with the next restart.",
        todo=_FREE_DISK,
        dashboard=HOST,
        about=("instance", "device"),
    ),
    Alert(
        name="DiskFullIn4Hours",
        severity=Severity.PAGE,
        expr=_filling("30m", "20m", 4 * 3600, 0.5),
        lasts="10m",
        keeps="5m",
        summary="disk {{ $labels.device }} of the controller's machine will be full within hours",
        description="As it has filled in the last half hour, {{ $labels.device }} is full in"
        " {{ $value | humanizeDuration }}.",
        meaning="Something writes a lot just now. A full disk stops MySQL and slurmctld.",
        todo=(
            "Who writes? `docker stats --no-stream`: the column BLOCK I/O.",
            *_FREE_DISK,
        ),
        dashboard=HOST,
        about=("instance", "device"),
        explained_by=("DiskNearlyFull",),
    ),
    Alert(
        name="DiskFullIn24Hours",
        severity=Severity.WARNING,
        expr=_filling("6h", "3h", 24 * 3600, 0.4),
        lasts="30m",
        summary="disk {{ $labels.device }} of the controller's machine will be full within a day",
        description="As it has filled in the last 6 hours, {{ $labels.device }} is full in"
        " {{ $value | humanizeDuration }}.",
        meaning="There is time to look, not to wait for the weekend to be over.",
        todo=_FREE_DISK,
        dashboard=HOST,
        about=("instance", "device"),
        explained_by=("DiskNearlyFull", "DiskFullIn4Hours"),
    ),
    Alert(
        name="InodesNearlyFull",
        severity=Severity.WARNING,
        # btrfs and others have as many as they need, and say 0.
        expr=f"{_disk('files_free')} / ({_disk('files')} > 0) < 0.05",
        lasts="15m",
        keeps="5m",
        summary="disk {{ $labels.device }} of the controller's machine has nearly no inodes left",
        description="{{ $value | humanizePercentage }} of the inodes of {{ $labels.device }} are"
        " free: few more files can be made, whatever space is free.",
        meaning="With none left, MySQL and slurmctld stop, as with a full disk.",
        todo=(
            "`du --inodes -xs /home/* /var/lib/docker/volumes/*`: who has millions of small files?",
            "Have them packed into archives, or removed.",
        ),
        dashboard=HOST,
        about=("instance", "device"),
    ),
    Alert(
        name="NodeDiskNearlyFull",
        severity=Severity.WARNING,
        expr=f"{_disk('avail_bytes', 'node')} / {_disk('size_bytes', 'node')} < 0.05",
        lasts="10m",
        keeps="5m",
        summary="disk {{ $labels.device }} of node {{ $labels.node }} is nearly full",
        description="{{ $value | humanizePercentage }} of {{ $labels.device }} of {{ $labels.node"
        " }} (pool {{ $labels.pool }}) is free.",
        meaning="Jobs there fail when they write to /tmp, and slurmd cannot take new ones.",
        todo=(
            "`squeue -w NODE`: whose job writes to /tmp?",
            "If it is often so: raise the pool's `aws.root_gb`.",
        ),
        dashboard=HOST,
        needs=Needs.AWS,
        about=("node",),
    ),
    Alert(
        name="MemoryNearlyFull",
        severity=Severity.WARNING,
        expr="""
            max by (instance) (node_memory_MemAvailable_bytes{job="host"})
            / max by (instance) (node_memory_MemTotal_bytes{job="host"}) < 0.1
        """,
        lasts="10m",
        keeps="5m",
        summary="the controller's machine is short of memory",
        description="{{ $value | humanizePercentage }} of its memory is available.",
        meaning="When it is used up, the kernel kills a process. How soon cannot be told, since"
        " memory does not fill evenly. MySQL and slurmctld are among the largest; on one machine it"
        " may as well be a job.",
        todo=(
            "`docker stats --no-stream`: who has it?",
            "On one machine: lower `limits.memory_mb`, so that nodes leave more to the services.",
            "On AWS: a larger `aws.controller.instance_type`. `database.buffer_pool_mb` is MySQL's."
            "",
        ),
        dashboard=HOST,
        about=("instance",),
    ),
    Alert(
        name="HostSwapping",
        severity=Severity.WARNING,
        expr=f"{_SWAP} > 500",
        lasts="15m",
        summary="the controller's machine swaps",
        description='{{ $value | printf "%.0f" }} pages a second go to or from swap.',
        meaning="Its memory does not suffice: everything on it is slow, and slurmctld may answer"
        " too late for its nodes.",
        todo=("`docker stats --no-stream`: who has the memory? Then as with MemoryNearlyFull.",),
        dashboard=HOST,
        about=("instance",),
        explained_by=("MemoryNearlyFull",),
    ),
    Alert(
        name="ClockWrong",
        severity=Severity.WARNING,
        expr="""
            max by (instance) (abs(node_time_seconds{job=~"host|node"}
            - timestamp(node_time_seconds{job=~"host|node"}))) > 10
        """,
        lasts="5m",
        summary="the clock of {{ $labels.instance }} is wrong",
        description="The clock of {{ $labels.instance }} differs from Prometheus' by"
        " {{ $value | humanizeDuration }}.",
        meaning="Slurm refuses credentials and tokens from another time, so nodes whose clock is a"
        " few minutes off are lost. Files in /home get wrong times.",
        todo=(
            "On that machine: `chronyc tracking`; AWS' time source is 169.254.169.123.",
            f"A node: {REPLACE.format('clock')}",
        ),
        dashboard=HOST,
        needs=Needs.AWS,
        about=("instance",),
    ),
)
