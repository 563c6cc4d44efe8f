"""A budget that is spent: nodes that nobody needs go, and come back when it is raised."""

import io
from dataclasses import replace
from pathlib import Path

from node_manager.fleet import Budget, Fleet
from node_manager.journal import Journal

from tests.node_manager.builders import make_fleet
from tests.node_manager.fake_provider import Clock, FakeProvider, FakeSlurm, make_reconciler


def test_a_spent_budget_lets_kept_nodes_go_until_it_is_raised(tmp_path: Path) -> None:
    prices = {"on_demand": 3600.0, "spot": 0.0}  # a dollar a second
    pool = make_fleet(min_nodes=1, max_nodes=2, price_per_hour=prices)

    def with_budget(dollars: float) -> Fleet:
        return replace(pool, budget=Budget(dollars=dollars, period="year"))

    clock = Clock()
    provider = FakeProvider(clock)
    slurm = FakeSlurm(pool, provider, clock)

    def kept_after(fleet: Fleet, seconds: int) -> frozenset[str]:
        manager = make_reconciler(
            fleet=fleet,
            slurm=slurm,
            provider=provider,
            run_dir=tmp_path,
            journal=Journal(io.StringIO()),
            clock=clock,
        )
        for _ in range(seconds):
            slurm.tick()
            manager.run_once()
            clock.now += 1.0
        return slurm.kept_nodes()

    assert kept_after(with_budget(30.0), 20) == {"cpu-1"}
    assert kept_after(with_budget(30.0), 40) == frozenset()
    assert kept_after(with_budget(10_000.0), 40) != frozenset()
