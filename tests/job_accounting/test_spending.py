"""Runs of jobs are charged once each, for their part of the month."""

from job_accounting.ledger import Lives
from job_accounting.spending import Sum, charges, pools_without_price, total, totals

from tests.job_accounting.builders import NOW, job, lives

SINCE, UNTIL = NOW - 5400, NOW - 0.0


def test_the_dearest_come_first() -> None:
    jobs = [job(), job(id="8", cpus=2), job(id="9", end=NOW - 5000)]
    found = charges(jobs, lives({}), NOW, SINCE, UNTIL)
    assert [charge.job.id for charge in found] == ["8", "7", "9"]
    assert [charge.seconds for charge in found] == [1800, 1800, 400]


def test_a_run_that_is_listed_twice_is_charged_once() -> None:
    runs = [job(), job(), job(start=NOW - 3000, end=NOW - 2000)]
    assert len(charges(runs, lives({}), NOW, SINCE, UNTIL)) == 2


def test_runs_outside_the_span_are_no_charge() -> None:
    outside = [
        job(id="1", end=NOW - 6000),
        job(id="2", end=SINCE),
        job(id="3", start=NOW, end=NOW + 10),
        job(id="4", start=None, end=None, state="pending", nodes=()),
    ]
    assert charges(outside, lives({}), NOW, SINCE, UNTIL) == []


def test_a_run_of_no_length_is_a_charge_of_nothing() -> None:
    (charge,) = charges([job(start=SINCE, end=SINCE)], lives({}), NOW, SINCE, UNTIL)
    assert (charge.dollars, charge.seconds) == (0, 0)


def test_sums_say_what_still_runs_and_what_has_no_price() -> None:
    jobs = [
        job(),
        job(id="8", state="running", end=None),
        job(id="9", nodes=("cpu-9",)),
    ]
    found = total(charges(jobs, lives({}), NOW, SINCE, UNTIL))
    assert found == Sum(jobs=3, dollars=1.0, running=1, so_far=0.75, unpriced=1)


def test_sums_are_made_by_what_is_wanted() -> None:
    jobs = [job(), job(id="8", user="ben", cpus=2), job(id="9", user="ben")]
    found = totals(charges(jobs, lives({}), NOW, SINCE, UNTIL), lambda one: one.user)
    assert [(name, one.dollars) for name, one in found.items()] == [("ben", 0.75), ("ada", 0.25)]


def test_pools_without_a_price_are_named() -> None:
    known = lives({"price": 0.0}, {"node": "gpu-1", "pool": "gpu"})
    jobs = [job(), job(nodes=("gpu-1",))]
    assert pools_without_price(jobs, known, NOW) == ["cpu"]
    assert pools_without_price(jobs, Lives(), NOW) == []


def test_what_a_node_cost_before_or_after_a_job_says_nothing_of_it() -> None:
    free_before = {"id": "old", "price": 0.0, "start": NOW - 9000, "end": NOW - 8000}
    free_after = {"id": "new", "price": 0.0, "start": NOW - 3000, "end": None}
    known = lives(free_before, {"start": NOW - 7500, "end": NOW - 3500}, free_after)
    assert pools_without_price([job()], known, NOW) == []
