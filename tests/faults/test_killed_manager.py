"""The manager is killed at each step of a launch and of a termination, and another one goes on.

Afterwards: the job runs or was requeued, there is one machine for each node that Slurm wants and
none besides, and every node can be used.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from node_manager.actions import Mark
from node_manager.slurm_state import NodeUpdate

from tests.node_manager.builders import SPOT, make_fleet
from tests.node_manager.fake_cluster import Cluster
from tests.node_manager.fake_provider import Crash

NOTICE = "hpc-stack: leaving: spot interruption at 2026-11-24T10:00:00Z"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster that must be well at the end."""
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.run_for(200)
    nodes = cluster.slurm.nodes()
    wanted = sorted(name for name, node in nodes.items() if not node.off)
    assert cluster.live() == wanted, "no orphan, and nothing is missing"
    assert cluster.ready() == wanted
    assert not [node for node in nodes.values() if node.out_of_service]
    assert cluster.marks.present()[Mark.FAILED] == frozenset()
    assert cluster.brakes.present() == {}


def killed(cluster: Cluster, seconds: float = 60) -> None:
    """Run until the kill, then start another manager."""
    with pytest.raises(Crash):
        cluster.run_for(seconds)
    cluster.restart()


@pytest.mark.parametrize("when", ["before", "after"])
def test_around_a_launch(cluster: Cluster, when: str) -> None:
    cluster.provider.crash(f"{when} launch")
    cluster.slurm.allocate("cpu-1")
    cluster.slurm.allocate("cpu-2")
    killed(cluster)
    cluster.run_for(5)
    assert cluster.ready() == ["cpu-1", "cpu-2"]
    assert sorted(cluster.provider.launched) == ["cpu-1", "cpu-2"], "none is launched twice"
    assert cluster.slurm.requeued == []


def test_before_a_registered_node_is_marked_ready(cluster: Cluster) -> None:
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(1.5)
    cluster.slurm.tick()
    cluster.restart()
    cluster.round()
    assert cluster.ready() == ["cpu-1"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_around_a_termination(cluster: Cluster, when: str) -> None:
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(3)
    cluster.slurm.end_job("cpu-1")
    cluster.provider.crash(f"{when} terminate")
    cluster.slurm.suspend("cpu-1")
    killed(cluster)
    cluster.run_for(3)
    assert cluster.live() == []
    assert cluster.slurm.allocate("cpu-2")


@pytest.mark.parametrize("step", [NodeUpdate.DOWN, "before launch", "after launch"])
def test_around_the_replacement_of_a_dead_machine(cluster: Cluster, step: NodeUpdate | str) -> None:
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(3)
    if isinstance(step, NodeUpdate):
        cluster.slurm.crash_before = step
    else:
        cluster.provider.crash(step)
    cluster.provider.kill("cpu-1")
    killed(cluster)
    cluster.run_for(5)
    assert cluster.slurm.requeued == ["cpu-1"], "once"
    assert cluster.ready() == ["cpu-1"]


@pytest.mark.parametrize("step", [NodeUpdate.POWER_UP, NodeUpdate.POWER_DOWN_FORCE])
def test_while_a_noticed_node_is_replaced(tmp_path: Path, step: NodeUpdate) -> None:
    cluster = Cluster(tmp_path, make_fleet(spot=SPOT))
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(3)
    cluster.slurm.crash_before = step
    cluster.slurm.drain("cpu-1", NOTICE)
    if step is NodeUpdate.POWER_DOWN_FORCE:
        cluster.run_for(5)
        cluster.provider.kill("cpu-1")
    killed(cluster)
    cluster.run_for(5)
    assert "cpu-2" in cluster.ready()
    cluster.provider.kill("cpu-1")
    cluster.run_for(100)
    assert cluster.slurm.requeued == ["cpu-1"]
    assert cluster.in_service("cpu-1")


def test_between_the_last_failed_start_and_the_brake(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, make_fleet(limits={"brake_after": 3}))
    cluster.provider.dies_at_once = True
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(60, until=lambda: cluster.manager.memory.failed_starts.get("cpu", 0) == 2)
    cluster.restart()  # the count is lost, which costs as many starts again, and no more

    def stopped() -> bool:
        cluster.slurm.allocate("cpu-1")  # its job is requeued, and Slurm tries again
        return bool(cluster.brakes.present())

    cluster.run_for(2000, until=stopped)
    assert len(cluster.provider.launched) <= 2 * 3
