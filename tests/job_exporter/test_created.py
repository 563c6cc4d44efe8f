"""Prometheus itself counts a first job, and a restart of the exporter adds none."""

import json
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.render.compose_monitoring import PROMETHEUS_IMAGE
from tests.job_exporter.builders import record
from tests.job_exporter.exporter_process import Exporter, eventually
from tests.job_exporter.fake_commands import write_accounting

COUNTERS = (
    "hpc_stack_jobs_finished_total",
    "hpc_stack_user_jobs_finished_total",
    "hpc_stack_job_run_seconds_count",
    'hpc_stack_job_run_seconds_bucket{le="+Inf"}',
)


class Prometheus:
    """A Prometheus that asks one exporter each second, on this machine's network."""

    def __init__(self, directory: Path, target: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.name = f"hpc-test-created-{self.port}"
        directory.chmod(0o755)
        configuration = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [
                {
                    "job_name": "job-exporter",
                    "static_configs": [{"targets": [f"127.0.0.1:{target}"]}],
                }
            ],
        }
        (directory / "prometheus.yml").write_text(json.dumps(configuration))
        self.directory = directory

    def start(self) -> None:
        command = (
            *("docker", "run", "--rm", "--detach", "--name", self.name, "--network", "host"),
            *("--volume", f"{self.directory}:/configuration:ro", PROMETHEUS_IMAGE),
            "--config.file=/configuration/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--enable-feature=created-timestamp-zero-ingestion",
        )
        subprocess.run(command, check=True, capture_output=True)

    def remove(self) -> None:
        subprocess.run(
            ("docker", "rm", "--force", "--volumes", self.name), check=False, capture_output=True
        )

    def value(self, expr: str) -> float | None:
        """The one value that there is now, or None."""
        query = urllib.parse.urlencode({"query": expr})
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/api/v1/query?{query}", timeout=5
            ) as answer:
                found = json.load(answer)["data"]["result"]
        except OSError:
            return None
        return float(found[0]["value"][1]) if found else None

    def await_scrapes(self, number: int = 2) -> None:
        """Until it has asked so often from now on, and was answered."""
        scraped = "sum_over_time(up[{}s])"
        begun = time.time()
        eventually(
            lambda: (self.value(scraped.format(max(1, int(time.time() - begun)))) or 0) >= number,
            f"{number} scrapes",
        )


@pytest.fixture
def prometheus(tmp_path: Path, process: Exporter) -> Iterator[Prometheus]:
    directory = tmp_path / "prometheus"
    directory.mkdir()
    prometheus = Prometheus(directory, process.port)
    try:
        prometheus.start()
        yield prometheus
    finally:
        prometheus.remove()


def test_a_first_job_is_an_increase_and_a_restart_is_none(
    process: Exporter,
    prometheus: Prometheus,
) -> None:
    first = process.start()
    prometheus.await_scrapes()
    assert prometheus.value("hpc_stack_jobs_finished_total") is None
    write_accounting(process.bin, [record(JobIDRaw=1, End=int(time.time()) - 5)])
    eventually(lambda: prometheus.value("hpc_stack_jobs_finished_total") == 1, "a job counted")
    prometheus.await_scrapes()
    first.kill()
    first.wait()
    eventually(lambda: prometheus.value("up") == 0, "the exporter's end was seen")
    process.start()
    eventually(lambda: prometheus.value("up") == 1, "the exporter is back")
    prometheus.await_scrapes()
    for counter in COUNTERS:
        # Its first value is a 0, which nobody has served.
        assert prometheus.value(f"min_over_time({counter}[10m])") == 0, counter
        assert prometheus.value(f"round(increase({counter}[10m]))") == 1, counter
        assert prometheus.value(f"resets({counter}[10m])") == 0, counter
