"""What Prometheus would see: the manager's own /metrics, over HTTP."""

import io
import socket
import urllib.request
from pathlib import Path

import pytest
from node_manager.fleet import Fleet
from node_manager.journal import Journal
from node_manager.metrics import Metrics
from node_manager.provider import LaunchFailure

from tests.node_manager.builders import make_fleet
from tests.node_manager.fake_provider import Clock, FakeProvider, FakeSlurm, make_reconciler

NO_ROOM = LaunchFailure(code="no_space", message="no room", retryable=True, shortage=True)


class Cluster:
    """A manager whose metrics are read as Prometheus reads them."""

    def __init__(self, run_dir: Path, fleet: Fleet) -> None:
        self.clock = Clock()
        self.provider = FakeProvider(self.clock)
        self.slurm = FakeSlurm(fleet, self.provider, self.clock)
        self.metrics = Metrics(fleet)
        self.manager = make_reconciler(
            fleet=fleet,
            slurm=self.slurm,
            provider=self.provider,
            run_dir=run_dir,
            journal=Journal(io.StringIO()),
            clock=self.clock,
            metrics=self.metrics,
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.metrics.serve(self.port)

    def round(self, seconds: float = 1.0) -> None:
        self.slurm.tick()
        self.manager.run_once()
        self.clock.now += seconds

    def scrape(self) -> dict[str, float]:
        """Each sample by its name with labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}


def test_a_nodes_way_from_wanted_to_registered_is_seen(tmp_path: Path) -> None:
    prices = {"on_demand": 0.25, "spot": 0.1}
    cluster = Cluster(tmp_path, make_fleet(price_per_hour=prices))
    cluster.slurm.registers = False
    cluster.slurm.allocate("cpu-1")
    cluster.round(4.0)
    seen = cluster.scrape()
    assert seen['hpc_stack_nodes{pool="cpu",state="coming"}'] == 1
    assert seen['hpc_stack_nodes{pool="cpu",state="off"}'] == 3
    assert seen['hpc_stack_launches_total{capacity="on_demand",pool="cpu"}'] == 1
    cluster.slurm.registers = True
    cluster.round()
    cluster.round()
    seen = cluster.scrape()
    assert seen['hpc_stack_nodes{pool="cpu",state="busy"}'] == 1
    assert seen['hpc_stack_node_start_seconds_count{pool="cpu"}'] == 1
    assert 4 <= seen['hpc_stack_node_start_seconds_sum{pool="cpu"}'] <= 5
    assert seen["hpc_stack_cost_dollars_per_hour"] == 0.25
    assert seen['hpc_stack_instances{capacity="on_demand",pool="cpu"}'] == 1
    assert seen["hpc_stack_round_seconds_count"] == 3
    cluster.slurm.end_job("cpu-1")
    cluster.slurm.suspend("cpu-1")
    cluster.round()
    cluster.round()
    seen = cluster.scrape()
    assert seen['hpc_stack_terminations_total{pool="cpu",result="ok"}'] == 1
    assert seen["hpc_stack_cost_dollars_per_hour"] == 0


def test_failures_are_counted_by_code_and_a_closed_pool_shows(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, make_fleet())
    cluster.provider.fail = lambda _: NO_ROOM
    cluster.slurm.allocate("cpu-1")
    cluster.round()
    seen = cluster.scrape()
    assert seen['hpc_stack_launch_failures_total{code="no_space",pool="cpu"}'] == 1
    assert seen['hpc_stack_pool_closed{capacity="on_demand",pool="cpu"}'] == 1
    assert seen['hpc_stack_pool_brake{pool="cpu"}'] == 0


def test_a_stopped_pool_shows(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, make_fleet())
    (tmp_path / "brake" / "cpu").write_text("5 starts in a row failed")
    cluster.round()
    assert cluster.scrape()['hpc_stack_pool_brake{pool="cpu"}'] == 1


def test_requests_to_the_platform_are_counted_by_name_and_result(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, make_fleet())
    for result in ("ok", "ok", "RequestLimitExceeded"):
        cluster.metrics.api_call("CreateFleet", result)
    seen = cluster.scrape()
    assert seen['hpc_stack_api_calls_total{call="CreateFleet",result="ok"}'] == 2
    assert seen['hpc_stack_api_calls_total{call="CreateFleet",result="RequestLimitExceeded"}'] == 1


def test_what_machines_cost_is_told_by_what_they_do(tmp_path: Path) -> None:
    prices = {"on_demand": 3.6, "spot": 0.1}
    cluster = Cluster(tmp_path, make_fleet(cpus=2, max_nodes=2, price_per_hour=prices))
    cluster.slurm.registers = False
    cluster.slurm.allocate("cpu-1")
    for _ in range(5):
        cluster.round(10.0)
    starting = cost(cluster, "starting")
    assert starting > 0
    assert cost(cluster, "allocated") == 0
    cluster.slurm.registers = True
    for _ in range(6):
        cluster.round(10.0)
    # FakeSlurm's job holds half of the node.
    allocated, idle = cost(cluster, "allocated"), cost(cluster, "idle")
    assert allocated > 0
    assert allocated + idle + cost(cluster, "starting") == pytest.approx(
        cluster.scrape()["hpc_stack_spent_this_month_dollars"], abs=0.011 * 2
    )


def cost(cluster: Cluster, use: str) -> float:
    labels = f'capacity="on_demand",pool="cpu",use="{use}"'
    return cluster.scrape().get(f"hpc_stack_node_cost_dollars_total{{{labels}}}", 0.0)
