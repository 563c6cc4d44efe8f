"""How busy jobs' GPUs were, as Prometheus knows it: in what is counted and in jobs' comments."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.job_accounting.fake_prometheus import FakePrometheus, prometheus
from tests.job_exporter.builders import HOUR, make_life, make_settings, record, settings_document
from tests.job_exporter.exporter_process import Exporter, eventually
from tests.job_exporter.fake_commands import write_accounting
from tests.job_exporter.fake_exporter import FakeExporter
from tests.job_exporter.fake_slurm import FakeSlurm

GPUS = {"AllocTRES": "cpu=2,mem=1G,gres/gpu=2"}


@pytest.fixture
def server() -> Iterator[FakePrometheus]:
    with prometheus() as server:
        yield server


@pytest.fixture
def exporter(tmp_path: Path, server: FakePrometheus) -> FakeExporter:
    settings = make_settings(job_comments=True, prometheus=server.address)
    exporter = FakeExporter(tmp_path, FakeSlurm(), settings)
    exporter.write_ledger([make_life()])
    return exporter


def end(exporter: FakeExporter, *numbers: int, **values: object) -> None:
    """Jobs of an hour end and are counted."""
    exporter.now += 60
    for number in numbers:
        exporter.slurm.end(JobIDRaw=number, End=int(exporter.now), **(GPUS | values))
    exporter.slurm.deliver()
    assert exporter.count()


def gpu_hours(exporter: FakeExporter) -> dict[str, float]:
    kinds = ("allocated", "used", "unmeasured")
    of = {"account": "physics", "user": "ada"}
    found = {kind: exporter.value("job_gpu_seconds_total", **of, kind=kind) for kind in kinds}
    return {kind: seconds / HOUR for kind, seconds in found.items() if seconds is not None}


def test_what_prometheus_saw_is_counted_as_used(
    exporter: FakeExporter, server: FakePrometheus
) -> None:
    server.percents = {"1": "25"}
    end(exporter, 1, 2)
    assert gpu_hours(exporter) == {"allocated": 2, "used": 0.5, "unmeasured": 2}


def test_each_job_is_asked_for_once_and_those_without_gpus_never(
    exporter: FakeExporter, server: FakePrometheus
) -> None:
    end(exporter, 1)
    end(exporter, 2, AllocTRES="cpu=2,mem=1G")
    end(exporter, 3)
    assert server.jobs == ["1", "3"]


def test_where_prometheus_is_away_a_slice_asks_once_and_jobs_stay_unmeasured(
    exporter: FakeExporter, server: FakePrometheus
) -> None:
    server.percents = {"1": "25", "2": "25", "3": "25"}
    server.status = 503
    end(exporter, 1, 2)
    assert server.jobs == ["1"]
    end(exporter, 4, AllocTRES="cpu=2,mem=1G")
    assert exporter.events() == ["waiting"], "nothing was asked, so nothing is known to be over"
    server.status = 200
    end(exporter, 3)
    assert server.jobs == ["1", "3"]
    assert gpu_hours(exporter) == {"allocated": 2, "used": 0.5, "unmeasured": 4}
    assert exporter.events() == ["waiting", "answers again"]


def test_what_could_not_be_saved_is_counted_once_all_the_same(
    exporter: FakeExporter, server: FakePrometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.percents = {"1": "25"}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    exporter.slurm.end(JobIDRaw=1, End=int(exporter.now), **GPUS)
    exporter.slurm.deliver()
    with monkeypatch.context() as patch:
        patch.setattr("job_exporter.state_file.StateFile.write", full)
        assert not exporter.count()
    assert exporter.count()
    assert gpu_hours(exporter) == {"allocated": 2, "used": 0.5}


def test_comments_tell_it_the_same_ones_after_a_restart(
    exporter: FakeExporter, server: FakePrometheus
) -> None:
    server.percents = {"1": "25"}
    end(exporter, 1)
    exporter.comment()
    exporter.start()
    exporter.now += 60
    exporter.count()
    exporter.comment()
    first, again = exporter.slurm.comments
    assert first == again
    assert "gpu 25% of 2" in first[1]
    assert gpu_hours(exporter) == {"allocated": 2, "used": 0.5}


def test_a_restart_while_prometheus_is_away_leaves_a_better_comment_as_it_is(
    exporter: FakeExporter, server: FakePrometheus
) -> None:
    server.percents = {"1": "25"}
    end(exporter, 1)
    end(exporter, 2, AllocTRES="cpu=2,mem=1G")
    exporter.comment(times=2)
    server.status = 503
    exporter.start()
    exporter.now += 60
    exporter.count()
    exporter.comment(times=3)
    assert [name for name, _ in exporter.slurm.comments] == ["1", "2", "2"]
    assert exporter.events() == ["waiting"]
    server.status = 200
    exporter.now += 60
    exporter.count()
    exporter.comment(times=3)
    assert [name for name, _ in exporter.slurm.comments] == ["1", "2", "2", "1"]
    assert exporter.slurm.comments[-1] == exporter.slurm.comments[0]
    assert exporter.events() == ["waiting", "answers again"]


def test_one_that_is_refused_does_not_keep_others_from_being_known(
    exporter: FakeExporter, server: FakePrometheus
) -> None:
    server.percents = {"1": "25", "2": "25"}
    server.refused = {"1": (422, "execution")}
    end(exporter, 1, 2)
    assert gpu_hours(exporter) == {"allocated": 2, "used": 0.5, "unmeasured": 2}
    assert exporter.events() == []


def test_the_exporter_asks_where_it_is_told(process: Exporter, server: FakePrometheus) -> None:
    server.percents = {"1": "50"}
    document = settings_document(query_seconds=1, queue_seconds=1, prometheus=server.address)
    process.settings.write_text(json.dumps(document))
    write_accounting(process.bin, [record(JobIDRaw=1, End=int(time.time()) - 5, **GPUS)])
    process.start()
    allocated_and_used = 2 * HOUR + HOUR
    eventually(
        lambda: process.value("job_gpu_seconds_total") == allocated_and_used, "a job to be counted"
    )
