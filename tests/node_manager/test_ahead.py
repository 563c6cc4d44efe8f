"""Minimum, warm nodes and schedule: what is powered up, and what Slurm is told to keep."""

from collections.abc import Sequence
from typing import Any

import pytest
from node_manager.actions import Keep, PowerUp, View
from node_manager.decide import decide
from node_manager.memory import Memory
from node_manager.provider import Instance
from node_manager.slurm_state import SlurmNode

from tests.node_manager.builders import NOW, SPOT, make_fleet, make_instance, make_node

UP, OFF, GOING = "IDLE", "IDLE+POWERED_DOWN", "IDLE+POWERING_DOWN"
BUSY, COMING, ASKED = "ALLOCATED", "IDLE+POWERING_UP", "IDLE+POWERED_DOWN+POWER_UP"
NOTICED = "ALLOCATED+DRAIN"
LEAVING = "hpc-stack: leaving: spot interruption at 2026-11-24T10:00:00Z"
ALWAYS = {"days": list(range(7)), "from": "00:00", "to": "00:00", "nodes": 3}


def nodes_of(states: Sequence[str]) -> dict[str, SlurmNode]:
    return {
        f"cpu-{n}": make_node(
            f"cpu-{n}",
            state,
            LEAVING if state == NOTICED else "",
            alloc_cpus=int(state.startswith("ALLOCATED")),
        )
        for n, state in enumerate(states, start=1)
    }


def run(
    states: Sequence[str],
    *,
    kept: frozenset[str] = frozenset(),
    instances: Sequence[Instance] | None = None,
    budget_reached: bool = False,
    **pool: Any,
) -> tuple[list[str], frozenset[str]]:
    """The nodes that are powered up, and those that are kept afterwards."""
    nodes = nodes_of(states)
    if instances is None:
        instances = [make_instance(name) for name, node in nodes.items() if not node.off]
    fleet = make_fleet(max_nodes=len(states), **pool)
    view = View(nodes=nodes, instances=instances, kept=kept, budget_reached=budget_reached)
    actions = decide(fleet, view, Memory(), NOW)
    keeps = [action.nodes for action in actions if isinstance(action, Keep)]
    assert len(keeps) <= 1
    assert keeps != [kept], "Slurm is told only what is new"
    powered_up = [action.node for action in actions if isinstance(action, PowerUp)]
    return powered_up, keeps[0] if keeps else kept


@pytest.mark.parametrize(
    ("states", "pool", "powered_up", "kept"),
    [
        ([OFF, OFF, OFF], {}, [], []),
        ([UP, OFF, OFF], {}, [], []),
        # The minimum counts busy nodes.
        ([OFF, OFF, OFF], {"min_nodes": 2}, ["cpu-1", "cpu-2"], []),
        ([BUSY, UP, UP], {"min_nodes": 2}, [], ["cpu-2"]),
        ([BUSY, BUSY, UP], {"min_nodes": 2}, [], []),
        ([UP, UP, UP], {"min_nodes": 2}, [], ["cpu-1", "cpu-2"]),
        # Warm nodes are ahead of demand.
        ([OFF, OFF, OFF], {"warm_nodes": 1}, ["cpu-1"], []),
        ([BUSY, OFF, OFF], {"warm_nodes": 1}, ["cpu-2"], []),
        ([BUSY, BUSY, OFF], {"warm_nodes": 2}, ["cpu-3"], []),
        ([BUSY, BUSY, BUSY], {"warm_nodes": 2}, [], []),
        ([BUSY, COMING, OFF], {"warm_nodes": 1}, [], ["cpu-2"]),
        ([BUSY, ASKED, OFF], {"warm_nodes": 1}, [], ["cpu-2"]),
        ([GOING, GOING, OFF], {"warm_nodes": 1}, ["cpu-3"], []),
        ([GOING, GOING, GOING], {"warm_nodes": 1}, [], []),
        ([UP, UP, OFF], {"warm_nodes": 1}, [], ["cpu-1"]),
        # Both at once: the larger demand counts.
        ([BUSY, UP, OFF], {"min_nodes": 3, "warm_nodes": 1}, ["cpu-3"], ["cpu-2"]),
        # A schedule is a minimum for a time.
        ([OFF, OFF, OFF], {"schedule": [ALWAYS]}, ["cpu-1", "cpu-2", "cpu-3"], []),
        ([BUSY, UP, UP], {"schedule": [ALWAYS]}, [], ["cpu-2", "cpu-3"]),
        # What has to go gets its replacement before it is gone.
        ([NOTICED, OFF, OFF], {}, ["cpu-2"], []),
        ([NOTICED, COMING, OFF], {}, [], ["cpu-2"]),
        ([NOTICED, NOTICED, OFF], {}, ["cpu-3"], []),
        ([NOTICED, UP, OFF], {}, [], ["cpu-2"]),
    ],
)
def test_what_is_missing_is_powered_up_and_what_is_there_is_kept(
    states: list[str], pool: dict[str, Any], powered_up: list[str], kept: list[str]
) -> None:
    assert run(states, **pool) == (powered_up, frozenset(kept))


@pytest.mark.parametrize(
    "pool", [{"min_nodes": 2}, {"warm_nodes": 2}, {"schedule": [ALWAYS]}], ids=str
)
def test_when_the_money_is_spent_no_node_is_there_but_for_a_job(pool: dict[str, Any]) -> None:
    kept = frozenset(["cpu-1", "cpu-2"])
    states = [UP, UP, OFF, BUSY]
    assert run(states, kept=kept, budget_reached=True, **pool) == ([], frozenset())
    assert run(states, kept=kept, **pool) != ([], frozenset())
    # What a job has is replaced as ever when its machine has to go.
    assert run([NOTICED, OFF], budget_reached=True, **pool)[0] == ["cpu-2"]


def test_the_most_expensive_go_first() -> None:
    dollars = {"cpu-1": 0.3, "cpu-2": 0.1, "cpu-3": 0.2}
    instances = [make_instance(name, price_per_hour=price) for name, price in dollars.items()]
    assert run([UP, UP, UP], instances=instances, min_nodes=2)[1] == {"cpu-2", "cpu-3"}


def test_of_equal_nodes_those_that_were_kept_stay() -> None:
    assert run([UP, UP, UP], min_nodes=1, kept=frozenset({"cpu-3"}))[1] == {"cpu-3"}


def test_nothing_is_kept_any_longer_when_nothing_is_wanted() -> None:
    assert run([UP, UP], kept=frozenset({"cpu-1"}))[1] == frozenset()


def test_cheap_nodes_are_powered_up_first() -> None:
    spot: dict[str, Any] = {
        "spot": SPOT | {"on_demand_nodes": 1},
        "price_per_hour": {"on_demand": 1.0, "spot": 0.4},
    }
    assert run([OFF, OFF, OFF], min_nodes=1, **spot)[0] == ["cpu-2"]
