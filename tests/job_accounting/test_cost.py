"""A job pays for its share of its nodes while it has them, and nobody guesses a price."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_accounting.cost import CLOCK_DIFFERENCE, Cost, job_cost
from job_accounting.ledger import Lives

from tests.job_accounting.builders import GIB, NOW, job, life, lives

HOUR = 3600


def test_half_the_cpus_cost_half_the_node() -> None:
    cost = job_cost(job(), lives({}), NOW)
    assert cost == Cost(dollars=0.5, capacity="on_demand", share=0.5)


@pytest.mark.parametrize(
    ("held", "share"),
    [
        ({"cpus": 1, "memory_bytes": 3 * GIB}, 0.75),
        ({"cpus": 2, "memory_bytes": GIB}, 1.0),
        ({"cpus": 1, "gpus": 3}, 0.75),
        ({"cpus": 4}, 1.0),
        ({"cpus": 0}, 0.0),
    ],
)
def test_the_largest_share_counts(held: dict[str, Any], share: float) -> None:
    cost = job_cost(job(**held), lives({"gpus": 4}), NOW)
    assert (cost.share, cost.dollars) == (share, share)


def test_every_node_has_its_own_price() -> None:
    known = lives({}, {"id": "i-2", "node": "cpu-2", "price": 0.3, "capacity": "spot"})
    cost = job_cost(job(nodes=("cpu-1", "cpu-2"), cpus=4), known, NOW)
    assert cost.dollars == pytest.approx(1.3)
    assert cost.capacity == "mixed"


def test_a_running_job_costs_so_far() -> None:
    cost = job_cost(job(state="running", end=None), lives({}), NOW)
    assert cost.dollars == pytest.approx(1.0)


def test_only_the_part_within_a_span_counts() -> None:
    middle = job_cost(job(), lives({}), NOW, since=NOW - 7200 + 900, until=NOW - 3600 - 900)
    assert middle.dollars == pytest.approx(0.25)
    after = job_cost(job(), lives({}), NOW, since=NOW - 3000)
    before = job_cost(job(), lives({}), NOW, until=NOW - 8000)
    assert (after.dollars, before.dollars) == (0, 0)


def test_a_job_that_never_started_costs_nothing() -> None:
    assert job_cost(job(start=None, nodes=()), Lives(), NOW).dollars == 0


def test_a_job_that_never_began_has_no_machine_to_pay_for() -> None:
    never = {"stepless": True, "nodes": ("cpu-1", "cpu-9"), "cpus": 2}
    assert job_cost(job(**never), Lives(), NOW).dollars == 0
    # The one that came stood there for it.
    assert job_cost(job(**never), lives({}), NOW).dollars == 1
    assert job_cost(job(**{**never, "stepless": False}), lives({}), NOW).dollars is None


def test_a_node_that_the_ledger_does_not_know_makes_the_cost_unknown() -> None:
    cost = job_cost(job(nodes=("cpu-1", "cpu-2")), lives({}), NOW)
    assert (cost.dollars, cost.capacity) == (None, "unknown")


def test_a_free_node_costs_nothing_which_is_known() -> None:
    assert job_cost(job(), lives({"price": 0.0}), NOW).dollars == 0


@pytest.mark.parametrize("late", [5, CLOCK_DIFFERENCE, 2000])
def test_a_life_that_begins_after_the_job_is_priced_from_its_start(late: float) -> None:
    known = lives({"start": NOW - 7200 + late})
    assert job_cost(job(), known, NOW).dollars == pytest.approx(0.5)


def test_a_machine_that_is_gone_costs_no_more_than_a_clocks_difference() -> None:
    for early, paid in ((60, HOUR), (CLOCK_DIFFERENCE, HOUR), (600, HOUR - 480)):
        known = lives({"end": NOW - 3600 - early})
        assert job_cost(job(), known, NOW).dollars == pytest.approx(0.5 * paid / HOUR)


def test_a_short_job_beside_a_life_is_priced_by_it() -> None:
    short = job(start=NOW - 100, end=NOW - 98)
    after = lives({"start": NOW - 60.0})
    before = lives({"end": NOW - 130.0})
    nearest = lives({"end": NOW - 200.0, "price": 9.0}, {"id": "i-2", "start": NOW - 60.0})
    for known in (after, before, nearest):
        assert job_cost(short, known, NOW).dollars == pytest.approx(0.5 * 2 / HOUR)
    far = lives({"start": NOW - 98 + CLOCK_DIFFERENCE + 1})
    assert job_cost(short, far, NOW).dollars is None


def test_a_job_that_took_no_time_costs_nothing() -> None:
    assert job_cost(job(start=NOW, end=NOW), lives({}), NOW).dollars == 0


def test_a_node_that_another_machine_became_is_paid_for_as_both() -> None:
    known = lives(
        {"end": NOW - 5400.0, "price": 1.0}, {"id": "i-2", "start": NOW - 5400.0, "price": 3.0}
    )
    assert job_cost(job(cpus=2), known, NOW).dollars == pytest.approx(2.0)


def test_a_node_whose_size_is_not_known_is_paid_for_as_a_whole() -> None:
    assert job_cost(job(), lives({"cpus": 0, "memory_mb": 0}), NOW).share == 1


machine = st.tuples(st.integers(0, 4000), st.integers(1, 4000) | st.none(), st.integers(0, 5))
moments = st.integers(0, 5000)


@given(st.lists(machine, min_size=1, max_size=5), moments, st.integers(0, 5000), moments)
def test_parts_add_up_and_never_exceed_the_dearest_machine(
    machines: list[tuple[int, int | None, int]], start: int, length: int, cut: int
) -> None:
    known = Lives(
        life(id=str(number), start=begin, end=None if lasts is None else begin + lasts, price=price)
        for number, (begin, lasts, price) in enumerate(machines)
    )
    one = job(start=start, end=start + length, cpus=2)
    whole = job_cost(one, known, NOW).dollars
    first = job_cost(one, known, NOW, until=cut).dollars
    second = job_cost(one, known, NOW, since=cut).dollars
    if whole is None or first is None or second is None:
        assert whole is first is second is None
        return
    assert first + second == pytest.approx(whole)
    assert 0 <= whole <= max(price for _, _, price in machines) * length / HOUR + 1e-9
