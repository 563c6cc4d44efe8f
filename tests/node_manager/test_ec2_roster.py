"""What is known of the machines while EC2 lags behind, and how often it is asked."""

from dataclasses import replace

import pytest
from node_manager.ec2_machine import Machine
from node_manager.ec2_roster import Roster
from node_manager.fleet import Capacity
from node_manager.provider import InstanceState

from tests.node_manager.builders import NOW


def machine(instance_id: str = "i-a", *, running: bool = True, at: float = NOW) -> Machine:
    return Machine(
        instance_id=instance_id,
        pool="cpu",
        capacity=Capacity.SPOT,
        instance_type="c7i.large",
        state=InstanceState.RUNNING if running else InstanceState.STARTING,
        launched_at=at,
        detail="",
    )


def described(*machines: Machine, took: float = 0.0) -> Roster:
    roster = Roster()
    roster.describe(machines, NOW, took)
    return roster


def next_look(roster: Roster) -> int:
    """Seconds until EC2 is asked again."""
    return next(seconds for seconds in range(100) if roster.due(NOW + seconds))


def test_ec2_is_asked_at_first_and_then_once_a_minute() -> None:
    assert Roster().due(NOW)
    assert next_look(described()) == 60
    assert next_look(described(machine())) == 60


def test_ec2_is_asked_more_often_while_a_machine_starts() -> None:
    assert next_look(described(machine(running=False))) == 5


@pytest.mark.parametrize("event", ["stir", "launch", "end"])
def test_ec2_is_asked_more_often_for_a_minute_after_something_happened(event: str) -> None:
    roster = described(machine())
    if event == "launch":
        roster.launch([machine("i-b")], NOW)
    elif event == "end":
        roster.end(["i-a"], NOW)
    else:
        roster.stir(NOW)
    assert next_look(roster) == 5
    roster.describe([machine()], NOW + 60)
    assert not roster.due(NOW + 119)
    assert roster.due(NOW + 120)


@pytest.mark.parametrize(("took", "seconds"), [(0.5, 5), (3.0, 12), (40.0, 60)])
def test_slow_descriptions_are_asked_for_less_often(took: float, seconds: int) -> None:
    assert next_look(described(machine(running=False), took=took)) == seconds


def test_a_clock_that_was_set_back_does_not_silence_the_manager() -> None:
    assert described().due(NOW - 1)


def test_a_new_machine_is_there_at_once_and_for_a_minute_without_being_described() -> None:
    roster = described()
    roster.launch([machine(running=False)], NOW)
    assert roster.machines(NOW)["i-a"].state is InstanceState.STARTING
    roster.describe([], NOW + 59)
    assert set(roster.machines(NOW + 59)) == {"i-a"}
    assert roster.machines(NOW + 60) == {}
    roster.describe([machine()], NOW + 70)
    assert roster.machines(NOW + 70)["i-a"].state is InstanceState.RUNNING


def test_a_terminated_machine_is_stopping_until_ec2_says_more() -> None:
    roster = described(machine(), machine("i-b"))
    roster.end(["i-a"], NOW)
    roster.describe([machine(), machine("i-b")], NOW + 5)
    states = {key: found.state for key, found in roster.machines(NOW + 5).items()}
    assert states == {"i-a": InstanceState.STOPPING, "i-b": InstanceState.RUNNING}
    gone = replace(machine(), state=InstanceState.EXITED)
    roster.describe([gone], NOW + 10)
    assert roster.machines(NOW + 10) == {"i-a": gone}
    roster.describe([], NOW + 20)
    assert roster.machines(NOW + 20) == {}


def test_a_terminated_id_is_remembered_for_an_hour() -> None:
    roster = described(machine())
    roster.end(["i-a"], NOW)
    roster.describe([], NOW + 3599)
    assert roster.has_ended("i-a")
    roster.describe([], NOW + 3600)
    assert not roster.has_ended("i-a")


def test_absence_means_gone_only_after_a_while() -> None:
    roster = Roster()
    assert not roster.settled(NOW)
    roster.describe([], NOW)
    roster.describe([], NOW + 30)
    assert not roster.settled(NOW + 59)
    assert roster.settled(NOW + 60)
