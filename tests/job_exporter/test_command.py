"""The command itself, with Slurm's commands as programs on PATH."""

import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest
from job_exporter.__main__ import health, main
from job_exporter.heartbeats import LOOPS, beat

from tests.job_exporter.builders import DAY, HOUR, ledger_line, make_life, record, settings_document
from tests.job_exporter.exporter_process import PATIENCE_SECONDS, Exporter, eventually
from tests.job_exporter.fake_commands import write_accounting, write_answer
from tests.job_exporter.fake_slurm import queue_line


def test_it_counts_and_looks_until_it_is_asked_to_stop(process: Exporter) -> None:
    now = int(time.time())
    write_accounting(process.bin, [record(JobIDRaw=n, End=now - 5) for n in range(3)])
    write_answer(process.bin, "squeue", [queue_line(EligibleTime=now, ArrayTaskID="0-3")])
    running = process.start()
    eventually(lambda: process.value("jobs_finished_total") == 3, "three jobs counted")
    eventually(lambda: process.value("jobs_pending") == 4, "four jobs pending")
    eventually(lambda: health(process.run_dir) == 0, "both loops have tried")
    running.send_signal(signal.SIGTERM)
    assert running.wait(PATIENCE_SECONDS) == 0
    assert process.events() == ["started", "stopped"]


def test_killed_and_started_again_it_goes_on(process: Exporter) -> None:
    now = int(time.time())
    jobs = [record(JobIDRaw=n, End=now - 5) for n in range(3)]
    write_accounting(process.bin, jobs)
    first = process.start()
    eventually(lambda: process.value("jobs_finished_total") == 3, "three jobs counted")
    first.kill()
    first.wait()
    (process.bin / "slurmdbd-away").touch()
    (process.bin / "slurmctld-away").touch()
    process.start()
    eventually(lambda: process.value("slurmdbd_answers") == 0, "metrics without a Slurm")
    assert process.value("jobs_finished_total") == 3
    eventually(lambda: health(process.run_dir) == 0, "well, though Slurm is away")
    write_accounting(process.bin, [*jobs, record(JobIDRaw=9, End=int(time.time()))])
    (process.bin / "slurmdbd-away").unlink()
    eventually(lambda: process.value("jobs_finished_total") == 4, "one more counted")
    assert process.value("slurmctld_answers") == 0


def test_what_jobs_cost_before_its_first_start_is_added(process: Exporter) -> None:
    now = int(time.time())
    process.settings.write_text(json.dumps(settings_document(budget_period="forever")))
    ended = now - 2 * HOUR
    ledger = process.state / time.strftime("lives-%Y-%m.jsonl", time.gmtime(ended))
    ledger.write_text(json.dumps(ledger_line(make_life(start=ended - DAY))) + "\n")
    write_accounting(process.bin, [record(End=ended)])
    process.start()
    # Half a dollar of physics, and of the whole cluster.
    eventually(lambda: process.value("account_cost_period_dollars") == 1.0, "its cost added")
    assert process.value("jobs_finished_total") is None


def test_an_error_that_nobody_expected_ends_it(process: Exporter) -> None:
    process.run_dir.rmdir()
    assert process.start().wait(PATIENCE_SECONDS) == 1
    assert "FileNotFoundError" in process.log.read_text()


def test_it_refuses_settings_that_are_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "exporter.json"
    settings.write_text(json.dumps(settings_document(version=7)))
    assert main(["--settings", str(settings)]) == 2
    assert "version: 7 is not known" in capsys.readouterr().err


def test_it_refuses_a_port_that_is_taken(process: Exporter) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", process.port))  # noqa: S104 - as the exporter does
        taken.listen()
        assert process.start().wait(PATIENCE_SECONDS) == 2
    assert f"port {process.port}: Address already in use" in process.log.read_text()


def test_health_is_the_age_of_both_loops_last_try(tmp_path: Path) -> None:
    assert health(tmp_path) == 1
    beat(tmp_path, LOOPS[0])
    assert health(tmp_path) == 1
    beat(tmp_path, LOOPS[1])
    assert health(tmp_path) == 0
    old = time.time() - 301
    os.utime(tmp_path / LOOPS[0], (old, old))
    assert main(["health", "--run-dir", str(tmp_path)]) == 1
