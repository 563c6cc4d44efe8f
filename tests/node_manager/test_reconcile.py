"""Rounds over a fake platform and a fake Slurm: what happens, also when things break half-way."""

from dataclasses import replace
from pathlib import Path

import pytest
from node_manager.actions import Mark
from node_manager.provider import LaunchFailure
from node_manager.slurm_state import BaseState, Flag, NodeUpdate

from tests.node_manager.builders import make_fleet, make_instance
from tests.node_manager.fake_cluster import Cluster
from tests.node_manager.fake_provider import Crash

NO_ROOM = LaunchFailure(code="no_space", message="no room", retryable=False)
HICCUP = LaunchFailure(code="http_500", message="hiccup", retryable=True)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def test_a_job_gets_its_nodes_and_the_prolog_is_told(cluster: Cluster) -> None:
    cluster.slurm.allocate("cpu-1")
    cluster.slurm.allocate("cpu-3")
    cluster.slurm.tick()
    assert cluster.round().wait == pytest.approx(0.05)
    assert cluster.live() == ["cpu-1", "cpu-3"]
    assert cluster.ready() == []
    cluster.slurm.tick()
    cluster.round()
    assert cluster.ready() == ["cpu-1", "cpu-3"]
    assert cluster.round().actions == []
    assert cluster.round().wait == 5.0


def test_idle_nodes_go_when_slurm_says_so(cluster: Cluster) -> None:
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(3)
    cluster.slurm.end_job("cpu-1")
    cluster.slurm.suspend("cpu-1")
    cluster.round()
    assert (cluster.live(), cluster.ready()) == ([], [])
    assert cluster.round().actions == []


def test_nothing_is_done_when_slurm_does_not_answer(cluster: Cluster) -> None:
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(3)
    cluster.slurm.suspend("cpu-1")
    cluster.slurm.available = False
    for _ in range(3):
        assert not cluster.round().observed
    assert cluster.live() == ["cpu-1"]
    assert len(cluster.events(event="waiting")) == 1
    cluster.slurm.available = True
    assert cluster.round().observed
    assert len(cluster.events(event="answers again")) == 1


def test_nothing_is_done_when_the_platform_does_not_answer(cluster: Cluster) -> None:
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(3)
    cluster.provider.available = False
    calls = len(cluster.slurm.calls)
    assert not cluster.round().observed
    assert len(cluster.slurm.calls) == calls, "the node's machine is not taken for dead"


def test_a_big_request_is_worked_off_in_batches(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, make_fleet(max_nodes=20))
    for index in range(1, 21):
        cluster.slurm.allocate(f"cpu-{index}")
    cluster.slurm.tick()
    waits = [cluster.round().wait for _ in range(3)]
    assert len(cluster.live()) == 20
    assert waits[:2] == [0.0, 0.0]
    assert len(cluster.provider.launched) == 20


def test_one_failing_launch_does_not_hold_up_the_others(cluster: Cluster) -> None:
    cluster.provider.fail = lambda node: HICCUP if node == "cpu-2" else None
    for name in ("cpu-1", "cpu-2", "cpu-3"):
        cluster.slurm.allocate(name)
    cluster.slurm.tick()
    cluster.round()
    assert cluster.live() == ["cpu-1", "cpu-3"]
    cluster.provider.fail = lambda _: None
    cluster.round()
    assert cluster.live() == ["cpu-1", "cpu-2", "cpu-3"]
    assert cluster.slurm.requeued == []


def test_a_node_that_cannot_be_made_is_put_back_with_a_reason(cluster: Cluster) -> None:
    cluster.provider.fail = lambda _: NO_ROOM
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(4)
    node = cluster.slurm.nodes()["cpu-1"]
    assert node.reason.startswith("hpc-stack: no room (try 1, again at ")
    assert Flag.DRAIN in node.flags
    assert cluster.slurm.requeued == ["cpu-1"]
    assert not cluster.slurm.allocate("cpu-1"), "Slurm gives it to nobody meanwhile"
    assert "cpu-1" in cluster.marks.present()[Mark.FAILED], "the prolog need not wait any more"


