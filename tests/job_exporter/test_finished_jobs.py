"""Questions to accounting are as long as their answers fit into memory."""

import pytest
from job_accounting.command import CommandFailed
from job_accounting.sacct import SacctUnavailable
from job_exporter.finished_jobs import ANSWER_BYTES, LONGEST_SLICE, FinishedJobs
from job_exporter.limited_command import AnswerTooLong, run_limited

from tests.job_exporter.builders import DAY, NOW, record
from tests.job_exporter.fake_slurm import FakeSlurm


def test_a_slice_is_a_day_at_most() -> None:
    finished = FinishedJobs(FakeSlurm().run_limited)
    assert finished.ask(NOW - 3 * DAY, NOW) == ([], NOW - 3 * DAY + LONGEST_SLICE)
    assert finished.ask(NOW - 60, NOW) == ([], NOW)


def test_too_much_at_once_is_asked_for_in_parts_and_then_in_larger_ones_again() -> None:
    name = "x" * (ANSWER_BYTES // 40)
    slurm = FakeSlurm(
        accounting=[
            record(JobIDRaw=number, End=NOW - DAY + number * 60, JobName=name)
            for number in range(100)
        ]
    )
    finished = FinishedJobs(slurm.run_limited)
    position, seen = NOW - DAY, set()
    while position < NOW:
        jobs, stop = finished.ask(position, NOW)
        assert stop > position
        seen |= {job.id for job in jobs if job.end and position <= job.end < stop}
        position = stop
    assert len(seen) == 100
    lengths = [until - since for since, until in slurm.queries]
    assert lengths[0] == DAY
    assert min(lengths) < 100 * 60
    assert max(lengths[-3:]) > 4 * min(lengths)


def test_a_single_second_is_taken_as_it_is() -> None:
    name = "x" * (ANSWER_BYTES // 2)
    slurm = FakeSlurm(accounting=[record(JobIDRaw=n, End=NOW - 9, JobName=name) for n in range(4)])
    finished = FinishedJobs(slurm.run_limited)
    jobs, stop = finished.ask(NOW - 9, NOW)
    assert (len(jobs), stop) == (4, NOW - 8)


def test_the_duration_of_a_query_is_measured() -> None:
    times = iter([10.0, 12.5])
    finished = FinishedJobs(FakeSlurm().run_limited, clock=lambda: next(times))
    assert finished.query_seconds is None
    finished.ask(NOW - 60, NOW)
    assert finished.query_seconds == 2.5


def test_a_failure_is_accountings() -> None:
    with pytest.raises(SacctUnavailable, match="Connection refused"):
        FinishedJobs(FakeSlurm(slurmdbd=False).run_limited).ask(NOW - 60, NOW)


def test_a_command_may_print_so_much_and_no_more() -> None:
    assert run_limited(("printf", "12345"), 10, 5) == "12345"
    assert run_limited(("printf", "123456"), 10, None) == "123456"
    with pytest.raises(AnswerTooLong):
        run_limited(("yes",), 10, 5)


def test_a_commands_failure_is_its_last_line() -> None:
    with pytest.raises(CommandFailed, match=r"^second$"):
        run_limited(("sh", "-c", "echo first >&2; echo second >&2; exit 1"), 10, 100)
    with pytest.raises(CommandFailed, match=r"^false: exit status 1$"):
        run_limited(("false",), 10, 100)
    with pytest.raises(CommandFailed, match="No such file"):
        run_limited(("/no/such/sacct",), 10, 100)


def test_a_command_that_hangs_is_given_up() -> None:
    with pytest.raises(CommandFailed, match=r"sleep: no answer within 0\.05 s"):
        run_limited(("sleep", "10"), 0.05, 100)


def test_times_are_asked_for_in_seconds() -> None:
    assert run_limited(("printenv", "SLURM_TIME_FORMAT"), 10, 100) == "%s\n"
