"""Costs of jobs that accounting has not told of yet."""

from job_accounting.records import Job
from job_exporter.cursor import Cursor, Key
from job_exporter.running_jobs import MOST_GONE, RunningJobs

from tests.job_exporter.builders import DAY, HOUR, LIVES, MONTH, NOW, make_job


def running(number: int = 1, start: int = NOW - HOUR) -> Job:
    return make_job(JobIDRaw=number, State="RUNNING", Start=start, End="Unknown")


def dollars(
    jobs: RunningJobs, seen: list[Job], cursor: Cursor, now: int = NOW, since: int = MONTH
) -> dict[Key, float]:
    found = jobs.look(seen, LIVES, cursor, since, now)
    return {run: so_far.dollars for run, so_far in found.items()}


def test_a_running_job_costs_its_share_so_far() -> None:
    assert dollars(RunningJobs(), [running()], Cursor.starting(MONTH)) == {("1", NOW - HOUR): 0.5}


def test_only_what_falls_into_the_period_is_told() -> None:
    job = running(start=MONTH - DAY)
    found = dollars(RunningJobs(), [job], Cursor.starting(MONTH), now=MONTH + HOUR)
    assert found == {("1", MONTH - DAY): 0.5}


def test_a_job_that_left_is_kept_until_it_is_counted() -> None:
    jobs, cursor = RunningJobs(), Cursor.starting(MONTH)
    dollars(jobs, [running()], cursor)
    assert dollars(jobs, [], cursor) == {("1", NOW - HOUR): 0.5}
    cursor.counted["1", NOW - HOUR] = NOW
    assert dollars(jobs, [], cursor) == {}


def test_a_job_that_accounting_never_tells_of_goes_when_accounting_is_complete() -> None:
    jobs, cursor = RunningJobs(), Cursor.starting(MONTH)
    dollars(jobs, [running()], cursor)
    assert dollars(jobs, [], cursor, now=NOW + 15)
    # Its end may lie before the beginning of such a pass.
    cursor.advance(NOW + 60, begun=NOW - 60, delivered=True)
    assert dollars(jobs, [], cursor, now=NOW + 20)
    cursor.advance(NOW + 10, begun=MONTH, delivered=True)
    assert dollars(jobs, [], cursor, now=NOW + 30)
    cursor.advance(NOW + 60, begun=MONTH, delivered=True)
    assert dollars(jobs, [], cursor, now=NOW + 75) == {}


def test_a_job_that_is_counted_before_it_leaves_the_queue_is_not_told_twice() -> None:
    jobs, cursor = RunningJobs(), Cursor.starting(MONTH)
    cursor.counted["1", NOW - HOUR] = NOW
    assert dollars(jobs, [running()], cursor) == {}


def test_a_new_period_begins_with_what_still_runs() -> None:
    jobs, cursor = RunningJobs(), Cursor.starting(MONTH)
    dollars(jobs, [running(1), running(2)], cursor)
    december = NOW + 5 * DAY
    found = dollars(jobs, [running(1)], cursor, now=december + HOUR, since=december)
    assert found == {("1", NOW - HOUR): 0.5}


def test_jobs_that_left_are_kept_in_bounded_number() -> None:
    jobs, cursor = RunningJobs(), Cursor.starting(MONTH)
    dollars(jobs, [running(number) for number in range(MOST_GONE + 5)], cursor)
    assert len(dollars(jobs, [], cursor)) == MOST_GONE
