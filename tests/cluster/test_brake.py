"""A pool that was stopped after failed starts: it says so, loses no job, goes on when told to."""

from tests.cluster.running_cluster import RunningCluster, await_value, docker

WHY = "pool brief is stopped: 10 starts in a row failed"


def test_a_stopped_pool_says_why_and_its_jobs_run_after_resume(cluster: RunningCluster) -> None:
    manager = cluster.container("node-manager")

    def idle_and_off() -> bool:
        return not [node for node in cluster.node_containers() if node.startswith("brief-")]

    def reasons() -> str:
        return cluster.run("ada", "sinfo -h -R -p brief -o '%E %N'")

    await_value("the pool to be off", idle_and_off, 90)
    # As the manager does it at the tenth failure: a failed start takes minutes to arrange.
    docker("exec", manager, "sh", "-c", f"echo '{WHY}' > /run/fleet/brake/brief")
    said = await_value("the reason", reasons, 60)
    assert "hpc-stack: pool brief is stopped" in said
    assert "make resume POOL=brief" in said
    assert "brief-[1-2]" in said
    job = cluster.submit("ada", "hostname", "--partition=brief", "--mem=50")
    status = docker("exec", manager, "python3", "-m", "node_manager", "status")
    assert f"launches no on_demand nodes: hpc-stack: {WHY}" in status
    assert idle_and_off()
    assert cluster.state(job) == "PENDING"
    said = docker("exec", manager, "python3", "-m", "node_manager", "resume", "brief")
    assert said == "pool brief launches again"
    cluster.finish(job)
    assert reasons() == ""
