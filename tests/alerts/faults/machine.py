"""Disks that fill, memory that runs out, clocks that are wrong."""

from collections.abc import Callable

from tests.alerts.cluster import GIB, HOST, disk, of_node
from tests.alerts.fault import Fault

_OF_HOST = {"instance": "10.80.0.10:9100"}
_OF_DISK = {**_OF_HOST, "device": "/dev/nvme1n1"}


def _shrinking(free_gib: float, gib_per_hour: float, begins: int) -> Callable[[float], float]:
    """The free space of a disk that fills since a fault began."""
    return lambda seconds: GIB * (free_gib - (seconds / 60 - begins) / 60 * gib_per_hour)


FAULTS = (
    Fault(
        alert="DiskNearlyFull",
        shows={disk("avail_bytes"): 4 * GIB},
        labels=_OF_DISK,
        says="4% of /dev/nvme1n1 is free.",
        fires=10,
        ends=15,
        over=25,
    ),
    Fault(
        alert="DiskFullIn4Hours",
        shows={disk("avail_bytes"): _shrinking(40, 12, 5)},
        labels=_OF_DISK,
        says="As it has filled in the last half hour, /dev/nvme1n1 is full in 2h 20m 0s.",
        fires=65,
        ends=70,
        over=110,
    ),
    Fault(
        alert="DiskFullIn24Hours",
        shows={disk("avail_bytes"): _shrinking(38.01, 2, 60)},
        labels=_OF_DISK,
        says="As it has filled in the last 6 hours, /dev/nvme1n1 is full in 12h 0m 17s.",
        begins=60,
        fires=480,
        ends=540,
        over=20 * 60,
        step=60,
    ),
    Fault(
        alert="InodesNearlyFull",
        shows={disk("files_free"): 30_000.0},
        labels=_OF_DISK,
        says="3% of the inodes of /dev/nvme1n1 are free: few more files can be made, whatever space"
        " is free.",
        fires=20,
        ends=25,
        over=30,
    ),
    Fault(
        alert="NodeDiskNearlyFull",
        shows={disk("avail_bytes", "cpu-1"): 0.6 * GIB},
        labels={"node": "cpu-1", "pool": "cpu", "device": "/dev/nvme1n1"},
        says="2% of /dev/nvme1n1 of cpu-1 (pool cpu) is free.",
        fires=15,
        ends=20,
        over=25,
    ),
    Fault(
        alert="MemoryNearlyFull",
        shows={f"node_memory_MemAvailable_bytes{HOST}": 0.2 * GIB},
        labels=_OF_HOST,
        says="5% of its memory is available.",
        fires=15,
        ends=20,
        over=25,
    ),
    Fault(
        alert="HostSwapping",
        shows={f"node_vmstat_pswpin{HOST}": lambda seconds: (seconds - 240) * 1000},
        labels=_OF_HOST,
        says="1000 pages a second go to or from swap.",
        fires=40,
        ends=45,
        over=60,
    ),
    Fault(
        alert="ClockWrong",
        shows={of_node("node_time_seconds", "cpu-2"): lambda seconds: seconds - 240},
        labels={"instance": "cpu-2"},
        says="The clock of cpu-2 differs from Prometheus' by 4m 0s.",
        fires=15,
        ends=20,
        over=20,
    ),
)
