"""scontrol's answer is read as far as it is needed, and no further."""

import pytest
from node_manager.slurm_state import BaseState, Flag, StateError, parse_nodes

from tests.node_manager.builders import make_node

# As Slurm 26.05.5 prints it.
LINE = (
    "NodeName={name} CoresPerSocket=1  CPUAlloc={cpus} CPUEfctv=4 CPUTot=4 CPULoad=0.00 "
    "AvailableFeatures=cpu ActiveFeatures=cpu Gres=(null) NodeAddr=cpu-1 NodeHostName=cpu-1  "
    "RealMemory=1000 AllocMem=0 FreeMem=N/A Sockets=4 Boards=1 State={state} ThreadsPerCore=1 "
    "TmpDisk=0 Weight=1 Owner=N/A MCS_label=N/A Partitions=cpu  BootTime=None "
    "SlurmdStartTime=None LastBusyTime=Unknown ResumeAfterTime=None SuspendTime=60 "
    "CfgTRES=cpu=4,mem=1000M,billing=4 AllocTRES= CurrentWatts=0 AveWatts=0{reason}\n"
)


def _line(state: str, *, name: str = "cpu-1", cpus: int = 0, reason: str = "") -> str:
    return LINE.format(name=name, cpus=cpus, state=state, reason=reason and f" Reason={reason}")


def test_a_node_is_read() -> None:
    reason = "why not [slurm@2026-11-24T04:07:08]"
    node = parse_nodes(_line("MIXED+CLOUD+NOT_RESPONDING", cpus=3, reason=reason))["cpu-1"]
    assert node.base is BaseState.MIXED
    assert node.flags == {Flag.CLOUD, Flag.NOT_RESPONDING}
    assert (node.reason, node.alloc_cpus) == ("why not", 3)


def test_all_nodes_are_read_each_with_its_own() -> None:
    text = "".join(
        _line("IDLE", name=f"cpu-{n}", cpus=n, reason=f"r{n} [a@2026-11-24T04:07:08]")
        for n in range(1, 51)
    )
    nodes = parse_nodes(text)
    assert [(n.name, n.alloc_cpus, n.reason) for n in nodes.values()] == [
        (f"cpu-{n}", n, f"r{n}") for n in range(1, 51)
    ]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a b=c State=DOWN CPUAlloc=9 [root@2026-11-24T04:07:08]", "a b=c State=DOWN CPUAlloc=9"),
        ("x [y] z [root@2026-11-24T04:07:08] Comment=later", "x [y] z"),
        ("two\nlines [root@2026-11-24T04:07:08]", "two"),
        ("hpc-stack: x (try 1, again at y) [slurm@2026-11-24T04:07:08]",
         "hpc-stack: x (try 1, again at y)"),
    ],
)  # fmt: skip
def test_a_reason_may_hold_anything(written: str, read: str) -> None:
    node = parse_nodes(_line("IDLE+DRAIN", reason=written))["cpu-1"]
    assert (node.reason, node.base) == (read, BaseState.IDLE)


def test_unknown_words_are_ignored() -> None:
    node = parse_nodes(_line("SHINY+IDLE+QUANTUM"))["cpu-1"]
    assert (node.base, node.flags) == (BaseState.IDLE, frozenset())


def test_no_nodes_are_none() -> None:
    assert parse_nodes("No nodes in the system\n") == {}


def test_a_node_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(StateError):
        parse_nodes(_line("IDLE") + "NodeName=cpu-2 Colour=blue\n")


@pytest.mark.parametrize(
    ("state", "alloc", "off", "booting", "registered"),
    [
        ("IDLE+CLOUD+POWERED_DOWN", 0, True, False, False),
        ("IDLE+CLOUD+POWERED_DOWN+POWER_UP", 0, True, False, False),
        ("ALLOCATED+CLOUD+POWERED_DOWN", 1, True, False, False),
        ("IDLE+CLOUD+POWERED_DOWN+COMPLETING", 1, True, False, False),
        ("DOWN+CLOUD+POWERED_DOWN", 0, True, False, False),
        ("ALLOCATED+CLOUD+POWERING_UP+NOT_RESPONDING", 1, False, True, False),
        ("IDLE+CLOUD+POWERING_UP+POWERED_DOWN+POWER_UP", 0, False, True, False),
        ("IDLE+CLOUD+POWERING_DOWN", 0, True, False, False),
        ("ALLOCATED+CLOUD+POWERING_DOWN+POWERED_DOWN", 1, True, False, False),
        ("IDLE+CLOUD", 0, False, False, True),
        ("IDLE+CLOUD+DRAIN", 0, False, False, True),
        ("IDLE+CLOUD+POWER_DOWN", 0, False, False, True),
        ("IDLE+CLOUD+NOT_RESPONDING", 0, False, False, False),
        ("DOWN+CLOUD", 0, False, False, False),
        ("FUTURE", 0, True, False, False),
    ],
)
def test_power_is_understood(
    state: str, alloc: int, off: bool, booting: bool, registered: bool
) -> None:
    node = make_node("cpu-1", state, alloc_cpus=alloc)
    assert (node.off, node.booting, node.registered) == (off, booting, registered)
