"""Capacity that is short, limits that are reached, starts that fail, machines that have to go."""

from pathlib import Path

import pytest
from node_manager.fleet import Capacity
from node_manager.provider import LaunchFailure
from node_manager.slurm_state import Flag, NodeUpdate

from tests.node_manager.builders import SPOT, make_fleet
from tests.node_manager.fake_cluster import Cluster
from tests.node_manager.fake_provider import FakeProvider

SHORT = LaunchFailure(
    code="InsufficientInstanceCapacity",
    message="no spot capacity: c7i.large in subnet-a (InsufficientInstanceCapacity)",
    retryable=False,
    shortage=True,
)
NOTICE = "hpc-stack: leaving: spot interruption at 2026-11-24T10:00:00Z"


def bought(provider: FakeProvider) -> dict[str, str]:
    return {machine.node: machine.capacity.value for machine in provider.live()}


def reason(cluster: Cluster, node: str) -> str:
    return cluster.slurm.nodes()[node].reason


# --- capacity ---------------------------------------------------------------------------------


def test_a_shortage_closes_the_whole_pool_with_a_reason_and_loses_no_job(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.provider.fail = lambda _: SHORT
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(5)
    for name in ("cpu-1", "cpu-2", "cpu-3", "cpu-4"):
        assert reason(cluster, name).startswith(f"hpc-stack: {SHORT.message} (asked 1 times, ")
        assert not cluster.slurm.allocate(name), "jobs wait instead of trying node after node"
    assert cluster.slurm.requeued == ["cpu-1"]
    assert len(cluster.events(event="failed", action="launch")) == 1
    cluster.provider.fail = lambda _: None
    cluster.run_for(60, until=lambda: cluster.in_service("cpu-1") and cluster.in_service("cpu-4"))
    assert cluster.slurm.allocate("cpu-1")
    cluster.run_for(3)
    assert cluster.ready() == ["cpu-1"]
    assert not cluster.manager.memory.shortages, "it is over with the first machine"


def test_nodes_that_are_up_are_of_use_during_a_shortage(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(3)
    cluster.slurm.end_job("cpu-1")
    cluster.provider.fail = lambda _: SHORT
    cluster.slurm.allocate("cpu-2")
    cluster.run_for(5)
    assert cluster.in_service("cpu-1")
    assert cluster.slurm.allocate("cpu-1")
    assert not cluster.in_service("cpu-3")


def test_the_pause_grows_while_the_shortage_lasts(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.provider.fail = lambda _: SHORT
    tries = []
    for _ in range(3):
        cluster.run_for(1000, until=lambda: not reason(cluster, "cpu-1"))
        assert cluster.slurm.allocate("cpu-1")
        cluster.run_for(10, until=lambda: not cluster.in_service("cpu-4"))
        tries.append(cluster.clock.now)
    assert tries[1] - tries[0] < tries[2] - tries[1] < 200
    assert "(asked 3 times, again at " in reason(cluster, "cpu-4")


def test_on_demand_takes_the_place_of_spot_after_so_many_failures(tmp_path: Path) -> None:
    spot = SPOT | {"fallback_after_failures": 3, "fallback_after_seconds": 600}
    cluster = Cluster(tmp_path, make_fleet(spot=spot))
    cluster.provider.fail_request = lambda r: SHORT if r.capacity is Capacity.SPOT else None
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(20, until=lambda: bool(cluster.ready()))
    assert bought(cluster.provider) == {"cpu-1": "on_demand"}
    assert cluster.slurm.requeued == [], "the job keeps its node meanwhile"
    assert len(cluster.events(event="failed", action="launch")) == 3
    # The next node is bought the same way at once, and spot is tried again later.
    cluster.slurm.allocate("cpu-2")
    cluster.run_for(5)
    assert bought(cluster.provider)["cpu-2"] == "on_demand"
    cluster.provider.fail_request = lambda _: None
    cluster.clock.now += 1000
    cluster.slurm.allocate("cpu-3")
    cluster.run_for(5)
    assert bought(cluster.provider)["cpu-3"] == "spot"


def test_on_demand_takes_the_place_of_spot_after_so_many_seconds(tmp_path: Path) -> None:
    spot = SPOT | {"fallback_after_seconds": 40}
    cluster = Cluster(tmp_path, make_fleet(spot=spot))
    cluster.provider.fail_request = lambda r: SHORT if r.capacity is Capacity.SPOT else None
    begun = cluster.clock.now
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(60, until=lambda: bool(cluster.live()))
    assert 40 <= cluster.clock.now - begun <= 46
    assert bought(cluster.provider) == {"cpu-1": "on_demand"}


def test_without_a_fallback_spot_nodes_wait_and_on_demand_nodes_do_not(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, make_fleet(spot=SPOT | {"on_demand_nodes": 1}))
    cluster.provider.fail_request = lambda r: SHORT if r.capacity is Capacity.SPOT else None
    cluster.slurm.allocate("cpu-2")
    cluster.run_for(5)
    assert not cluster.in_service("cpu-3")
    assert cluster.in_service("cpu-1")
    assert cluster.slurm.allocate("cpu-1")
    cluster.run_for(3)
    assert bought(cluster.provider) == {"cpu-1": "on_demand"}


def test_when_the_fallback_is_short_too_the_pool_is_closed(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, make_fleet(spot=SPOT | {"fallback_after_failures": 1}))
    cluster.provider.fail = lambda _: SHORT
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(10)
    assert not cluster.in_service("cpu-1")
    assert not cluster.in_service("cpu-2")
    assert cluster.slurm.requeued == ["cpu-1"]


# --- limits -----------------------------------------------------------------------------------


def test_the_limit_of_nodes_holds_and_says_so_until_there_is_room(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, make_fleet(limits={"max_instances": 2}))
    for name in ("cpu-1", "cpu-2", "cpu-3"):
        cluster.slurm.allocate(name)
    cluster.run_for(10)
    assert cluster.live() == ["cpu-1", "cpu-2"]
    assert reason(cluster, "cpu-3") == "hpc-stack: limits.max_nodes is reached: 2 nodes"
    assert reason(cluster, "cpu-4") == "hpc-stack: limits.max_nodes is reached: 2 nodes"
    cluster.slurm.end_job("cpu-1")
    cluster.slurm.suspend("cpu-1")
    cluster.run_for(60, until=lambda: cluster.in_service("cpu-3"))
    assert cluster.slurm.allocate("cpu-3")
    cluster.run_for(40)
    assert cluster.ready() == ["cpu-2", "cpu-3"]


def test_the_ceiling_holds_although_the_decisions_forget_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(tmp_path, make_fleet(limits={"max_instances": 2}))
    monkeypatch.setattr("node_manager.decide._within_limits", lambda _f, _v, actions: actions)
    monkeypatch.setattr("node_manager.closures.passed_limit", lambda _f, _u: "")
    for name in ("cpu-1", "cpu-2", "cpu-3", "cpu-4"):
        cluster.slurm.allocate(name)
    cluster.run_for(20)
    assert len(cluster.live()) == 2
    assert cluster.events(event="refused", action="launch")


def test_what_is_over_the_limit_already_is_left_alone(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    for name in ("cpu-1", "cpu-2"):
        cluster.slurm.allocate(name)
    cluster.run_for(3)
    cluster.fleet = make_fleet(limits={"max_instances": 1})
    cluster.restart()
    cluster.run_for(10)
    assert cluster.ready() == ["cpu-1", "cpu-2"]


# --- the brake --------------------------------------------------------------------------------


def test_a_pool_whose_starts_fail_is_stopped_until_somebody_resumes_it(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, make_fleet(limits={"brake_after": 3}))
    cluster.provider.dies_at_once = True
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(600)
    assert len(cluster.provider.launched) == 3
    (alert,) = cluster.events(event="alert")
    assert alert["pool"] == "cpu"
    for name in ("cpu-1", "cpu-4"):
        assert "3 starts in a row failed" in reason(cluster, name)
        assert "make resume POOL=cpu" in reason(cluster, name)
    cluster.restart()
    cluster.run_for(2000)
    assert len(cluster.provider.launched) == 3, "also after a restart"
    cluster.provider.dies_at_once = False
    assert cluster.brakes.release("cpu")
    cluster.run_for(60, until=lambda: cluster.in_service("cpu-1"))
    assert cluster.slurm.allocate("cpu-1")
    cluster.run_for(5)
    assert cluster.ready() == ["cpu-1"]


def test_one_good_start_counts_anew(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, make_fleet(limits={"brake_after": 3}))
    for name in ("cpu-1", "cpu-2", "cpu-3"):
        cluster.provider.dies_at_once = True
        cluster.slurm.allocate(name)
        cluster.run_for(20, until=lambda: cluster.manager.memory.failed_starts.get("cpu", 0) == 2)
        cluster.provider.dies_at_once = False
        cluster.run_for(20)
        assert name in cluster.ready()
    assert cluster.brakes.present() == {}


def test_machines_that_never_register_count_and_their_console_is_kept(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, make_fleet(limits={"brake_after": 2}))
    cluster.slurm.registers = False
    for name in ("cpu-1", "cpu-2"):
        cluster.slurm.allocate(name)
    cluster.run_for(140)
    silent = cluster.events(event="did not register")
    assert sorted(str(event["node"]) for event in silent) == ["cpu-1", "cpu-2"]
    assert all(str(event["last_words"]).startswith("last words of m") for event in silent)
    assert list(cluster.brakes.present()) == ["cpu"]
    assert cluster.live() == []


def test_machines_that_vanish_while_they_boot_count_too(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, make_fleet(limits={"brake_after": 5}))
    cluster.slurm.registers = False

    def stopped() -> bool:
        cluster.provider.machines.clear()
        cluster.slurm.allocate("cpu-1")  # its job is requeued, and Slurm tries again
        return bool(cluster.brakes.present())

    cluster.run_for(600, until=stopped)
    assert len(cluster.provider.launched) == 5


def test_the_death_of_a_node_in_service_is_no_failed_start(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, make_fleet(limits={"brake_after": 1}))
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(3)
    cluster.provider.kill("cpu-1")
    cluster.run_for(5)
    assert cluster.brakes.present() == {}
    assert cluster.ready() == ["cpu-1"]


# --- machines that have to go -----------------------------------------------------------------


def test_a_noticed_node_is_replaced_before_it_is_gone_and_its_job_goes_on(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, make_fleet(spot=SPOT))
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(3)
    cluster.slurm.drain("cpu-1", NOTICE)  # as the watcher on the node does it
    cluster.run_for(5)
    assert cluster.ready() == ["cpu-1", "cpu-2"], "both are there"
    assert cluster.provider.expecting
    assert cluster.slurm.requeued == []
    cluster.provider.kill("cpu-1")
    cluster.run_for(3)
    assert cluster.slurm.requeued == ["cpu-1"]
    assert (NodeUpdate.POWER_DOWN_FORCE, ("cpu-1",)) in cluster.slurm.calls
    assert cluster.slurm.allocate("cpu-2"), "the job starts on the replacement"
    cluster.run_for(60)
    assert cluster.in_service("cpu-1")
    assert cluster.slurm.allocate("cpu-1"), "and the name is used again"
    assert cluster.manager.memory.failed_starts.get("cpu", 0) == 0


def test_a_noticed_node_without_jobs_goes_at_once(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, make_fleet(spot=SPOT))
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(3)
    cluster.slurm.end_job("cpu-1")
    cluster.slurm.drain("cpu-1", NOTICE)
    cluster.run_for(5)
    assert cluster.live() == []
    cluster.run_for(60)
    assert cluster.in_service("cpu-1")


def test_an_impaired_machine_is_drained_and_replaced(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(3)
    cluster.provider.trouble["cpu-1"] = "scheduled for retirement at 2026-12-01T00:00:00Z"
    cluster.run_for(5)
    expected = "hpc-stack: leaving: scheduled for retirement at 2026-12-01T00:00:00Z"
    assert reason(cluster, "cpu-1") == expected
    assert cluster.ready() == ["cpu-1", "cpu-2"]
    cluster.provider.trouble.clear()
    cluster.slurm.end_job("cpu-1")
    cluster.run_for(60)
    assert "cpu-1" not in cluster.live()
    assert Flag.DRAIN not in cluster.slurm.state["cpu-1"].flags


# --- clocks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
def test_a_clock_that_jumps_holds_no_node_for_long(tmp_path: Path, jump: float) -> None:
    cluster = Cluster(tmp_path)
    cluster.provider.fail = lambda _: SHORT
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(5)
    cluster.provider.fail = lambda _: None
    cluster.clock.now += jump
    cluster.run_for(120, until=lambda: cluster.in_service("cpu-1"))
    cluster.slurm.allocate("cpu-1")
    cluster.run_for(5)
    assert cluster.ready() == ["cpu-1"]
