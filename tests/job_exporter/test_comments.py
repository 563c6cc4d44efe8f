"""Comments on ended jobs: one for each, the last run's, whatever happens to slurmdbd and to us."""

import json
import time
from pathlib import Path

import pytest
from job_exporter import comments
from job_exporter.comments import PACE_SECONDS, RETRY_SECONDS

from tests.job_exporter.builders import (
    HOUR,
    NOW,
    make_life,
    make_settings,
    record,
    settings_document,
)
from tests.job_exporter.exporter_process import Exporter, eventually
from tests.job_exporter.fake_commands import write_accounting
from tests.job_exporter.fake_exporter import FakeExporter
from tests.job_exporter.fake_slurm import FakeSlurm

LINE = "cpu 50% of 2, mem ? of 1 GiB, 1 of 2 h, $0.50"


@pytest.fixture
def slurm() -> FakeSlurm:
    return FakeSlurm()


@pytest.fixture
def exporter(tmp_path: Path, slurm: FakeSlurm) -> FakeExporter:
    exporter = FakeExporter(tmp_path, slurm, make_settings(job_comments=True))
    exporter.write_ledger([make_life()])
    return exporter


def end(exporter: FakeExporter, *numbers: object, **values: object) -> None:
    """Jobs end and are counted; each a second after the one before."""
    for number in numbers:
        exporter.now += 1
        exporter.slurm.end(**({"JobIDRaw": number, "End": int(exporter.now)} | values))
    exporter.slurm.deliver()
    assert exporter.count()


def results(exporter: FakeExporter) -> dict[str, float | None]:
    kinds = ("written", "failed", "dropped")
    return {kind: exporter.value("job_comments_total", result=kind) for kind in kinds}


