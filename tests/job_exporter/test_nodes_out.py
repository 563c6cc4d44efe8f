"""Nodes on which no job starts, out of scontrol's answer."""

import pytest
from job_accounting.command import CommandFailed
from job_exporter.nodes_out import NodeOut, parse_nodes_out

NODE = "NodeName={name} Arch=x86_64 CPUAlloc=0 CPUTot=2 State={state} ThreadsPerCore=1{rest}"


def out(state: str, rest: str = "", name: str = "cpu-1") -> list[NodeOut]:
    return parse_nodes_out(NODE.format(name=name, state=state, rest=rest) + "\n")


@pytest.mark.parametrize(
    "state",
    ["IDLE", "MIXED+CLOUD", "IDLE+CLOUD+POWERED_DOWN", "ALLOCATED+POWER_DRAIN", "IDLE+PLANNED"],
)
def test_a_node_in_service_is_not_told(state: str) -> None:
    assert out(state) == []


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("DOWN+CLOUD+NOT_RESPONDING", "DOWN"),
        ("IDLE+CLOUD+DRAIN+POWERED_DOWN", "DRAIN"),
        ("DOWN+DRAIN", "DOWN+DRAIN"),
        ("MIXED+FAIL", "FAIL"),
    ],
)
def test_a_node_out_of_service_is_told_with_what_holds_it(state: str, told: str) -> None:
    assert out(state) == [NodeOut(name="cpu-1", state=told, reason="none given")]


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        (" Comment=(null)  Reason=bad disk [root@2026-11-25T22:00:00]", "bad disk"),
        (
            " Reason=hpc-stack: no room (try 2, again at 2026-11-25T22:00:00Z) [slurm@1]",
            "hpc-stack: no room",
        ),
        (" Reason=Not responding", "Not responding"),
        (f" Reason={'long ' * 30}[root@2026-11-25T22:00:00]", ("long " * 12).strip()),
        (" Reason= [root@2026-11-25T22:00:00]", "none given"),
    ],
)
def test_a_reason_is_short_and_without_times(rest: str, reason: str) -> None:
    assert out("DOWN", rest)[0].reason == reason


def test_an_answer_without_states_is_a_failure() -> None:
    with pytest.raises(CommandFailed, match="a node without a state"):
        parse_nodes_out("NodeName=cpu-1\n")
