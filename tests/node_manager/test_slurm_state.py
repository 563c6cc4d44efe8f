"""scontrol's JSON is read as far as it is needed, and no further."""

import json
from typing import Any

import pytest
from node_manager.slurm_state import BaseState, Flag, StateError, parse_nodes

from tests.node_manager.builders import make_node


def _answer(**node: Any) -> str:
    return json.dumps({"nodes": [{"name": "cpu-1"} | node], "meta": {"plugin": {}}, "errors": []})


def test_a_node_is_read() -> None:
    text = _answer(
        state=["MIXED", "CLOUD", "NOT_RESPONDING", "POWERING_UP"],
        reason="why",
        partitions=["cpu", "all"],
        alloc_cpus=3,
        boot_time={"set": True, "infinite": False, "number": 0},
    )
    node = parse_nodes(text)["cpu-1"]
    assert node.base is BaseState.MIXED
    assert node.flags == {Flag.CLOUD, Flag.NOT_RESPONDING, Flag.POWERING_UP}
    assert (node.reason, node.partitions, node.alloc_cpus) == ("why", ("cpu", "all"), 3)


def test_unknown_words_and_keys_are_ignored() -> None:
    node = parse_nodes(_answer(state=["SHINY", "IDLE", "QUANTUM"], colour="blue"))["cpu-1"]
    assert (node.base, node.flags) == (BaseState.IDLE, frozenset())


def test_missing_fields_have_defaults() -> None:
    node = parse_nodes(_answer(reason=None))["cpu-1"]
    assert (node.base, node.reason, node.alloc_cpus) == (BaseState.UNKNOWN, "", 0)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"nodes": null}', '{"nodes": [{}]}', '{"nodes": [1]}']
)
def test_an_answer_without_nodes_is_an_error(text: str) -> None:
    with pytest.raises(StateError):
        parse_nodes(text)


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
