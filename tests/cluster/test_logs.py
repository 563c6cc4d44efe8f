"""`make logs` of a cluster that runs."""

import pytest

from ops.logs import show
from ops.stack import StackProblem
from tests.cluster.running_cluster import RunningCluster


def test_a_services_lines_are_shown_with_their_times(
    cluster: RunningCluster, capfd: pytest.CaptureFixture[str]
) -> None:
    show(cluster.stack, "slurmctld", "24h")
    lines = capfd.readouterr().out.splitlines()
    (started, *_) = (line for line in lines if "slurmctld version" in line)
    assert started.startswith("20")


def test_a_nodes_lines_are_shown_while_it_is_there(
    cluster: RunningCluster, capfd: pytest.CaptureFixture[str]
) -> None:
    job = cluster.submit("ada", "sleep 30", "--mem=100M")
    cluster.await_state(job, "RUNNING")
    show(cluster.stack, cluster.job(job)["nodes"], "1h")
    assert "slurmd started" in capfd.readouterr().out
    cluster.run("ada", f"scancel {job}")


def test_without_a_name_every_service_is_shown(
    cluster: RunningCluster, capfd: pytest.CaptureFixture[str]
) -> None:
    show(cluster.stack, "", "24h")
    rows = [line.split()[:2] for line in capfd.readouterr().out.splitlines()]
    assert {"slurmctld", "slurmdbd", "mysql"} <= {name for _, name in rows}
    times = [time for time, _ in rows]
    assert times == sorted(times)


def test_what_is_no_service_is_refused_with_those_that_are(cluster: RunningCluster) -> None:
    with pytest.raises(StackProblem, match=r"SERVICE=slurmctl is nothing.*\nAllowed: .*slurmctld"):
        show(cluster.stack, "slurmctl", "1h")


@pytest.mark.parametrize("since", ["yesterday", "10", "-5m", "1h; reboot"])
def test_what_is_no_time_is_refused(cluster: RunningCluster, since: str) -> None:
    with pytest.raises(StackProblem, match=r"is no time\.\nAllowed: a number and s, m or h"):
        show(cluster.stack, "slurmctld", since)
