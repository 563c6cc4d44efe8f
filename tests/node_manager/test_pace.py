"""The manager looks often only while somebody waits for something that is about to happen."""

import pytest
from node_manager.actions import Launch, Undrain, View
from node_manager.failures import Failure, PutBackReason
from node_manager.fleet import Capacity
from node_manager.memory import Memory
from node_manager.pace import seconds_until_next
from node_manager.provider import Instance, LaunchRequest

from tests.node_manager.builders import NOW, make_instance, make_node, make_pool

HELD = PutBackReason(message="x", count=1, until=NOW + 3).text()
OVER = PutBackReason(message="x", count=1, until=NOW - 1).text()
NEW = make_instance("cpu-1", created_at=NOW - 0.5)
OLDER = make_instance("cpu-1", created_at=NOW - 4)
OLD = make_instance("cpu-1", created_at=NOW - 60)


@pytest.mark.parametrize(
    ("state", "reason", "instance", "failure", "expected"),
    [
        ("IDLE", "", NEW, None, 5.0),
        ("IDLE+POWERED_DOWN", "", None, None, 5.0),
        ("ALLOCATED+POWERING_UP", "", NEW, None, 0.05),
        ("ALLOCATED+POWERING_UP", "", OLDER, None, 0.2),
        ("ALLOCATED+POWERING_UP", "", OLD, None, 0.5),
        ("DOWN", "hpc-stack: gone; replaced", NEW, None, 0.05),
        ("IDLE+DRAIN+POWER_DOWN", HELD, None, None, 0.5),
        ("IDLE+DRAIN+POWERED_DOWN", HELD, None, None, 3.0),
        ("IDLE+DRAIN+POWERING_DOWN", OVER, None, None, 0.5),
        ("IDLE+POWERED_DOWN", HELD, None, None, 5.0),
        ("IDLE+POWERED_DOWN", OVER, None, None, 5.0),
        ("ALLOCATED+POWERING_UP", "", None, Failure(tries=2, at=NOW - 1, message="x"), 1.0),
    ],
)
def test_the_next_look_comes_in_time(
    state: str,
    reason: str,
    instance: Instance | None,
    failure: Failure | None,
    expected: float,
) -> None:
    view = View(
        nodes={"cpu-1": make_node("cpu-1", state, reason)},
        instances=[instance] if instance else [],
    )
    memory = Memory({"cpu-1": failure} if failure else {})
    assert seconds_until_next(view, memory, [], NOW, 0.01) == pytest.approx(expected)


def test_a_launch_is_followed_closely_and_other_actions_soon() -> None:
    view = View(nodes={}, instances=[])
    launch = Launch(request=LaunchRequest(node="cpu-1", pool=make_pool()))
    undrain = Undrain(node="cpu-1")
    assert seconds_until_next(view, Memory(), [undrain, launch], NOW, 0.01) == pytest.approx(0.05)
    assert seconds_until_next(view, Memory(), [undrain], NOW, 0.01) == pytest.approx(0.5)


def test_a_slow_round_is_followed_by_a_longer_wait() -> None:
    view = View(nodes={}, instances=[])
    launch = Launch(request=LaunchRequest(node="cpu-1", pool=make_pool()))
    assert seconds_until_next(view, Memory(), [launch], NOW, 0.4) == pytest.approx(0.8)


def test_a_shortage_is_looked_at_when_it_matters() -> None:
    memory = Memory().short(("cpu", Capacity.SPOT), "none", NOW)
    view = View(nodes={}, instances=[])
    assert seconds_until_next(view, memory, [], NOW, 0.01) == pytest.approx(2.0)
    assert seconds_until_next(view, memory, [], NOW + 29.0, 0.01) == pytest.approx(1.0)
    assert seconds_until_next(view, memory, [], NOW + 31.0, 0.01) == pytest.approx(5.0)
