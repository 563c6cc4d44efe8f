"""What Prometheus itself answers when it is asked how busy a job's GPUs were."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException
from typing import Any

import pytest
from job_accounting.gpu_use import STALE_SECONDS, GpuUse

from config.render.compose_monitoring import PROMETHEUS_IMAGE
from tests.job_accounting.builders import job
from tests.job_exporter.exporter_process import eventually

NAME = f"hpc-gpu-use-{os.getpid()}"
"""Of the container."""
BEGAN = int(time.time()) // 86_400 * 86_400 - 86_400
"""A day that has passed, so all that was measured lies in blocks on the disk."""
HOUR = 3600
SCRAPE = 15
MOST_SAMPLES = 1500

Seen = Mapping[tuple[str, str, str], Mapping[int, float]]
"""By node, GPU and job: per cent by seconds since BEGAN."""


def always(percent: float, since: int, until: int, every: int = SCRAPE) -> dict[int, float]:
    return dict.fromkeys(range(since, until, every), percent)


SEEN: Seen = {
    # Two GPUs, one of them busy all the time, the other one in a quarter of it.
    ("gpu-1", "0", "1"): always(100, 0, HOUR),
    ("gpu-1", "1", "1"): always(0, 0, HOUR) | always(100, 2700, HOUR),
    # Two runs of one job, the second one on another node, as soon as the first one is over.
    ("gpu-1", "0", "2"): always(80, HOUR, 2 * HOUR),
    ("gpu-2", "0", "2"): always(10, 2 * HOUR, 3 * HOUR),
    # The GPU as the job before it left it, until dcgm-exporter has looked again.
    ("gpu-1", "0", "3"): always(100, 3 * HOUR, 3 * HOUR + 30) | always(0, 3 * HOUR + 30, 4 * HOUR),
    # Shorter than the time from one scrape to the next one.
    ("gpu-1", "0", "4"): {4 * HOUR: 100},
    # On two nodes, one of which has no exporter.
    ("gpu-1", "0", "5"): always(100, 5 * HOUR, 6 * HOUR),
    # A long one; and what DCGM says of a GPU of which it knows nothing.
    ("gpu-3", "0", "6"): always(33, 0, 20 * HOUR),
    # More than this Prometheus reads for one query.
    ("gpu-5", "0", "12"): always(50, 0, 20 * HOUR, every=3),
    ("gpu-4", "0", "7"): always(9223372036854775794, 0, HOUR),
    # For a tenth of the time; one of two so; for two thirds; and a short one, by one look.
    ("gpu-5", "0", "8"): always(100, 0, HOUR // 10),
    ("gpu-5", "1", "9"): always(100, 0, HOUR),
    ("gpu-5", "2", "9"): always(100, HOUR // 2, HOUR // 2 + HOUR // 10),
    ("gpu-5", "3", "10"): always(70, 0, 2 * HOUR // 3),
    ("gpu-5", "4", "11"): {HOUR + STALE_SECONDS + SCRAPE: 40},
}


def open_metrics(seen: Seen) -> str:
    lines = [
        f'DCGM_FI_DEV_GPU_UTIL{{node="{node}",pool="gpu",gpu="{gpu}",hpc_job="{job}"}}'
        f" {percent} {BEGAN + second}\n"
        for (node, gpu, job), percents in seen.items()
        for second, percent in sorted(percents.items())
    ]
    return "".join(["# TYPE DCGM_FI_DEV_GPU_UTIL gauge\n", *lines, "# EOF\n"])


def docker(*arguments: str) -> str:
    done = subprocess.run(("docker", *arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def answers(address: str) -> bool:
    connection = HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one that has seen all of that."""
    directory = tmp_path_factory.mktemp("gpu-use")
    (directory / "seen").write_text(open_metrics(SEEN))
    (directory / "prometheus.yml").write_text("{}")
    here = (
        *("--user", f"{os.getuid()}", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--volume", f"{directory}:/files", "--workdir", "/files"),
    )
    blocks = ("tsdb", "create-blocks-from", "openmetrics", "seen", "data")
    docker(
        *("run", "--rm", "--network", "none", *here),
        *("--entrypoint", "promtool", PROMETHEUS_IMAGE, *blocks),
    )
    try:
        docker(
            *("run", "--detach", "--rm", "--name", NAME, "--publish", "127.0.0.1::9090", *here),
            *(PROMETHEUS_IMAGE, "--config.file=prometheus.yml", "--storage.tsdb.path=data"),
            f"--query.max-samples={MOST_SAMPLES}",
        )
        address = docker("port", NAME, "9090/tcp").splitlines()[0]
        eventually(lambda: answers(address), "Prometheus' answer")
        yield address
    finally:
        subprocess.run(
            ("docker", "rm", "--force", "--volumes", NAME), check=False, capture_output=True
        )


def measured(prometheus: str, *, start: int, end: int, **changes: Any) -> float | None:
    """What becomes known of a job that ran between two times, in seconds since BEGAN."""
    use = GpuUse(prometheus)
    found = use.of(job(**{"gpus": 1, "start": BEGAN + start, "end": BEGAN + end, **changes}))
    assert (use.answered, use.trouble) == (True, None)
    return found.gpu_utilisation


def test_it_is_the_mean_of_a_jobs_gpus_and_its_time(prometheus: str) -> None:
    found = measured(prometheus, id="1", gpus=2, start=0, end=HOUR)
    assert found == pytest.approx((1 + 0.25) / 2, abs=0.01)


def test_each_run_of_a_job_has_its_own(prometheus: str) -> None:
    # In its last second the next one is seen, too.
    assert measured(prometheus, id="2", start=HOUR, end=2 * HOUR) == pytest.approx(0.8, abs=0.01)
    assert measured(prometheus, id="2", start=2 * HOUR, end=3 * HOUR) == pytest.approx(0.1)


def test_a_job_begins_when_dcgm_has_looked(prometheus: str) -> None:
    assert measured(prometheus, id="3", start=3 * HOUR, end=4 * HOUR) == 0


def test_a_job_of_which_nothing_was_seen_stays_unmeasured(prometheus: str) -> None:
    assert measured(prometheus, id="99", start=0, end=HOUR) is None
    assert measured(prometheus, id="1", gpus=2, start=8 * HOUR, end=9 * HOUR) is None


def test_a_job_that_ended_before_the_next_scrape_stays_unmeasured(prometheus: str) -> None:
    end = 4 * HOUR + STALE_SECONDS + SCRAPE - 1
    assert measured(prometheus, id="4", start=4 * HOUR, end=end) is None


def test_a_job_not_all_of_whose_gpus_were_seen_stays_unmeasured(prometheus: str) -> None:
    assert measured(prometheus, id="5", gpus=2, start=5 * HOUR, end=6 * HOUR) is None


def test_a_gpu_that_was_always_busy_is_no_busier_than_that(prometheus: str) -> None:
    assert measured(prometheus, id="5", start=5 * HOUR, end=6 * HOUR) == 1


def test_a_job_most_of_whose_time_was_not_seen_stays_unmeasured(prometheus: str) -> None:
    assert measured(prometheus, id="8", start=0, end=HOUR) is None
    assert measured(prometheus, id="9", gpus=2, start=0, end=HOUR) is None


def test_a_job_most_of_whose_time_was_seen_is_known_by_that(prometheus: str) -> None:
    assert measured(prometheus, id="10", start=0, end=HOUR) == pytest.approx(0.7)


def test_a_short_job_is_known_by_one_look(prometheus: str) -> None:
    assert measured(prometheus, id="11", start=HOUR, end=HOUR + 60) == pytest.approx(0.4)


def test_a_query_that_is_too_much_is_refused_for_itself(prometheus: str) -> None:
    assert measured(prometheus, id="12", start=0, end=20 * HOUR) is None


def test_a_long_job_is_answered_for_in_time(prometheus: str) -> None:
    assert measured(prometheus, id="6", start=0, end=20 * HOUR) == pytest.approx(0.33)


def test_what_dcgm_does_not_know_is_no_number(prometheus: str) -> None:
    assert measured(prometheus, id="7", start=0, end=HOUR) is None
