"""Budgets that act: what does not fit waits and says so, and starts when there is more money."""

from pathlib import Path

from ops.up import up
from tests.cluster.running_cluster import RunningCluster, await_value
from tests.cluster.test_change import change, settings

__all__ = ["settings"]  # a fixture

# A node of the pool spot costs 10 cents an hour: 10 minutes of it are 1.7 of the 2 cents.
DOLLARS, MINUTES = "AssocGrpBillingMinutes", "AssocGrpCPUMinutesLimit"
FIFTEEN_MINUTES = ("--partition=cpu", "--account=metered", "--time=15", "--mem=100M")
TEN_MINUTES = ("--partition=spot", "--time=10", "--mem=100M")


def test_a_job_that_no_budget_could_pay_is_refused_at_once(cluster: RunningCluster) -> None:
    refused = cluster.attempt("eve", "sbatch --partition=spot --time=1:00:00 --wrap true")
    assert refused.returncode != 0
    assert DOLLARS in refused.stderr


def test_what_the_budget_does_not_pay_waits_and_starts_when_it_is_raised(
    cluster: RunningCluster, settings: Path
) -> None:
    running = cluster.submit("eve", "sleep 600", *TEN_MINUTES)
    cluster.await_state(running, "RUNNING")
    waiting = cluster.submit("eve", "true", *TEN_MINUTES)
    await_value("the reason that a user reads", lambda: reason(cluster, waiting) == DOLLARS, 60)
    bill = cluster.run("eve", "hpc-cost")
    assert "paid" in bill
    assert "0.02" in bill
    # Of 20 minutes the first job has 15.
    metered = [cluster.submit("eve", "sleep 600", *FIFTEEN_MINUTES)]
    cluster.await_state(metered[0], "RUNNING")
    metered.append(cluster.submit("eve", "true", *FIFTEEN_MINUTES))
    await_value("the reason of the other", lambda: reason(cluster, metered[1]) == MINUTES, 60)

    change(settings, "budget_dollars: 0.02", "budget_dollars: 9")
    change(settings, "cpu=20", "cpu=2000")
    up(cluster.stack)
    for job in (waiting, metered[1]):
        cluster.finish(job)
    # Nothing happened to what ran.
    for job in (running, metered[0]):
        assert cluster.state(job) == "RUNNING"
        cluster.run("eve", f"scancel {job}")


def test_the_clusters_budget_holds_new_jobs_and_lets_kept_nodes_go(
    cluster: RunningCluster, settings: Path
) -> None:
    # A pool of which no machine is up that was launched at another price.
    await_value("nodes of brief to go", lambda: not kept(cluster), 60)
    change(
        settings, "max_nodes: 2", "max_nodes: 2\n        price_per_hour: 0.5\n        min_nodes: 1"
    )
    up(cluster.stack)
    await_value("the node that is kept", lambda: kept(cluster), 60)
    one_minute = ("--partition=brief", "--time=1", "--mem=100M")
    cluster.finish(cluster.submit("ada", "sleep 15", *one_minute))

    # A minute is 0.8 cents, and 15 seconds are gone.
    change(settings, "budget: {dollars: 5000", "budget: {at_limit: release_nodes, dollars: 0.01")
    up(cluster.stack)
    waiting = cluster.submit("ada", "true", *one_minute)
    await_value(
        "the reason that a user reads",
        lambda: reason(cluster, waiting) == DOLLARS,
        60,
    )
    await_value("the kept node to go", lambda: not kept(cluster), 120)

    change(settings, "dollars: 0.01,", "dollars: 5000,")
    up(cluster.stack)
    cluster.finish(waiting)


def test_the_whole_clusters_minutes_are_a_limit_of_root(cluster: RunningCluster) -> None:
    root = "sacctmgr --noheader --parsable2 show assoc account=root user= format=GrpTRESMins"
    assert "cpu=900000" in cluster.run("carol", root).split(",")


def reason(cluster: RunningCluster, job: str) -> str:
    """Why a job waits, as its user reads it."""
    return cluster.run("ada", f"squeue --noheader --job={job} --format=%r")


def kept(cluster: RunningCluster) -> bool:
    """Whether a node of the pool is up, which is to have one at all times."""
    return any(node.startswith("brief-") for node in cluster.node_containers())
