"""The report of a job says what happened to it, in a few plain lines."""

import json
from dataclasses import replace
from typing import Any

from job_accounting.cost import job_cost
from job_accounting.efficiency import efficiency
from job_accounting.job_report import Run, list_lines, report_json, report_lines
from job_accounting.ledger import Lives

from tests.job_accounting.builders import GIB, NOW, job, lives


def run(known: Lives | None = None, **changes: Any) -> Run:
    one = job(**changes)
    return Run(
        job=one,
        cost=job_cost(one, lives({}) if known is None else known, NOW),
        efficiency=efficiency(one, NOW),
        waited=one.wait_seconds(NOW),
        price_missing=[],
    )


def text(one: Run, *earlier: Run) -> str:
    lines = list(report_lines(one, earlier))
    assert max(map(len, lines)) <= 100
    return "\n".join(lines)


def test_a_report_says_who_where_when_and_how_well() -> None:
    one = run(
        cpus=1,
        cpu_seconds_used=1800.0,
        memory_bytes=GIB,
        peak_memory_bytes=GIB // 2,
        time_limit_seconds=7200,
    )
    assert text(one) == "\n".join(
        [
            "job 7, train: completed",
            "user ada, account research, pool cpu, QOS normal",
            "waited 10 s, ran 1 h: from 2026-11-26 11:33:20Z to 2026-11-26 12:33:20Z",
            "on 1 node: cpu-1",
            "cost $0.50, for 50% of its node (on demand)",
            "",
            "        ASKED     USED  WASTED",
            "CPUs        1      0.5     50%",
            "memory  1 GiB  0.5 GiB     50%",
            "time      2 h      1 h     50%",
        ]
    )


def test_how_it_ended_is_told() -> None:
    assert "train: failed (exit code 3)" in text(run(state="failed", exit_code=3))
    assert "train: failed (signal 9)" in text(run(state="failed", exit_signal=9))


def test_a_waiting_job_has_not_begun() -> None:
    written = text(run(state="pending", start=None, end=None, nodes=(), cpus=0))
    assert "waited 2 h, has not begun" in written
    assert "cost nothing" in written
    assert "ASKED" not in written


def test_a_job_cancelled_in_the_queue_never_ran() -> None:
    written = text(run(state="cancelled", start=None, end=NOW, nodes=(), cpus=0))
    assert "never ran" in written


def test_a_running_job_costs_so_far() -> None:
    written = text(run(state="running", end=None))
    assert "still runs" in written
    assert "cost $1.00 so far, for 50% of its node" in written
    assert "- still running: what it uses is known when it ends" in written


def test_an_unknown_cost_is_said_to_be_unknown() -> None:
    assert "cost unknown" in text(run(Lives()))


def test_a_pool_without_a_price_is_named() -> None:
    free = replace(run(lives({"price": 0.0})), price_missing=["cpu"])
    written = text(free)
    assert "cost $0.00" in written
    assert written.endswith("\n\n- pool cpu had no price. Set price_per_hour.")


def test_many_nodes_are_not_all_named() -> None:
    nodes = tuple(f"cpu-{number}" for number in range(1, 101))
    assert "on 100 nodes: cpu-1 to cpu-100" in text(run(Lives(), nodes=nodes))


def test_runs_before_this_one_are_counted() -> None:
    assert "2 runs before this one: $1.00" in text(run(), run(), run())
    assert "1 run before this one: ?" in text(run(), run(Lives()))


def test_an_array_is_a_table() -> None:
    lines = list(list_lines([run(name_id="7_1"), run(name_id="7_2", cpus=2)]))
    assert lines[:3] == [
        "JOB  NAME   STATE      RAN   CPU  MEMORY   COST",
        "7_1  train  completed  1 h  100%       ?  $0.50",
        "7_2  train  completed  1 h   50%       ?  $1.00",
    ]
    assert lines[-1] == "2 jobs; more about one: hpc-job 7_1"


def test_a_program_gets_the_same() -> None:
    found = report_json(run(memory_bytes=GIB), [run()])
    assert json.loads(json.dumps(found))["nodes"] == ["cpu-1"]
    assert found["dollars"] == 0.5
    assert found["resources"]["cpus"] == {"asked": 1, "used": 1.0, "wasted": 0.0}
    assert found["resources"]["memory_bytes"]["used"] is None
    assert found["resources"]["gpus"] is None
    assert len(found["earlier_runs"]) == 1
