"""Nodes that do not come, do not work, or do not go."""

from collections.abc import Callable

from tests.alerts.cluster import exporter, manager, nodes
from tests.alerts.fault import BEGIN, Fault

_FAILURES = "hpc_stack_launch_failures_total"
_LAUNCHES = manager("hpc_stack_launches_total", pool="cpu", capacity="on_demand")
_CLOSED = manager("hpc_stack_pool_closed", pool="cpu", capacity="on_demand")


def _growing(
    per_minute: float, begins: int = BEGIN, start: float = 0.0
) -> Callable[[float], float]:
    """A counter that grows since a fault began."""
    return lambda seconds: start + (seconds / 60 - begins) * per_minute


def _out(node: str, reason: str) -> str:
    return exporter("hpc_stack_node_out_of_service", node=node, state="DRAIN", reason=reason)


FAULTS = (
    Fault(
        alert="PoolBraked",
        shows={
            manager("hpc_stack_pool_brake", pool="cpu"): 1.0,
            _CLOSED: 1.0,
            **nodes("cpu", idle=1, out_of_service=7),
            _out("cpu-2", "hpc-stack: ResumeTimeout reached; fix it, then: make resume"): 1.0,
            _LAUNCHES: _growing(1.0, begins=40, start=4.0),
        },
        labels={"pool": "cpu"},
        begins=40,
        says="So many new nodes of pool cpu in a row have never registered that it launches nothing"
        " more until somebody says so.",
        fires=50,
        ends=55,
        over=90,
        also=frozenset({"NodesNotRegistering"}),
    ),
    Fault(
        alert="LaunchesFailing",
        shows={manager(_FAILURES, pool="gpu", code="VcpuLimitExceeded"): _growing(0.5, start=1.0)},
        labels={"pool": "gpu"},
        says="6 launches for pool gpu failed in the last 30 minutes, and none succeeded.",
        fires=15,
        ends=20,
        over=50,
    ),
    Fault(
        # All at once, by a counter that was not there before.
        alert="LaunchesFailing",
        shows={manager(_FAILURES, pool="gpu", code="UnauthorizedOperation"): 5.0},
        labels={"pool": "gpu"},
        says="5 launches for pool gpu failed in the last 30 minutes, and none succeeded.",
        fires=10,
        ends=15,
        over=45,
    ),
    Fault(
        alert="NodesNotRegistering",
        shows={
            _LAUNCHES: 6.0,
            _out("cpu-2", "hpc-stack: ResumeTimeout reached"): 1.0,
            _out("cpu-3", "hpc-stack: its new machine did not register"): 1.0,
        },
        labels={"pool": "cpu"},
        begins=40,
        says="2 nodes of pool cpu were launched in the last 30 minutes and did not register with"
        " Slurm within 600 s; none did.",
        fires=50,
        ends=55,
        over=85,
    ),
    Fault(
        alert="NodeStartsSlow",
        shows={
            manager("hpc_stack_node_start_seconds_sum", pool="cpu"): _growing(
                50.05, begins=65, start=240.0
            ),
            manager("hpc_stack_node_start_seconds_count", pool="cpu"): _growing(
                0.1, begins=65, start=4.0
            ),
        },
        labels={"pool": "cpu"},
        says="New nodes of pool cpu took 8m 20s on average in the last hour. After 600 s Slurm"
        " gives a node up.",
        begins=65,
        fires=95,
        ends=100,
        over=165,
    ),
    Fault(
        alert="NodeOutOfService",
        shows={_out("cpu-2", "Kill task failed"): 1.0},
        labels={"node": "cpu-2", "reason": "Kill task failed"},
        says="Nobody asked for it, and the node manager has not replaced it in 10 minutes: cpu-2,"
        " reason: Kill task failed.",
        fires=15,
        ends=20,
        over=20,
    ),
    Fault(
        # It comes, and goes again, and its reason changes.
        alert="NodeKeepsFailing",
        shows={
            _out("gpu-2", "hpc-stack: no such device"): lambda s: 1.0 if s % 1200 < 600 else None,
            _out("gpu-2", "hpc-stack: its machine has exited"): 1.0,
        },
        labels={"node": "gpu-2", "pool": "gpu"},
        says="gpu-2 (pool gpu) has been put out of service and tried again for an hour.",
        fires=75,
        ends=80,
        over=100,
    ),
    Fault(
        alert="NodeDrainedLong",
        shows={_out("cpu-2", "new disk"): 1.0},
        labels={"node": "cpu-2", "reason": "new disk"},
        says="Somebody took cpu-2 out of service at least 3 days ago: new disk.",
        begins=60,
        fires=75 * 60,
        ends=76 * 60,
        over=77 * 60,
        step=60,
    ),
    Fault(
        alert="PoolClosedLong",
        shows={
            _CLOSED: 1.0,
            manager(_FAILURES, pool="cpu", code="InsufficientInstanceCapacity"): _growing(0.2),
        },
        labels={"pool": "cpu", "capacity": "on_demand"},
        says="Pool cpu (on_demand) was closed for 100% of the last half hour, because the platform"
        " had no machine for it.",
        fires=85,
        ends=90,
        over=110,
        also=frozenset({"LaunchesFailing"}),
    ),
    Fault(
        alert="PoolAtLimit",
        shows={_CLOSED: 1.0},
        labels={"pool": "cpu", "capacity": "on_demand"},
        begins=70,
        says="Pool cpu (on_demand) has launched nothing for an hour, because a limit of the cluster"
        " is reached, and jobs wait for it.",
        fires=150,
        ends=155,
        over=175,
    ),
    Fault(
        alert="TerminationsFailing",
        shows={manager("hpc_stack_terminations_total", pool="gpu", result="failed"): _growing(1.0)},
        labels={"pool": "gpu"},
        says="10 attempts to end machines of pool gpu failed in the last 30 minutes.",
        fires=15,
        ends=20,
        over=55,
    ),
)
