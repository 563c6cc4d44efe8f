"""The exporter's command as a process, with Slurm's commands as programs on PATH."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.job_exporter.builders import settings_document
from tests.job_exporter.fake_commands import install

PATIENCE_SECONDS = 20
IMAGES = Path(__file__).parents[2] / "images"


class Exporter:
    """The real command with a Slurm of files."""

    def __init__(self, directory: Path) -> None:
        self.bin = directory / "bin"
        self.run_dir = directory / "run"
        self.state = directory / "state"
        for path in (self.bin, self.run_dir, self.state):
            path.mkdir()
        install(self.bin)
        self.settings = directory / "exporter.json"
        self.settings.write_text(json.dumps(settings_document(query_seconds=1, queue_seconds=1)))
        self.log = directory / "log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "PYTHONPATH": f"{IMAGES / 'job-exporter'}:{IMAGES / 'job-accounting'}",
        }
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "job_exporter"),
                    *("--settings", str(self.settings), "--state-dir", str(self.state)),
                    *("--ledger", str(self.state), "--run-dir", str(self.run_dir)),
                    *("--port", str(self.port)),
                ],
                stderr=log,
                env=environment,
            )
        self.processes.append(process)
        return process

    def value(self, name: str) -> float | None:
        """The sum of a metric's samples, over HTTP; None without any."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
                text = answer.read().decode()
        except urllib.error.URLError:
            return None
        values = [
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == f"hpc_stack_{name}"
        ]
        return sum(values) if values else None

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.log.read_text().splitlines()]


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait for it; fails when it takes too long."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, f"not within {PATIENCE_SECONDS} s: {what}"
        time.sleep(0.02)