def test_a_hiccup_is_retried_before_a_job_loses_its_node(cluster: Cluster) -> None:
    cluster.provider.fail = lambda _: HICCUP
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(1)
    assert cluster.slurm.requeued == []
    cluster.run_for(4)
    assert cluster.slurm.requeued == ["cpu-1"]
    assert len(cluster.events(event="failed", action="launch")) == 3


def test_a_node_put_back_is_tried_again_and_waits_longer_each_time(cluster: Cluster) -> None:
    cluster.provider.fail = lambda _: NO_ROOM
    lengths = []
    for _ in range(3):
        assert cluster.slurm.allocate("cpu-1")
        cluster.run_for(60, until=lambda: not cluster.in_service("cpu-1"))
        begun = cluster.clock.now
        cluster.run_for(
            1000,
            until=lambda: cluster.in_service("cpu-1") and not cluster.slurm.state["cpu-1"].reason,
        )
        lengths.append(cluster.clock.now - begun)
    assert lengths[0] < lengths[1] < lengths[2]
    cluster.provider.fail = lambda _: None
    assert cluster.slurm.allocate("cpu-1")
    cluster.run_for(3)
    assert cluster.ready() == ["cpu-1"]
    cluster.run_for(70)
    assert not cluster.manager.memory.failures, "success resets the count"


def test_the_count_survives_a_restart(cluster: Cluster) -> None:
    cluster.provider.fail = lambda _: NO_ROOM
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(5)
    cluster.restart()
    cluster.run_for(200, until=lambda: cluster.in_service("cpu-1"))
    assert cluster.slurm.allocate("cpu-1")
    cluster.run_for(5)
    assert "(try 2, again at " in cluster.slurm.state["cpu-1"].reason


def test_nodes_that_fail_together_are_one_command(cluster: Cluster) -> None:
    cluster.provider.fail = lambda _: NO_ROOM
    for name in ("cpu-1", "cpu-2", "cpu-3"):
        cluster.slurm.allocate(name)
    cluster.slurm.tick()
    cluster.round()
    cluster.round()
    assert cluster.slurm.calls == [
        (NodeUpdate.DRAIN, ("cpu-1", "cpu-2", "cpu-3")),
        (NodeUpdate.POWER_DOWN_FORCE, ("cpu-1", "cpu-2", "cpu-3")),
    ]


def test_a_dead_machine_is_replaced_and_its_job_requeued(cluster: Cluster) -> None:
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(3)
    cluster.provider.kill("cpu-1")
    cluster.round()
    assert cluster.slurm.requeued == ["cpu-1"]
    assert cluster.ready() == []
    cluster.slurm.tick()
    cluster.round()
    assert cluster.ready() == ["cpu-1"]
    assert cluster.slurm.allocate("cpu-1")
    (death,) = cluster.events(event="machine died")
    assert death["reason"] == "its machine has exited (137)"
    assert death["last_words"] == "last words of m1"


def test_a_machine_that_dies_again_and_again_is_put_back(cluster: Cluster) -> None:
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(3)
    for _ in range(3):
        cluster.provider.kill("cpu-1")
        cluster.run_for(4)
    assert "its machine has exited (137) (try 1" in cluster.slurm.state["cpu-1"].reason
    assert cluster.live() == []


def test_no_new_machine_comes_before_slurm_knows_that_the_old_one_is_dead(cluster: Cluster) -> None:
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(3)
    cluster.provider.kill("cpu-1")
    cluster.slurm.refuses = {"cpu-1"}
    cluster.round()
    assert cluster.live() == []
    cluster.slurm.refuses = set()
    cluster.round()
    assert cluster.live() == ["cpu-1"]


