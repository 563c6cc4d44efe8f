"""Advice is given where it saves much and is safe, and not otherwise."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_accounting.efficiency import MEANINGFUL_GPU_SECONDS, Use, efficiency

from tests.job_accounting.builders import GIB, MIB, NOW, job

DAY = 86400


def hints(**changes: Any) -> tuple[str, ...]:
    return efficiency(job(**changes), NOW).hints


def test_what_was_used_is_a_share_of_what_was_asked_for() -> None:
    found = efficiency(
        job(
            cpus=8,
            cpu_seconds_used=2 * 3600,
            memory_bytes=16 * GIB,
            peak_memory_bytes=4 * GIB,
            time_limit_seconds=7200,
            gpus=2,
            gpu_utilisation=0.75,
        ),
        NOW,
    )
    assert found.seconds == 3600
    assert found.cpus == Use(asked=8, used=2)
    assert found.memory is not None
    assert (found.memory.share, found.memory.wasted) == (0.25, 0.75)
    assert found.time == Use(asked=7200, used=3600)
    assert found.gpus == Use(asked=2, used=1.5)


def test_what_nobody_measured_is_unknown() -> None:
    found = efficiency(job(memory_bytes=GIB, gpus=1), NOW)
    assert found.memory == Use(asked=GIB, used=None)
    assert found.gpus == Use(asked=1, used=None)
    assert Use(asked=1, used=None).wasted is None
    assert found.time is None


def test_a_good_job_gets_no_advice() -> None:
    assert hints(cpus=1, memory_bytes=4 * GIB, peak_memory_bytes=3 * GIB) == ()


@pytest.mark.parametrize(
    ("cpus", "busy", "advice"),
    [
        (8, 1.1, "asked for 8 CPUs and kept 1.1 of them busy: ask for --cpus-per-task=2"),
        (2, 0.9, "asked for 2 CPUs and kept 0.9 of them busy: ask for --cpus-per-task=1"),
        (64, 0.0, "asked for 64 CPUs and kept 0.0 of them busy: ask for --cpus-per-task=1"),
    ],
)
def test_idle_cpus_are_too_many(cpus: int, busy: float, advice: str) -> None:
    assert hints(cpus=cpus, cpu_seconds_used=busy * 3600) == (advice,)


@pytest.mark.parametrize(("cpus", "busy"), [(1, 0.1), (8, 5.0), (4, 2.0)])
def test_cpus_that_are_half_busy_are_left_alone(cpus: int, busy: float) -> None:
    assert hints(cpus=cpus, cpu_seconds_used=busy * 3600) == ()


def test_a_cpu_that_slurm_added_is_not_the_jobs_fault() -> None:
    assert hints(cpus=2, asked_cpus=1, cpu_seconds_used=0.5 * 3600) == ()


def test_a_job_of_many_tasks_is_not_told_about_cpus_per_task() -> None:
    for changes in ({"tasks": 8}, {"nodes": ("cpu-1", "cpu-2")}):
        (hint,) = hints(cpus=8, cpu_seconds_used=3600.0, **changes)
        assert hint.endswith("ask for fewer tasks or CPUs")


def test_idle_memory_is_too_much() -> None:
    (hint,) = hints(memory_bytes=16 * GIB, peak_memory_bytes=300 * MIB)
    assert hint == "peak memory 0.3 GiB of 16 GiB asked: --mem=1G"
    (hint,) = hints(memory_bytes=2 * GIB, peak_memory_bytes=150 * MIB)
    assert hint.endswith("--mem=256M")


def test_memory_is_advised_with_room() -> None:
    (hint,) = hints(memory_bytes=64 * GIB, peak_memory_bytes=4 * GIB)
    assert hint.endswith("--mem=5G")


def test_little_memory_is_left_alone() -> None:
    assert hints(memory_bytes=750 * MIB, peak_memory_bytes=5 * MIB) == ()


def test_memory_of_several_nodes_is_advised_for_each() -> None:
    (hint,) = hints(
        memory_bytes=64 * GIB,
        peak_memory_bytes=8 * GIB,
        nodes=("cpu-1", "cpu-2"),
        cpu_seconds_used=3600.0,
    )
    assert hint == "peak memory 8 GiB of 64 GiB asked: --mem=5G (a node)"


def test_memory_that_tasks_may_have_had_at_one_time_is_not_advised_away() -> None:
    assert (
        hints(
            memory_bytes=16 * GIB,
            peak_memory_bytes=3 * GIB,
            peak_task_memory_bytes=3 * GIB,
            tasks=8,
        )
        == ()
    )


def test_a_job_that_was_killed_at_its_memory_limit_needs_more() -> None:
    found = hints(state="out_of_memory", memory_bytes=2 * GIB, peak_memory_bytes=100 * MIB)
    assert found == ("killed at its memory limit of 2 GiB a node: ask for more than --mem=2G",)


def test_a_job_that_was_killed_at_its_time_limit_needs_longer() -> None:
    (hint,) = hints(state="timeout", time_limit_seconds=3600)
    assert hint.startswith("killed at its time limit of 1 h: ask for a longer --time")


def test_a_much_shorter_job_than_its_limit_would_start_sooner() -> None:
    (hint,) = hints(start=NOW - 240, end=NOW, cpu_seconds_used=240.0, time_limit_seconds=DAY)
    assert hint == (
        "ran 4 min of a limit of 24 h: a shorter --time, such as --time=0:10:00, starts sooner"
    )


def test_a_job_that_failed_early_says_nothing_about_its_limit() -> None:
    failed = {"start": NOW - 240, "end": NOW, "cpu_seconds_used": 240.0, "state": "failed"}
    assert hints(**failed, time_limit_seconds=DAY) == ()


@pytest.mark.parametrize(
    ("gpus", "utilisation", "advice"),
    [
        (2, 0.0, "kept its GPUs 0% busy: ask for none"),
        (4, 0.25, "kept its GPUs 25% busy: fewer may be enough, or it waits for its input"),
        (1, 0.02, "kept its GPUs 2% busy: it may be waiting for its input"),
    ],
)
def test_idle_gpus_are_too_many(gpus: int, utilisation: float, advice: str) -> None:
    assert hints(gpus=gpus, gpu_utilisation=utilisation) == (advice,)


def test_a_job_whose_gpus_were_seldom_looked_at_gets_no_advice_about_them() -> None:
    shorter = {"start": NOW - MEANINGFUL_GPU_SECONDS + 1, "end": NOW, "cpu_seconds_used": 300.0}
    assert hints(gpus=1, gpu_utilisation=0.0, **shorter) == ()
    just = shorter | {"start": NOW - MEANINGFUL_GPU_SECONDS}
    assert hints(gpus=1, gpu_utilisation=0.0, **just) == ("kept its GPUs 0% busy: ask for none",)


def test_a_job_that_ran_too_short_gets_no_other_advice() -> None:
    found = hints(start=NOW - 4, end=NOW, cpus=8, cpu_seconds_used=0.1, time_limit_seconds=DAY)
    assert found == ("ran 4 s: too short for its numbers to mean anything",)


def test_what_a_running_job_uses_is_not_known_yet() -> None:
    found = efficiency(
        job(state="running", end=None, cpus=8, cpu_seconds_used=0.0, time_limit_seconds=DAY), NOW
    )
    assert found.cpus == Use(asked=8, used=None)
    assert found.time == Use(asked=DAY, used=7200)
    assert found.hints == ("still running: what it uses is known when it ends",)


def test_a_job_that_never_ran_gets_no_advice() -> None:
    assert hints(start=None, end=None, state="pending", nodes=()) == ()


@given(
    st.integers(1, 512),
    st.floats(0, 1e7),
    st.integers(1, 10**12),
    st.integers(0, 10**12),
    st.integers(1, 64),
    st.integers(1, 10**6),
)
def test_advice_never_asks_for_more_than_the_job_had(
    cpus: int, used: float, asked: int, peak: int, tasks: int, seconds: int
) -> None:
    found = efficiency(
        job(
            start=NOW - seconds,
            end=NOW,
            cpus=cpus,
            cpu_seconds_used=used,
            memory_bytes=asked,
            peak_memory_bytes=peak or None,
            peak_task_memory_bytes=peak or None,
            tasks=tasks,
        ),
        NOW,
    )
    for hint in found.hints:
        if "--cpus-per-task=" in hint:
            assert int(hint.rpartition("=")[2]) < cpus
        if "--mem=" in hint:
            size = hint.rpartition("=")[2]
            assert int(size[:-1]) * {"M": MIB, "G": GIB}[size[-1]] < asked
