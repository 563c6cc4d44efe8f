"""The line about a run of a job: short, and harmless in a command."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_accounting.cost import FREE, Cost
from job_accounting.records import parse
from job_exporter.comment_text import LONGEST, comment_text

from tests.job_exporter.builders import NOW, line, make_job, record


def cost(dollars: float | None) -> Cost:
    return Cost(dollars=dollars, capacity="spot", share=1.0)


def text(dollars: float | None = 0.12, **values: object) -> str:
    return comment_text(make_job(**values), cost(dollars), NOW)


def with_steps(**values: object) -> str:
    """Of a job of 8 CPUs and 16 GiB whose step was seen to have 300 MiB, after 4 minutes."""
    ran = {"Start": NOW - 240, "End": NOW, "TimelimitRaw": 1440, "TotalCPU": "03:50"}
    row = record(AllocTRES="cpu=8,mem=16G,node=1", **(ran | values))
    step = record(JobIDRaw="1.batch", TRESUsageInMax="mem=300M", TRESUsageInTot="mem=300M")
    (job,) = parse("".join(f"{line(one, '|')}\n" for one in (row, step)), "|")
    return comment_text(job, cost(0.12), NOW)


def test_it_says_what_was_used_what_it_cost_and_what_to_ask_for() -> None:
    assert with_steps() == (
        "cpu 12% of 8, mem 0.3 of 16 GiB, 4 min of 24 h, $0.12: "
        "--cpus-per-task=1 --mem=1G --time=0:10:00"
    )


def test_memory_that_killed_the_job_is_not_what_to_ask_for() -> None:
    assert "more than --mem=16G" in with_steps(State="OUT_OF_MEMORY")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (text(), "cpu 50% of 2, mem ? of 1 GiB, 1 of 2 h, $0.12"),
        (text(TimelimitRaw=90), "1 h of 1 h 30 min, $0.12"),
        (text(TimelimitRaw="UNLIMITED", TotalCPU="02:00:00"), "cpu 100% of 2, mem ? of 1 GiB, 1 h"),
        (text(None, TotalCPU="02:00:00"), "cost ?"),
        (text(0.001, TotalCPU="02:00:00"), "<$0.01"),
        (text(AllocTRES="cpu=2,mem=1G,gres/gpu=4", TotalCPU="02:00:00"), "gpu ? of 4"),
    ],
)
def test_what_is_not_known_or_not_limited_is_said_so(said: str, expected: str) -> None:
    assert expected in said


def test_a_job_without_anything_costs_nothing() -> None:
    job = make_job(NodeList="", AllocTRES="", TimelimitRaw="")
    assert comment_text(job, FREE, NOW) == "0 s, $0.00"


AMOUNT = st.integers(0, 10**7)


@given(
    cpus=AMOUNT,
    memory=AMOUNT,
    gpus=AMOUNT,
    limit=AMOUNT,
    seconds=AMOUNT,
    state=st.sampled_from(["COMPLETED", "TIMEOUT", "OUT_OF_MEMORY", "CANCELLED by 7", "FAILED"]),
    name=st.text(max_size=30).filter(lambda name: "\n" not in name),
    dollars=st.one_of(st.none(), st.floats(0, 1e12)),
)
def test_whatever_the_job_it_is_short_and_has_no_syntax(
    cpus: int,
    memory: int,
    gpus: int,
    limit: int,
    seconds: int,
    state: str,
    name: str,
    dollars: float | None,
) -> None:
    said = text(
        dollars,
        AllocTRES=f"cpu={cpus},mem={memory}M,gres/gpu={gpus}",
        TimelimitRaw=limit,
        Start=NOW - seconds,
        End=NOW,
        State=state,
        JobName=name.replace("\r", ""),
    )
    assert len(said) <= LONGEST
    assert re.fullmatch(r"[A-Za-z0-9 ,.:%$<?=-]+", said)
