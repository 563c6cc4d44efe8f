"""The command itself: it wakes through the FIFO, stops on SIGTERM, and tells its health."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from node_manager.__main__ import health, main, resume
from node_manager.brakes import BrakeFiles
from node_manager.wake import WakePipe

from tests.node_manager.builders import fleet_document, make_fleet

PATIENCE_SECONDS = 20
SOURCE = Path(__file__).parents[2] / "images" / "node-manager"

SCONTROL = """#!/bin/sh
# A slurmctld with one node that is off. Counts how often it is asked.
echo asked >> "$(dirname "$0")/asked"
[ "$2" = config ] && { echo "SuspendExcNodes = (null)"; exit; }
[ -e "$(dirname "$0")/away" ] && { echo "Unable to contact slurm controller" >&2; exit 1; }
echo 'NodeName=cpu-1 x CPUAlloc=0 x State=IDLE+CLOUD+POWERED_DOWN x'
"""


class Manager:
    """The real command, with a scontrol of ours and no machines to make."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.run_dir = directory / "run"
        self.run_dir.mkdir()
        self.bin = directory / "bin"
        self.bin.mkdir()
        scontrol = self.bin / "scontrol"
        scontrol.write_text(SCONTROL)
        scontrol.chmod(0o755)
        fleet = directory / "fleet.json"
        # A cluster name that nobody has: it lists containers of the real engine and finds none.
        fleet.write_text(json.dumps(fleet_document(cluster=f"nmcommand{os.getpid()}")))
        self.log = directory / "log"
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "PYTHONPATH": str(SOURCE),
        }
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "node_manager"),
                    *("--fleet", str(self.directory / "fleet.json")),
                    *("--key", str(self.directory / "key")),
                    *("--run-dir", str(self.run_dir)),
                    *("--ledger", str(self.run_dir)),
                    *("--metrics-port", "0"),
                ],
                stderr=log,
                env=environment,
            )
        self.processes.append(process)
        return process

    def asked(self) -> int:
        file = self.bin / "asked"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.log.read_text().splitlines()]


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path)
    try:
        yield manager
    finally:
        for process in manager.processes:
            process.kill()
            process.wait()


def eventually(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, f"not within {PATIENCE_SECONDS} s: {what}"
        time.sleep(0.01)


def test_it_works_until_it_is_asked_to_stop(manager: Manager) -> None:
    process = manager.start()
    eventually((manager.run_dir / "heartbeat").exists, "a successful round")
    assert health(manager.run_dir) == 0
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_SECONDS) == 0
    assert manager.events() == ["started", "stopped"]


def test_a_byte_in_the_fifo_makes_it_look_at_once(manager: Manager) -> None:
    manager.start()
    eventually((manager.run_dir / "heartbeat").exists, "a successful round")
    before = manager.asked()
    begun = time.monotonic()
    # As slurmctld's scripts do it.
    wake = manager.run_dir / "wake"
    subprocess.run(["sh", "-c", f"printf . 1<> '{wake}'"], check=True)
    eventually(lambda: manager.asked() > before, "another look")
    assert time.monotonic() - begun < 4, "an idle manager looks only every 5 s by itself"


def test_while_slurmctld_is_away_it_waits_and_says_so_once(manager: Manager) -> None:
    (manager.bin / "away").touch()
    manager.start()
    eventually(lambda: manager.asked() >= 2, "two looks")
    assert not (manager.run_dir / "heartbeat").exists()
    (manager.bin / "away").unlink()
    eventually((manager.run_dir / "heartbeat").exists, "a successful round")
    assert manager.events() == ["started", "waiting", "answers again"]


def test_a_second_manager_refuses(manager: Manager) -> None:
    manager.start()
    eventually((manager.run_dir / "heartbeat").exists, "a successful round")
    assert manager.start().wait(PATIENCE_SECONDS) == 2
    assert manager.events() == ["started", "refused"]


def test_health_is_the_age_of_the_last_good_round(tmp_path: Path) -> None:
    assert health(tmp_path) == 1
    heartbeat = tmp_path / "heartbeat"
    heartbeat.touch()
    assert health(tmp_path) == 0
    old = time.time() - 121
    os.utime(heartbeat, (old, old))
    assert health(tmp_path) == 1


def test_resume_takes_the_brake_off_and_wakes_the_manager(
    manager: Manager, capsys: pytest.CaptureFixture[str]
) -> None:
    manager.start()
    eventually((manager.run_dir / "heartbeat").exists, "a successful round")
    brake = manager.run_dir / "brake" / "cpu"
    brake.write_text("5 starts in a row failed")
    before = manager.asked()
    assert resume(make_fleet(), "cpu", manager.run_dir) == 0
    assert not brake.exists()
    assert capsys.readouterr().out == "pool cpu launches again\n"
    eventually(lambda: manager.asked() > before, "another look")


def test_resume_of_a_pool_that_runs_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    BrakeFiles(tmp_path).prepare()
    assert resume(make_fleet(), "cpu", tmp_path) == 0
    assert capsys.readouterr().out == "pool cpu was not stopped\n"


@pytest.mark.parametrize("pool", [None, "gpu", "../../etc"])
def test_resume_names_the_pools_and_those_that_are_stopped(
    pool: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    brakes = BrakeFiles(tmp_path)
    brakes.prepare()
    brakes.set("cpu", "5 starts in a row failed")
    assert resume(make_fleet(), pool, tmp_path) == 2
    assert capsys.readouterr().err.splitlines() == [
        f'node-manager: resume: "{pool or ""}" is no pool; pools: cpu',
        "stopped now: cpu",
    ]
    assert set(brakes.present()) == {"cpu"}


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (fleet_document(version=7), "version: 7 is not known"),
        (fleet_document(provider="moon"), 'provider: "moon" is not known'),
    ],
)
def test_a_fleet_that_cannot_be_used_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], document: object, text: str
) -> None:
    file = tmp_path / "fleet.json"
    file.write_text(json.dumps(document))
    assert main(["--fleet", str(file), "--run-dir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1


def test_the_fifo_outlives_its_writers_and_takes_any_number_of_bytes(tmp_path: Path) -> None:
    path = tmp_path / "wake"
    path.write_text("not a FIFO")
    with WakePipe(path) as pipe:
        assert path.stat().st_mode & 0o777 == 0o666
        assert not pipe.wait(0)
        for _ in range(3):
            with path.open("wb", buffering=0) as writer:
                writer.write(b"." * 1000)
        assert pipe.wait(0)
        assert not pipe.wait(0), "many bytes are one wake"
        thread = threading.Timer(0.05, pipe.wake)
        thread.start()
        assert pipe.wait(PATIENCE_SECONDS)
        thread.join()
