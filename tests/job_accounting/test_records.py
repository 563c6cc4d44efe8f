"""What sacct prints becomes jobs, whatever is in it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_accounting.records import FIELDS, Job, parse

from tests.job_accounting.builders import GIB, MIB, sacct_line, step_line

REAL = """\
1|1|ada|research|cpu|normal|COMPLETED|0:0|1795647626|1795647626|1795647627|1795647628|5|cpu-[1-2]\
|billing=2,cpu=2,mem=1500M,node=2|billing=2,cpu=2,mem=1500M,node=2|00:01.331||||pi
1.batch|1.batch||research|||COMPLETED|0:0|1795647627|1795647627|1795647627|1795647628||cpu-1\
|cpu=1,mem=750M,node=1||00:00.020|1|energy=0|energy=0|batch
1.0|1.0||research|||COMPLETED|0:0|1795647628|1795647628|1795647628|1795647628||cpu-[1-2]\
|cpu=2,mem=1500M,node=2||00:01.310|2|energy=0|energy=0|pi
"""
"""An answer of sacct 26.05.5: a job of two nodes, too short for anybody to look at its memory."""


def only(*lines: str) -> Job:
    (found,) = parse("\n".join(lines))
    return found


def test_a_real_answer_is_one_job() -> None:
    assert parse(REAL) == [
        Job(
            id="1",
            name_id="1",
            name="pi",
            user="ada",
            account="research",
            partition="cpu",
            qos="normal",
            state="completed",
            submit=1795647626,
            eligible=1795647626,
            start=1795647627,
            end=1795647628,
            time_limit_seconds=300,
            nodes=("cpu-1", "cpu-2"),
            cpus=2,
            memory_bytes=1500 * MIB,
            asked_cpus=2,
            asked_memory_bytes=1500 * MIB,
            tasks=2,
            cpu_seconds_used=1.331,
        )
    ]


@pytest.mark.parametrize(
    ("printed", "state"),
    [
        ("COMPLETED", "completed"),
        ("CANCELLED by 1000", "cancelled"),
        ("OUT_OF_MEMORY", "out_of_memory"),
        ("CANCELLED+", "cancelled"),
        ("", "unknown"),
    ],
)
def test_the_state_is_slurms_first_word(printed: str, state: str) -> None:
    assert only(sacct_line(State=printed)).state == state


def test_a_running_job_has_no_end() -> None:
    running = only(sacct_line(State="RUNNING", End="Unknown", TotalCPU="00:00:00"))
    assert (running.start, running.end, running.ended) == (1795647627, None, False)
    assert running.run_seconds(now=1795647637) == 10


def test_a_waiting_job_has_no_start() -> None:
    line = sacct_line(State="PENDING", Start="Unknown", End="Unknown", NodeList="None assigned")
    waiting = only(line)
    assert (waiting.start, waiting.nodes, waiting.run_seconds(2e9)) == (None, (), 0)
    assert waiting.wait_seconds(1795647636) == 10


@pytest.mark.parametrize("start", ["None", "Unknown", "1795647650"])
def test_a_job_that_was_cancelled_in_the_queue_never_started(start: str) -> None:
    cancelled = only(
        sacct_line(
            State="CANCELLED by 0",
            Start=start,
            End="1795647650",
            NodeList="None assigned",
            AllocTRES="",
        )
    )
    assert cancelled.start is None
    assert cancelled.ended
    assert cancelled.wait_seconds(2e9) == 24
    assert (cancelled.cpus, cancelled.memory_bytes, cancelled.asked_cpus) == (0, 0, 2)


@pytest.mark.parametrize("limit", ["UNLIMITED", "Partition_Limit", ""])
def test_no_limit_of_time_is_none(limit: str) -> None:
    assert only(sacct_line(TimelimitRaw=limit)).time_limit_seconds is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:01.331", 1.331), ("01:02:03", 3723), ("2-00:00:01", 172801), ("INVALID", 0), ("", 0)],
)
def test_cpu_time_is_seconds(text: str, seconds: float) -> None:
    assert only(sacct_line(TotalCPU=text)).cpu_seconds_used == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "size"),
    [("750M", 750 * MIB), ("1.50G", 1.5 * GIB), ("2T", 2048 * GIB), ("4096K", 4 * MIB), ("?", 0)],
)
def test_memory_is_bytes(text: str, size: float) -> None:
    assert only(sacct_line(AllocTRES=f"cpu=1,mem={text},node=1")).memory_bytes == size


@pytest.mark.parametrize(
    "tres", ["gres/gpu=3", "gres/gpu=3,gres/gpu:l4=3", "gres/gpu:l4=1,gres/gpu:t4=2"]
)
def test_gpus_are_counted_once(tres: str) -> None:
    assert only(sacct_line(AllocTRES=f"cpu=1,{tres}")).gpus == 3


def test_ids_are_those_that_people_see() -> None:
    text = "\n".join(
        [
            sacct_line(JobIDRaw="12", JobID="12_[4-5%2]", State="PENDING"),
            sacct_line(JobIDRaw="13", JobID="12_3"),
            sacct_line(JobIDRaw="14", JobID="14+0"),
            sacct_line(JobIDRaw="15", JobID="14+1"),
        ]
    )
    found = [(job.id, job.name_id) for job in parse(text)]
    assert found == [("12", "12_[4-5%2]"), ("13", "12_3"), ("14", "14+0"), ("15", "14+1")]


def test_the_peak_is_that_of_the_largest_step() -> None:
    one = only(
        sacct_line(),
        step_line(JobIDRaw="1.batch", TRESUsageInMax="mem=5M", TRESUsageInTot="mem=5M"),
        step_line(NTasks="4", TRESUsageInMax="mem=104857600", TRESUsageInTot="mem=314572800"),
        step_line(JobIDRaw="1.1", TRESUsageInMax="mem=200M", TRESUsageInTot="mem=1M"),
    )
    assert one.peak_memory_bytes == 300 * MIB
    assert one.peak_task_memory_bytes == 200 * MIB
    assert one.tasks == 4


def test_memory_that_was_freed_before_the_end_was_used_all_the_same() -> None:
    step = step_line(TRESUsageInMax="cpu=1,mem=800M", TRESUsageInTot="cpu=1,mem=20M")
    assert only(sacct_line(), step).peak_memory_bytes == 800 * MIB


def test_busy_gpus_are_a_share_of_all_that_the_job_had() -> None:
    step = step_line(NTasks="2", TRESUsageInMax="gres/gpumem=9G,gres/gpuutil=50")
    gpus = {"AllocTRES": "cpu=1,gres/gpu=4"}
    assert only(sacct_line(**gpus), step).gpu_utilisation == 0.25
    assert only(sacct_line(**gpus), step_line()).gpu_utilisation is None
    assert only(sacct_line(), step).gpu_utilisation is None


def test_each_run_of_a_requeued_job_has_its_own_steps() -> None:
    text = "\n".join(
        [
            sacct_line(State="NODE_FAIL", Start="1795647000", End="1795647100"),
            step_line(TRESUsageInMax="mem=10M"),
            sacct_line(Start="1795647200", End="1795647300"),
            step_line(TRESUsageInMax="mem=20M"),
        ]
    )
    found = [(job.state, job.start, job.peak_memory_bytes) for job in parse(text)]
    assert found == [
        ("node_fail", 1795647000, 10 * MIB),
        ("completed", 1795647200, 20 * MIB),
    ]


def test_steps_without_their_job_are_left_out() -> None:
    assert parse(step_line(JobIDRaw="99.0")) == []
    text = "\n".join([sacct_line(), step_line(JobIDRaw="2.0", TRESUsageInMax="mem=10M")])
    assert only(text).peak_memory_bytes is None


def test_a_name_may_contain_the_delimiter() -> None:
    assert only(sacct_line(JobName="a|b||c")).name == "a|b||c"


def test_a_name_cannot_forge_records_where_the_delimiter_is_secret() -> None:
    name = "x\n" + sacct_line(JobIDRaw="666", User="mallory") + "\nmore"
    found = parse(sacct_line(delimiter="|3f9a|", JobName=name), delimiter="|3f9a|")
    assert [job.id for job in found] == ["1"]


def test_a_name_cannot_steer_a_terminal() -> None:
    assert only(sacct_line(JobName="\x1b[31mred\x07 täst")).name == "?[31mred? täst"


def test_other_lines_are_left_out() -> None:
    assert parse("") == []
    assert parse("JobID|JobName\nslurm_load_jobs error\n") == []


@given(
    st.dictionaries(
        st.sampled_from([name for name in FIELDS if name != "JobIDRaw"]),
        st.text(max_size=12).filter(lambda text: "\n" not in text and "\x1f" not in text),
    )
)
def test_odd_values_break_nothing(fields: dict[str, str]) -> None:
    found = parse(sacct_line(delimiter="\x1f", **fields), delimiter="\x1f")
    assert len(found) == 1
    assert found[0].run_seconds(2e9) >= 0
    assert found[0].wait_seconds(2e9) >= 0


def test_whether_a_job_began_is_told_by_its_steps_where_they_were_asked_for() -> None:
    began, never = sacct_line(), sacct_line(JobIDRaw="2", JobID="2")
    text = "\n".join((began, step_line(), never))
    assert [job.stepless for job in parse(text, steps=True)] == [False, True]
    assert [job.stepless for job in parse(text)] == [False, False]
