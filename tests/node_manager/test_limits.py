"""No launch passes the ceiling of instances, cost or memory."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from node_manager.fleet import Capacity
from node_manager.limits import admit, passed_limit, usage
from node_manager.provider import InstanceState, LaunchRequest

from tests.node_manager.builders import make_fleet, make_instance

PRICES: dict[str, Any] = {"price_per_hour": {"on_demand": 0.3, "spot": 0.1}}


def requests(count: int, capacity: Capacity = Capacity.ON_DEMAND) -> list[LaunchRequest]:
    pool = make_fleet(max_nodes=100, **PRICES).pools[0]
    return [
        LaunchRequest(node=f"cpu-{index}", pool=pool, capacity=capacity)
        for index in range(1, count + 1)
    ]


@pytest.mark.parametrize(
    ("limits", "capacity", "there", "admitted", "says"),
    [
        ({}, Capacity.ON_DEMAND, 0, 10, ""),
        ({"max_instances": 4}, Capacity.ON_DEMAND, 0, 4, "limits.max_nodes is reached: 4 nodes"),
        ({"max_instances": 4}, Capacity.ON_DEMAND, 3, 1, "limits.max_nodes is reached: 4 nodes"),
        ({"max_instances": 4}, Capacity.ON_DEMAND, 9, 0, "limits.max_nodes is reached: 4 nodes"),
        ({"max_cost_per_hour": 0.9}, Capacity.ON_DEMAND, 0, 3, "max_cost_per_hour is reached"),
        ({"max_cost_per_hour": 0.9}, Capacity.SPOT, 0, 9, "max_cost_per_hour is reached: $0.9"),
        ({"max_cost_per_hour": 0.9}, Capacity.SPOT, 2, 3, "max_cost_per_hour is reached: $0.9"),
        ({"memory_mb": 1600}, Capacity.ON_DEMAND, 1, 2, "limits.memory_mb is reached: 1600 MiB"),
    ],
)
def test_as_many_are_admitted_as_there_is_room_for(
    limits: dict[str, Any], capacity: Capacity, there: int, admitted: int, says: str
) -> None:
    fleet = make_fleet(max_nodes=100, limits=limits, **PRICES)
    present = [make_instance(f"cpu-{90 + n}", price_per_hour=0.3) for n in range(there)]
    asked = requests(10, capacity)
    result = admit(fleet, present, asked)
    assert result.admitted == asked[:admitted], "the first ones"
    assert [request for request, _ in result.refused] == asked[admitted:]
    assert all(says in why for _, why in result.refused)


def test_machines_that_have_ended_take_nothing() -> None:
    ended = [make_instance("cpu-1", state) for state in InstanceState if not state.live]
    assert usage(make_fleet(), ended).instances == 0


@given(
    there=st.integers(0, 20),
    asked=st.integers(0, 20),
    instances=st.none() | st.integers(0, 25),
    cost=st.none() | st.floats(0, 10),
    memory=st.none() | st.integers(0, 20_000),
)
def test_what_is_there_and_admitted_never_passes_a_limit(
    there: int, asked: int, instances: int | None, cost: float | None, memory: int | None
) -> None:
    limits = {"max_instances": instances, "max_cost_per_hour": cost, "memory_mb": memory}
    fleet = make_fleet(max_nodes=100, limits=limits, **PRICES)
    present = [make_instance(f"cpu-{90 + n}", price_per_hour=0.3) for n in range(there)]
    result = admit(fleet, present, requests(asked))
    then = usage(fleet, present)
    for request in result.admitted:
        then = then.plus(request.pool, request.capacity)
    assert not result.admitted or not passed_limit(fleet, then)
    assert len(result.admitted) + len(result.refused) == asked
