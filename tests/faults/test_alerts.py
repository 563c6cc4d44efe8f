"""Alerts on a live cluster: each begins with its fault and ends with it, and so do red rows.

How long a fault must last until somebody is told, and what is then said, is tests/alerts' business.
"""

import time
from collections.abc import Iterator

import pytest

from config.panels.sources import SOURCES, state_of
from ops.report.prometheus import Prometheus
from ops.report.silence import is_silent
from tests.cluster.running_cluster import RunningCluster, await_value, docker
from tests.cluster.watching import at_alertmanager, begun, ended, rules

SECONDS = 60
ACCOUNTING_SECONDS = 150
"""The exporter asks accounting once a minute."""


@pytest.fixture(scope="module")
def prometheus(cluster: RunningCluster) -> str:
    """Its URL."""
    return str(cluster.stack.outputs()["prometheus"])


@pytest.fixture(autouse=True)
def everything_runs(cluster: RunningCluster) -> Iterator[None]:
    """Whatever a test has stopped is started again."""
    yield
    stopped = docker(
        "ps", "--quiet", "--filter", "status=exited", "--filter", "status=paused",
        "--filter", f"label=hpc-stack.cluster={cluster.name}",
        "--filter", "label=com.docker.compose.service",
    ).split()  # fmt: skip
    if stopped:
        docker("start", *stopped)


@pytest.mark.parametrize(
    ("services", "alerts", "sources", "seconds"),
    [
        (["slurmctld"], ["SlurmctldDown"], {"slurmctld", "job exporter: queue"}, SECONDS),
        (["mysql"], ["MysqlDown", "SlurmdbdDown"], {"MySQL"}, ACCOUNTING_SECONDS),
        (
            ["node-manager"],
            ["NodeManagerDown"],
            {"node manager", "node manager: rounds"},
            SECONDS,
        ),
        (
            ["job-exporter", "node-exporter", "mysqld-exporter", "alertmanager"],
            ["JobExporterDown", "HostExporterDown", "MysqlExporterDown", "AlertmanagerDown"],
            {
                "job exporter",
                "job exporter: finished jobs",
                "job exporter: queue",
                "host's exporter",
                "MySQL",
                "Alertmanager",
            },
            SECONDS,
        ),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else "",
)
def test_a_service_that_stops_is_told_and_its_return_as_well(
    cluster: RunningCluster,
    prometheus: str,
    services: list[str],
    alerts: list[str],
    sources: set[str],
    seconds: float,
) -> None:
    ended(prometheus, alerts, seconds)  # of what was done before
    names = [cluster.container(service) for service in services]
    docker("stop", "--time", "5", *names)
    begun(prometheus, alerts, seconds)
    await_value("red rows", lambda: sources <= silent(prometheus), SECONDS)
    docker("start", *names)
    ended(prometheus, alerts, seconds)
    await_value("no red row", lambda: not sources & silent(prometheus), SECONDS)


def silent(prometheus: str) -> set[str]:
    """The sources of pages and of the report that do not answer: their rows are red."""
    asked = Prometheus(prometheus)
    return {one.name for one in SOURCES if is_silent(one, asked.now(state_of([one]), time.time()))}


def test_a_node_that_an_admin_has_taken_out(cluster: RunningCluster, prometheus: str) -> None:
    ended(prometheus, ["NodeDrainedLong"], SECONDS)
    job = cluster.submit("ada", "sleep 600", "--partition=cpu", "--nodes=1")
    cluster.await_state(job, "RUNNING")
    node = str(cluster.job(job)["nodes"])
    cluster.run("carol", f"scontrol update nodename={node} state=drain reason='fan is loud'")
    begun(prometheus, ["NodeDrainedLong"], SECONDS)
    cluster.run("carol", f"scontrol update nodename={node} state=resume")
    ended(prometheus, ["NodeDrainedLong"], SECONDS)
    cluster.run("carol", f"scancel {job}")


def test_a_brake_is_told_until_somebody_takes_it_off(
    cluster: RunningCluster, prometheus: str
) -> None:
    ended(prometheus, ["PoolBraked"], SECONDS)
    manager = cluster.container("node-manager")
    brake = "echo 'tests want it' > /run/fleet/brake/brief"
    docker("exec", manager, "sh", "-c", brake)
    begun(prometheus, ["PoolBraked"], SECONDS)
    docker("exec", manager, "python3", "-m", "node_manager", "resume", "brief")
    ended(prometheus, ["PoolBraked"], SECONDS)


def test_the_dead_mans_switch_reaches_alertmanager(
    cluster: RunningCluster, prometheus: str
) -> None:
    assert rules(prometheus)["Watchdog"]["state"] == "firing"
    alertmanager = str(cluster.stack.outputs()["alertmanager"])
    # One that was away is told again within a few minutes.
    await_value("Watchdog", lambda: "Watchdog" in at_alertmanager(alertmanager), 200, 1)