def test_a_node_that_never_registers_comes_back_into_service(cluster: Cluster) -> None:
    cluster.slurm.registers = False
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(130)
    assert cluster.slurm.state["cpu-1"].base is BaseState.DOWN
    assert cluster.live() == []
    assert cluster.slurm.state["cpu-1"].reason.startswith("hpc-stack: ResumeTimeout reached (try 1")
    cluster.run_for(60)
    cluster.slurm.registers = True
    assert cluster.slurm.allocate("cpu-1")
    cluster.run_for(3)
    assert cluster.ready() == ["cpu-1"]


def test_what_an_admin_took_out_stays_out(cluster: Cluster) -> None:
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(3)
    cluster.slurm.drain("cpu-1", "broken fan")
    cluster.slurm.set_down("cpu-2", "gone")
    cluster.run_for(1000)
    assert cluster.slurm.state["cpu-1"].reason == "broken fan"
    assert Flag.DRAIN in cluster.slurm.state["cpu-1"].flags
    assert cluster.slurm.state["cpu-2"].base is BaseState.DOWN
    assert cluster.slurm.calls == []


def test_an_admin_may_end_a_put_back(cluster: Cluster) -> None:
    cluster.provider.fail = lambda _: NO_ROOM
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(50, until=lambda: cluster.held_and_off("cpu-1"))
    cluster.slurm.update(["cpu-1"], NodeUpdate.RESUME)
    cluster.provider.fail = lambda _: None
    cluster.round()
    assert cluster.slurm.allocate("cpu-1")
    cluster.run_for(3)
    assert cluster.ready() == ["cpu-1"]


def up(cluster: Cluster, name: str) -> None:
    """A job's node, and the job has ended."""
    cluster.slurm.allocate(name)
    cluster.run_for(60, until=lambda: cluster.ready() == [name])
    cluster.slurm.end_job(name)


def back(cluster: Cluster, name: str) -> bool:
    """Slurm may use the node, and not only because it has just taken our DRAIN away."""
    return cluster.in_service(name) and not cluster.slurm.state[name].reason


@pytest.mark.parametrize("suspend_timeout", [5, 30, 120])
def test_a_node_that_slurm_has_drained_comes_back_with_a_new_machine(
    tmp_path: Path, suspend_timeout: int
) -> None:
    fleet = replace(make_fleet(), suspend_timeout_seconds=suspend_timeout)
    cluster = Cluster(tmp_path, fleet)
    up(cluster, "cpu-1")
    cluster.slurm.drain("cpu-1", "Kill task failed")
    begun = cluster.clock.now
    cluster.run_for(3)
    assert cluster.slurm.state["cpu-1"].reason.startswith("hpc-stack: Kill task failed (try 1, ")
    assert cluster.live() == []
    cluster.run_for(suspend_timeout + 30, until=lambda: back(cluster, "cpu-1"))
    assert cluster.clock.now - begun >= 30
    up(cluster, "cpu-1")
    assert cluster.provider.launched == ["cpu-1", "cpu-1"]


def test_a_node_that_slurm_has_drained_keeps_its_jobs_until_they_end(cluster: Cluster) -> None:
    up(cluster, "cpu-1")
    cluster.slurm.allocate("cpu-1")
    cluster.slurm.drain("cpu-1", "Kill task failed")
    cluster.run_for(300)
    assert cluster.slurm.requeued == []
    assert cluster.slurm.calls == []
    cluster.slurm.end_job("cpu-1")
    cluster.run_for(70, until=lambda: back(cluster, "cpu-1"))


@pytest.mark.parametrize("seconds", [0, 0.3, 0.6, 1, 1.5, 2, 4, 8, 16, 29, 31, 32])
def test_a_node_that_an_admin_resumes_is_not_taken_out_again(
    cluster: Cluster, seconds: float
) -> None:
    up(cluster, "cpu-1")
    cluster.slurm.drain("cpu-1", "Kill task failed")
    cluster.run_for(seconds)
    cluster.slurm.update(["cpu-1"], NodeUpdate.RESUME)
    for _ in range(100):
        cluster.run_for(1)
        assert cluster.in_service("cpu-1")
    up(cluster, "cpu-1")


