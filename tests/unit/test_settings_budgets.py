"""Budgets and the other settings: what cannot be together is reported, and what can is not."""

import pytest

from config.settings import load_cluster
from tests.unit.settings_samples import ONE_GPU, Case, assert_only_mistake, mistakes, pool, settings

PRICED = {"cpu": pool(price_per_hour=1)}
BAD: dict[str, Case] = {
    "a cluster's budget where nothing costs": (
        settings(budget={"dollars": 100}),
        "cluster.budget.dollars",
        "100.0",
        "a budget only where a pool has a price",
        "set cluster.pools.<pool>.price_per_hour",
    ),
    "an account's budget where nothing costs": (
        settings(accounts={"research": {"budget_dollars": 100}}),
        "cluster.accounts.research.budget_dollars",
        "100.0",
        "here it would never be reached",
        "or limit resources instead",
    ),
    "two limits of an account's money": (
        settings(
            pools=PRICED,
            accounts={"research": {"budget_dollars": 5, "limits": {"grp_tres_mins": "billing=7"}}},
        ),
        "cluster.accounts.research.limits.grp_tres_mins",
        '"billing=7"',
        "budget_dollars is the account's limit of billing",
        "remove billing, or budget_dollars",
    ),
    "two limits of the cluster's money": (
        settings(pools=PRICED, budget={"dollars": 5, "tres_mins": "billing=7,cpu=3"}),
        "cluster.budget.tres_mins",
        '"billing=7"',
        "dollars is the cluster's limit of billing",
        "remove billing, or dollars",
    ),
    "nodes that go at a limit that is not there": (
        settings(budget={"tres_mins": "cpu=7", "at_limit": "release_nodes"}),
        "cluster.budget.at_limit",
        '"release_nodes"',
        "only those let nodes go",
        "remove at_limit, or set cluster.budget.dollars",
    ),
    "a QOS that would get round the cluster's minutes": (
        settings(budget={"tres_mins": "cpu=5"}, qos={"free": {"grp_tres_mins": "cpu=7,node=2"}}),
        "cluster.qos.free.grp_tres_mins",
        '"cpu=7"',
        "in place of every budget",
        "remove cpu",
    ),
    "no minutes at all": (
        settings(budget={"tres_mins": "cpu=0"}),
        "cluster.budget.tres_mins",
        '"cpu=0"',
        "at least one minute of each type",
        "write cpu=1 or more, or remove cpu",
    ),
    "the cluster's minutes that fade": (
        settings(budget={"tres_mins": "cpu=5"}, slurm={"priority": {"half_life": "7-0"}}),
        "cluster.slurm.priority.half_life",
        '"7-0"',
        "what is spent must not fade before the period ends",
        "remove it; budget.period says",
    ),
    "jobs without an end for which no minutes are enough": (
        settings(
            pools={"gpu": pool(gpus=ONE_GPU, max_nodes=1, time_limit="UNLIMITED")},
            budget={"tres_mins": "gres/gpu=7"},
        ),
        "cluster.pools.gpu.time_limit",
        '"UNLIMITED"',
        "no budget pays for one without an end",
        'write for instance "7-00:00:00"',
    ),
    "a QOS that would get round the budgets": (
        settings(pools=PRICED, budget={"dollars": 5}, qos={"free": {"grp_tres_mins": "billing=7"}}),
        "cluster.qos.free.grp_tres_mins",
        '"billing=7"',
        "in place of every budget",
        "remove billing",
    ),
    "money that fades": (
        settings(pools=PRICED, budget={"dollars": 5}, slurm={"priority": {"half_life": "7-0"}}),
        "cluster.slurm.priority.half_life",
        '"7-0"',
        "what is spent must not fade before the period ends",
        "remove it; budget.period says",
    ),
    "jobs without an end that no budget pays for": (
        settings(
            pools={"cpu": pool(price_per_hour=1, time_limit="UNLIMITED")},
            accounts={"research": {"budget_dollars": 5}},
        ),
        "cluster.pools.cpu.time_limit",
        '"UNLIMITED"',
        "a length where there are budgets",
        'write for instance "7-00:00:00"',
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_mistake_is_reported_with_path_value_allowed_and_fix(what: str) -> None:
    assert_only_mistake(BAD[what])


def test_a_price_that_could_not_be_read_leaves_budgets_alone() -> None:
    data = settings(pools={"cpu": pool(price_per_hour="1")}, budget={"dollars": 5})
    assert [mistake.path for mistake in mistakes(data)] == ["cluster.pools.cpu.price_per_hour"]


def test_without_a_budget_of_the_cluster_or_of_dollars_jobs_need_no_end_and_use_may_fade() -> None:
    loaded = load_cluster(
        settings(
            pools={"cpu": pool(price_per_hour=1, time_limit="UNLIMITED")},
            slurm={"priority": {"half_life": "7-0"}},
            qos={"free": {"grp_tres_mins": "billing=7"}},
            accounts={"research": {"limits": {"grp_tres_mins": "cpu=60000"}}},
        )
    )
    assert not loaded.resets_past_use


def test_jobs_that_use_nothing_of_a_budget_need_no_end() -> None:
    pools = {
        "cpu": pool(time_limit="UNLIMITED"),
        "gpu": pool(gpus=ONE_GPU, max_nodes=1),
    }
    load_cluster(settings(pools=pools, budget={"tres_mins": "gres/gpu=7"}))
