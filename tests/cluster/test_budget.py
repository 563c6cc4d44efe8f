"""Budgets that act: what does not fit waits and says so, and starts when there is more money."""

from pathlib import Path

from ops.up import up
from tests.cluster.running_cluster import RunningCluster, await_value
from tests.cluster.test_change import settings

__all__ = ["settings"]  # a fixture

# A node of the pool spot costs 10 cents an hour: 10 minutes of it are 1.7 of the 2 cents.
TEN_MINUTES = ("--partition=spot", "--time=10", "--mem=100M")


def test_a_job_that_no_budget_could_pay_is_refused_at_once(cluster: RunningCluster) -> None:
    refused = cluster.attempt("eve", "sbatch --partition=spot --time=1:00:00 --wrap true")
    assert refused.returncode != 0
    assert "AssocGrpBillingMinutes" in refused.stderr


def test_what_the_budget_does_not_pay_waits_and_starts_when_it_is_raised(
    cluster: RunningCluster, settings: Path
) -> None:
    running = cluster.submit("eve", "sleep 600", *TEN_MINUTES)
    cluster.await_state(running, "RUNNING")
    waiting = cluster.submit("eve", "true", *TEN_MINUTES)
    await_value(
        "the reason that a user reads",
        lambda: cluster.run("eve", f"squeue -h -j {waiting} -o %r") == "AssocGrpBillingMinutes",
        60,
    )
    bill = cluster.run("eve", "hpc-cost")
    assert "paid" in bill
    assert "0.02" in bill

    settings.write_text(settings.read_text().replace("budget_dollars: 0.02", "budget_dollars: 9"))
    up(cluster.stack)
    cluster.finish(waiting)
    # Nothing happened to what ran.
    assert cluster.state(running) == "RUNNING"
    cluster.run("eve", f"scancel {running}")