def test_each_ended_job_gets_its_line_the_oldest_first(
    exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    end(exporter, 1, 2)
    assert exporter.comment() == pytest.approx(PACE_SECONDS, abs=0.1)
    assert slurm.comments == [("1", LINE)]
    exporter.comment(times=3)
    assert slurm.comments == [("1", LINE), ("2", LINE)]
    assert results(exporter) == {"written": 2, "failed": 0, "dropped": 0}


def test_without_the_setting_nothing_is_written_or_shown(tmp_path: Path, slurm: FakeSlurm) -> None:
    exporter = FakeExporter(tmp_path, slurm)
    end(exporter, 1)
    assert exporter.comments is None
    assert "job_comments_total" not in exporter.names()


def test_a_task_or_a_part_is_named_so_that_it_alone_is_meant(
    exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    end(exporter, 12, JobID="12_3")
    end(exporter, 20, JobID="20+0")
    # Tasks of an array that were cancelled before they ran.
    end(exporter, 30, JobID="30_[4-9]", NodeList="")
    exporter.comment(times=4)
    assert [name for name, _ in slurm.comments] == ["12_3", "20+0"]


def test_of_a_job_that_was_queued_again_the_last_run_is_told(
    exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    exporter.now += 3 * HOUR
    now = int(exporter.now)
    again = {"JobIDRaw": 1, "Start": now - HOUR, "End": now, "TotalCPU": "00:06:00"}
    slurm.end(**again)
    slurm.end(JobIDRaw=1, End=now - 600, Start=now - 2 * HOUR, State="NODE_FAIL")
    slurm.end(JobIDRaw=2, End=now - 60, State="REQUEUED")
    slurm.deliver()
    exporter.count()
    exporter.comment(times=4)
    ((name, line),) = slurm.comments
    assert (name, line[:7]) == ("1", "cpu 5% ")


def test_an_earlier_run_that_comes_late_does_not_take_the_last_ones_place(
    exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    end(exporter, 1, TotalCPU="00:06:00")
    end(exporter, 1, State="NODE_FAIL", Start=NOW - 2 * HOUR, End=NOW - 300)
    exporter.comment(times=3)
    ((_, line),) = slurm.comments
    assert line.startswith("cpu 5% ")


def test_what_waits_is_bounded_and_the_oldest_go(
    exporter: FakeExporter, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comments, "MOST_WAITING", 3)
    end(exporter, 1, 2, 3, 4, 5)
    exporter.comment(times=5)
    assert [name for name, _ in slurm.comments] == ["3", "4", "5"]
    assert results(exporter) == {"written": 3, "failed": 0, "dropped": 2}


def test_through_an_outage_of_slurmdbd_they_wait(exporter: FakeExporter, slurm: FakeSlurm) -> None:
    end(exporter, 1, 2)
    slurm.slurmdbd = False
    for _ in range(10):
        assert exporter.comment() == RETRY_SECONDS
    assert results(exporter) == {"written": 0, "failed": 0, "dropped": 0}
    assert exporter.events() == ["waiting"]
    slurm.slurmdbd = True
    exporter.comment(times=2)
    assert [name for name, _ in slurm.comments] == ["1", "2"]
    assert exporter.events() == ["waiting", "answers again"]


def test_one_that_is_refused_does_not_keep_the_others(
    exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    slurm.refused = {"1", "2"}
    end(exporter, 1, 2, 3)
    exporter.comment(times=3)
    assert [name for name, _ in slurm.comments] == ["3"]
    assert results(exporter) == {"written": 1, "failed": 2, "dropped": 0}
    assert exporter.events() == ["waiting", "answers again"], "the same refusal is told once"


def test_a_ledger_that_cannot_be_read_delays_them(exporter: FakeExporter, slurm: FakeSlurm) -> None:
    end(exporter, 1)
    ledger = exporter.directory / "lives-2026-10.jsonl"
    ledger.mkdir()
    assert exporter.comment() == RETRY_SECONDS
    ledger.rmdir()
    exporter.comment()
    assert [name for name, _ in slurm.comments] == ["1"]


def test_after_a_restart_some_are_written_again_and_nothing_is_counted_again(
    exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    end(exporter, 1, 2, 3)
    exporter.comment()
    exporter.start()
    end(exporter, 4)
    for _ in range(3):
        exporter.now += 60
        exporter.count()
    exporter.comment(times=10)
    assert [name for name, _ in slurm.comments] == ["1", "1", "2", "3", "4"]
    assert slurm.comments[0] == slurm.comments[1]
    assert results(exporter) == {"written": 4, "failed": 0, "dropped": 0}
    finished = {"partition": "cpu", "account": "physics", "qos": "normal", "state": "completed"}
    assert exporter.value("jobs_finished_total", **finished) == 4


def test_jobs_whose_counting_was_not_saved_get_none_until_it_is(
    exporter: FakeExporter, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    slurm.end(JobIDRaw=1, End=NOW)
    slurm.deliver()
    with monkeypatch.context() as patch:
        patch.setattr("job_exporter.state_file.StateFile.write", full)
        assert not exporter.count()
    exporter.comment()
    assert slurm.comments == []
    exporter.count()
    exporter.comment()
    assert [name for name, _ in slurm.comments] == ["1"]


def test_the_exporter_writes_them_beside_its_counting(process: Exporter) -> None:
    now = int(time.time())
    document = settings_document(query_seconds=1, queue_seconds=1, job_comments=True)
    process.settings.write_text(json.dumps(document))
    write_accounting(process.bin, [record(JobIDRaw=n, End=now - 5) for n in range(1, 4)])
    (process.bin / "sacctmgr-hangs").touch()
    process.start()
    eventually(lambda: process.value("jobs_finished_total") == 3, "three jobs counted")
    assert process.value("job_comments_total") == 0
    (process.bin / "sacctmgr-hangs").unlink()
    eventually(lambda: process.value("job_comments_total") == 3, "three comments written")
    written = (process.bin / "comments").read_text().splitlines()
    assert written[0].startswith(
        "--immediate modify job where jobid=1 cluster=local set AdminComment=cpu 50% of 2, "
    )
