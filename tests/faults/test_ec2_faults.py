"""EC2 and S3 that fail, forget and repeat themselves, and a manager that is killed at each step.

Afterwards: no job is lost, no instance is an orphan, and no node needs an admin.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_manager.slurm_state import BaseState

from tests.faults.ec2_cluster import Ec2Cluster, once, refuses
from tests.node_manager.fake_provider import Crash
from tests.node_manager.moto_server import BUCKET, PREFIX, empty_aws, moto_server


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto_server() as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", url)
        yield url


@pytest.fixture
def cluster(endpoint: str, tmp_path: Path) -> Iterator[Ec2Cluster]:
    """A cluster that must be well at the end."""
    cluster = Ec2Cluster(tmp_path, empty_aws(endpoint))
    yield cluster
    cluster.run_for(400, step=10)
    nodes = cluster.slurm.nodes()
    wanted = sorted(name for name, node in nodes.items() if not node.off)
    assert cluster.instances() == wanted, "no orphan, and none is missing"
    assert not [node for node in nodes.values() if node.out_of_service]
    assert all(nodes[name].registered for name in wanted)


def busy(cluster: Ec2Cluster, *names: str) -> None:
    """Jobs run on these nodes."""
    for name in names:
        cluster.slurm.allocate(name)
    cluster.run_for(60, until=lambda: all(cluster.slurm.nodes()[n].registered for n in names))
    assert cluster.instances() == sorted(names)


def killed(cluster: Ec2Cluster) -> None:
    with pytest.raises(Crash):
        cluster.run_for(30)
    cluster.restart()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("client", "call"), [("ec2", "create_fleet"), ("s3", "put_object")])
def test_killed_around_a_step_of_a_launch(
    cluster: Ec2Cluster, client: str, call: str, when: str
) -> None:
    getattr(getattr(cluster, client), when)[call] = once(Crash())
    cluster.slurm.allocate("cpu-1")
    cluster.slurm.allocate("cpu-2")
    killed(cluster)
    cluster.run_for(30)
    assert cluster.instances() == ["cpu-1", "cpu-2"], "not one instance too many"
    assert cluster.slurm.requeued == []
    assert len(cluster.aws.instances()) == 2, "and none was launched in vain"


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_around_a_termination(cluster: Ec2Cluster, when: str) -> None:
    busy(cluster, "cpu-1", "cpu-2")
    getattr(cluster.ec2, when)["terminate_instances"] = once(Crash())
    cluster.slurm.end_job("cpu-1")
    cluster.slurm.suspend("cpu-1")
    killed(cluster)
    cluster.run_for(10)
    assert cluster.instances() == ["cpu-2"]
    assert cluster.slurm.requeued == []


def test_a_launch_that_slurm_no_longer_wants_after_a_crash_is_ended(cluster: Ec2Cluster) -> None:
    cluster.ec2.after["create_fleet"] = once(Crash())
    cluster.slurm.allocate("cpu-1")
    killed(cluster)
    assert cluster.instances() == [""]
    cluster.slurm.end_job("cpu-1")
    cluster.slurm.suspend("cpu-1")
    cluster.slurm.state["cpu-1"].flags.clear()
    cluster.slurm.suspend("cpu-1")
    cluster.run_for(200, step=5)
    assert cluster.instances() == []


@pytest.mark.parametrize("call", ["create_fleet", "describe_instances", "terminate_instances"])
@pytest.mark.parametrize("code", ["RequestLimitExceeded", "InternalError", "ServiceUnavailable"])
def test_a_throttled_api_is_asked_again(cluster: Ec2Cluster, call: str, code: str) -> None:
    cluster.ec2.before[call] = refuses(code, 3)
    busy(cluster, "cpu-1")
    cluster.slurm.end_job("cpu-1")
    cluster.slurm.suspend("cpu-1")
    cluster.run_for(30)
    assert cluster.instances() == []
    assert cluster.slurm.requeued == []


def test_while_describing_fails_nothing_is_taken_for_gone(cluster: Ec2Cluster) -> None:
    busy(cluster, "cpu-1", "cpu-2")
    cluster.ec2.before["describe_instances"] = refuses("InternalError", 10_000)
    cluster.run_for(300, step=5)
    assert cluster.slurm.requeued == []
    assert cluster.instances() == ["cpu-1", "cpu-2"]
    assert len(cluster.events(event="waiting")) == 1
    cluster.ec2.before.clear()
    cluster.run_for(10)
    assert len(cluster.events(event="answers again")) == 1


def test_an_instance_that_vanishes_is_replaced_and_its_job_requeued(cluster: Ec2Cluster) -> None:
    busy(cluster, "cpu-1", "cpu-2")
    (lost,) = [id_ for id_, node in cluster.names().items() if node == "cpu-1"]
    cluster.aws.clients.ec2.terminate_instances(InstanceIds=[lost])
    cluster.run_for(100, step=5)
    assert cluster.slurm.requeued == ["cpu-1"]
    assert cluster.instances() == ["cpu-1", "cpu-2"]
    assert lost not in cluster.names() or cluster.names()[lost] == "cpu-1"


def test_of_two_instances_of_one_node_one_is_ended(cluster: Ec2Cluster) -> None:
    busy(cluster, "cpu-1")
    (second,) = cluster.aws.run(cluster=cluster.fleet.cluster, pool="cpu")
    document = cluster.aws.names()
    document["names"][second] = "cpu-1"
    cluster.aws.put_names(json.dumps(document))
    cluster.restart()
    cluster.run_for(70, step=5)
    assert cluster.instances() == ["cpu-1"]
    assert cluster.slurm.requeued == []


@pytest.mark.parametrize("names", ["deleted", "nonsense", "stale"])
@pytest.mark.parametrize("restarted", [True, False])
def test_names_that_are_lost_cost_a_requeue_at_most(
    cluster: Ec2Cluster, names: str, restarted: bool
) -> None:
    busy(cluster, "cpu-1")
    before = cluster.aws.clients.s3.get_object(Bucket=BUCKET, Key=f"{PREFIX}cpu.json")["Body"]
    old = before.read().decode()
    busy(cluster, "cpu-1", "cpu-2")
    if names == "deleted":
        cluster.aws.clients.s3.delete_object(Bucket=BUCKET, Key=f"{PREFIX}cpu.json")
    else:
        cluster.aws.put_names(old if names == "stale" else "{")
    if restarted:
        cluster.restart()
    cluster.slurm.allocate("cpu-3")
    cluster.run_for(400, step=5)
    assert cluster.instances()[-1] == "cpu-3"
    assert len(cluster.slurm.requeued) == len(set(cluster.slurm.requeued)), "once at most"
    assert "" not in cluster.instances()
    assert all(node.base is not BaseState.DOWN for node in cluster.slurm.nodes().values())


def test_a_second_manager_elsewhere_takes_no_instance_from_the_first(
    cluster: Ec2Cluster, tmp_path: Path
) -> None:
    """Against two on one host there is a lock; across hosts, S3 tells who was first."""
    busy(cluster, "cpu-1")
    other = Ec2Cluster.__new__(Ec2Cluster)
    other.__dict__ |= cluster.__dict__ | {"directory": tmp_path / "other"}
    other.directory.mkdir()
    other.restart()
    cluster.slurm.allocate("cpu-2")
    cluster.slurm.tick()
    for _ in range(5):
        cluster.manager.run_once()
        other.manager.run_once()
        cluster.slurm.tick()
        cluster.clock.now += 10
    cluster.run_for(200, step=5)
    assert cluster.instances() == ["cpu-1", "cpu-2"]
    assert cluster.slurm.requeued == []


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_a_clock_that_jumps_ends_no_instance(cluster: Ec2Cluster, jump: float) -> None:
    busy(cluster, "cpu-1")
    cluster.clock.now += jump
    cluster.run_for(100, step=5)
    assert cluster.slurm.requeued == []
    assert cluster.instances() == ["cpu-1"]
