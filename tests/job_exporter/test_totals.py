"""What one finished job adds to the counters."""

from dataclasses import replace

import pytest
from job_accounting.cost import Cost
from job_exporter.totals import RUN_BOUNDS, WAIT_BOUNDS, Distribution, Totals

from tests.job_exporter.builders import GIB, HOUR, NOW, make_job

COST = Cost(dollars=0.5, capacity="spot", share=0.5)


def counted(cost: Cost = COST, **values: object) -> Totals:
    totals = Totals()
    totals.count(make_job(**values), cost, account="physics", user="ada")
    return totals


def in_bucket(bounds: tuple[int, ...], value: float) -> Distribution:
    buckets = [0] * (len(bounds) + 1)
    buckets[sum(bound < value for bound in bounds)] = 1
    return Distribution(buckets=buckets, sum=value)


def test_a_job_is_counted_with_its_wait_and_its_run() -> None:
    totals = counted()
    group = ("cpu", "physics", "normal")
    assert totals.finished == {(*group, "completed"): 1}
    assert totals.finished_by_user == {("physics", "ada", "completed"): 1}
    assert totals.waits.by_labels == {group: in_bucket(WAIT_BOUNDS, 30)}
    assert totals.runs.by_labels == {group: in_bucket(RUN_BOUNDS, HOUR)}


def test_what_was_allocated_and_used_is_added_up() -> None:
    job = make_job(AllocTRES="cpu=2,mem=1G,gres/gpu=2", TotalCPU="30:00")
    totals = Totals()
    measured = replace(job, peak_memory_bytes=GIB // 4, gpu_utilisation=0.5)
    totals.count(measured, COST, account="physics", user="ada")
    assert totals.cpu_seconds == {
        ("physics", "ada", "allocated"): 2 * HOUR,
        ("physics", "ada", "used"): 1800,
    }
    assert totals.memory_byte_seconds == {
        ("physics", "ada", "allocated"): GIB * HOUR,
        ("physics", "ada", "used"): GIB // 4 * HOUR,
    }
    assert totals.gpu_seconds == {
        ("physics", "ada", "allocated"): 2 * HOUR,
        ("physics", "ada", "used"): HOUR,
    }
    assert totals.cost_dollars == {("physics", "ada", "cpu", "spot"): 0.5}


def test_what_nobody_measured_is_not_taken_as_unused() -> None:
    totals = counted(AllocTRES="cpu=2,mem=1G,gres/gpu=2")
    assert totals.memory_byte_seconds == {("physics", "ada", "unmeasured"): GIB * HOUR}
    assert totals.gpu_seconds == {("physics", "ada", "unmeasured"): 2 * HOUR}


def test_a_job_of_unknown_cost_is_counted_as_such() -> None:
    totals = counted(Cost(dollars=None, capacity="unknown", share=0.0))
    assert totals.unpriced == {(): 1}
    assert totals.cost_dollars == {}


def test_a_job_that_never_ran_is_counted_and_nothing_else() -> None:
    totals = counted(State="CANCELLED by 1000", NodeList="None assigned", Start="Unknown")
    assert totals.finished == {("cpu", "physics", "normal", "cancelled"): 1}
    assert totals.finished_by_user == {("physics", "ada", "cancelled"): 1}
    assert totals == Totals(finished=totals.finished, finished_by_user=totals.finished_by_user)


def test_words_that_slurm_may_invent_are_other() -> None:
    (labels,) = counted(State="EVAPORATED").finished
    assert labels[-1] == "other"


def test_a_job_of_several_partitions_is_the_firsts() -> None:
    (labels,) = counted(Partition="gpu,cpu").finished
    assert labels[0] == "gpu"


@pytest.mark.parametrize(("wait", "bucket"), [(0, 0), (1, 0), (2, 1), (259_201, 13)])
def test_a_value_at_a_bound_belongs_to_it(wait: int, bucket: int) -> None:
    start = NOW - HOUR
    (found,) = counted(Eligible=start - wait).waits.by_labels.values()
    assert found.buckets.index(1) == bucket


def test_a_copy_leaves_the_original_as_it_was() -> None:
    before = counted()
    after = before.copy()
    assert after == before
    after.count(make_job(), COST, account="physics", user="ada")
    assert before == counted()
    assert after != before


def test_every_series_is_found_by_its_labels() -> None:
    totals = counted(AllocTRES="cpu=2,mem=1G,gres/gpu=2")
    found = dict(totals.series())
    assert found.keys() == vars(totals).keys()
    assert found["cost_dollars"] is totals.cost_dollars
    assert found["waits"] is totals.waits.by_labels