def test_a_node_that_is_drained_whenever_it_comes_is_tried_ever_more_seldom(
    cluster: Cluster,
) -> None:
    lengths = []
    for _ in range(6):
        up(cluster, "cpu-1")
        cluster.slurm.drain("cpu-1", "Prolog error")
        begun = cluster.clock.now
        cluster.run_for(2000, until=lambda: back(cluster, "cpu-1"))
        lengths.append(round(cluster.clock.now - begun, -1))
    assert lengths == [30, 60, 120, 240, 480, 900]


def test_a_node_whose_old_machine_cannot_be_ended_waits_for_that(cluster: Cluster) -> None:
    up(cluster, "cpu-1")
    cluster.provider.stuck = frozenset({"cpu-1"})
    cluster.slurm.drain("cpu-1", "Kill task failed")
    cluster.run_for(300)
    assert not back(cluster, "cpu-1"), "a job would get the machine with the stuck processes"
    assert cluster.live() == ["cpu-1"]
    cluster.provider.stuck = frozenset()
    cluster.run_for(5, until=lambda: back(cluster, "cpu-1"))
    assert cluster.live() == []


def test_a_crash_after_a_launch_leads_to_no_second_machine(cluster: Cluster) -> None:
    cluster.provider.crash("after launch")
    cluster.slurm.allocate("cpu-1")
    cluster.slurm.tick()
    with pytest.raises(Crash):
        cluster.round()
    cluster.restart()
    cluster.run_for(3)
    assert cluster.provider.launched == ["cpu-1"]
    assert cluster.ready() == ["cpu-1"]


@pytest.mark.parametrize("step", [NodeUpdate.DRAIN, NodeUpdate.POWER_DOWN_FORCE])
def test_a_crash_within_a_put_back_is_made_good(cluster: Cluster, step: NodeUpdate) -> None:
    cluster.provider.fail = lambda _: NO_ROOM
    cluster.slurm.allocate("cpu-1")
    cluster.slurm.crash_before = step
    with pytest.raises(Crash):
        cluster.run_for(10)
    cluster.restart()
    cluster.run_for(50, until=lambda: cluster.held_and_off("cpu-1"))
    assert not cluster.in_service("cpu-1")
    cluster.run_for(60)
    assert cluster.in_service("cpu-1")


def test_a_crash_before_a_dead_node_is_reported_is_made_good(cluster: Cluster) -> None:
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(3)
    cluster.provider.kill("cpu-1")
    cluster.slurm.crash_before = NodeUpdate.DOWN
    with pytest.raises(Crash):
        cluster.round()
    cluster.restart()
    cluster.run_for(3)
    assert cluster.slurm.requeued == ["cpu-1"]
    assert cluster.ready() == ["cpu-1"]


def test_a_manager_that_was_away_removes_what_slurm_does_not_want(cluster: Cluster) -> None:
    orphan = make_instance("cpu-4")
    unknown = make_instance("old-1")
    cluster.provider.machines = {m.provider_id: m for m in (orphan, unknown)}
    cluster.round()
    assert cluster.provider.terminated == ["cpu-4", "old-1"]


def test_the_minimum_of_a_pool_is_always_there(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, make_fleet(min_nodes=2))
    cluster.run_for(10)
    assert cluster.ready() == ["cpu-1", "cpu-2"]
    cluster.provider.kill("cpu-1")
    cluster.run_for(10)
    assert cluster.ready() == ["cpu-1", "cpu-2"]


def test_the_minimum_moves_to_other_nodes_when_some_cannot_be_made(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, make_fleet(min_nodes=2))
    cluster.provider.fail = lambda node: NO_ROOM if node == "cpu-1" else None
    cluster.run_for(10)
    assert cluster.ready() == ["cpu-2", "cpu-3"]


def test_a_refused_update_does_not_become_a_busy_loop(cluster: Cluster) -> None:
    cluster.provider.fail = lambda _: NO_ROOM
    cluster.slurm.refuses = {"cpu-1"}
    cluster.slurm.allocate("cpu-1")
    cluster.slurm.tick()
    cluster.round()
    assert cluster.round().wait >= 0.5
