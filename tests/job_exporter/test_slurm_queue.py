"""squeue's answer: pending jobs by reason, arrays by their tasks, and what runs."""

import pytest
from job_accounting.command import CommandFailed
from job_exporter.array_tasks import count
from job_exporter.pending_reason import word
from job_exporter.slurm_queue import COMMAND, Queue, Waiting, parse_queue, read_queue

from tests.job_exporter.builders import GIB, NOW
from tests.job_exporter.fake_slurm import SQUEUE_FIELDS, FakeSlurm, queue_line


def parsed(*lines: str) -> Queue:
    return parse_queue("".join(f"{text}\n" for text in lines), NOW)


@pytest.mark.parametrize(
    ("expression", "tasks"),
    [
        ("N/A", 1),
        ("7", 1),
        ("1-10", 10),
        ("0-9999%4", 10_000),
        ("1,3,5-9", 7),
        ("0-9:2", 5),
        ("0-10:5,20%2", 4),
        ("1-3,...", 4),
        ("9-1", 1),
    ],
)
def test_an_expression_is_counted_without_printing_its_tasks(expression: str, tasks: int) -> None:
    assert count(expression) == tasks


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("Resources", "Resources"),
        ("(Priority)", "Priority"),
        ("AssocGrpBillingMinutes", "AssocGrpBillingMinutes"),
        ("ReqNodeNotAvail, UnavailableNodes:cpu-[1-3]", "ReqNodeNotAvail"),
        ("ReqNodeNotAvail,_UnavailableNodes:cpu-1", "ReqNodeNotAvail"),
        (
            "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority "
            "partitions",
            "ReqNodeNotAvail",
        ),
        ("Nodes_required_for_job_are_DOWN,_DRAINED_or_reserved", "ReqNodeNotAvail"),
        ("launch failed requeued held", "JobHeldAdmin"),
        ("Priority,Resources", "Priority"),
        ("None", "None"),
        ("", "other"),
        ("something an admin wrote: 17", "other"),
        ("Sentence of job 4711", "other"),
    ],
)
def test_a_reason_is_one_word(reason: str, expected: str) -> None:
    assert word(reason) == expected


def test_jobs_that_wait_are_counted_by_partition_and_reason() -> None:
    queue = parsed(
        queue_line(EligibleTime=NOW - 50),
        queue_line(EligibleTime=NOW - 90, ArrayTaskID="0-9%2"),
        queue_line(EligibleTime=NOW + 600, Reason="BeginTime"),
        queue_line(EligibleTime="N/A", Reason="Dependency", Partition="gpu"),
        queue_line(EligibleTime="Unknown", Partition="gpu,cpu", Reason="Dependency"),
    )
    assert queue.waiting == {
        ("cpu", "Priority"): Waiting(jobs=11, eligible=NOW - 90),
        ("cpu", "BeginTime"): Waiting(jobs=1, eligible=None),
        ("gpu", "Dependency"): Waiting(jobs=2, eligible=None),
    }


def test_a_running_job_is_the_one_that_accounting_will_tell_of() -> None:
    queue = parsed(
        queue_line(
            JobID=12,
            ArrayTaskID=3,
            State="RUNNING",
            StartTime=NOW - 60,
            NodeList="cpu-[1-2]",
            tres_alloc="cpu=4,mem=2G,node=2,billing=4,gres/gpu=1",
            Reason="None",
        )
    )
    (job,) = queue.running
    assert (job.id, job.start, job.end) == ("12", NOW - 60, None)
    assert job.nodes == ("cpu-1", "cpu-2")
    assert (job.user, job.account, job.partition) == ("ada", "physics", "cpu")
    assert (job.cpus, job.memory_bytes, job.gpus) == (4, 2 * GIB, 1)
    assert queue.waiting == {}


@pytest.mark.parametrize("state", ["CONFIGURING", "COMPLETING", "STAGE_OUT"])
def test_a_job_that_begins_or_ends_neither_waits_nor_runs(state: str) -> None:
    assert parsed(queue_line(State=state, NodeList="cpu-1")) == Queue(waiting={}, running=[])


def test_a_job_that_is_held_after_a_requeue_waits() -> None:
    held = queue_line(State="REQUEUE_HOLD", Reason="job requeued in held state")
    assert parsed(held).waiting == {("cpu", "JobHeldAdmin"): Waiting(jobs=1, eligible=None)}


def test_a_reason_may_contain_the_separator() -> None:
    assert parsed(queue_line(Reason="Licenses: a|b")).waiting == {
        ("cpu", "Licenses"): Waiting(jobs=1, eligible=None)
    }


def test_an_answer_that_is_none_is_a_failure() -> None:
    with pytest.raises(CommandFailed, match="a line that is no job: slurm_load_jobs error"):
        parsed("slurm_load_jobs error")
    assert parsed().waiting == {}


def test_one_command_asks_for_all_fields_uncut() -> None:
    slurm = FakeSlurm(queue=[queue_line()])
    assert read_queue(slurm.run, NOW).waiting
    assert COMMAND[-1] == "--Format=" + ",".join(f"{name}:|" for name in SQUEUE_FIELDS)
    assert "SLURM_BITSTR_LEN=0" in COMMAND
