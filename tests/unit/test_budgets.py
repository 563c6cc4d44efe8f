"""Budgets: dollars as Slurm counts them, what a job's resources cost, and TRES-minutes."""

import json
import re
from math import floor
from typing import Any

import pytest
from configurator.plan import plan
from configurator.records import Records, desired
from hypothesis import given
from hypothesis import strategies as st

from config.render.accounting import accounting_json
from config.render.billing_weights import billing_weights
from config.render.site import Site
from config.render.slurm_conf import slurm_conf
from config.settings import ClusterSettings, Pool, budget_warnings, load_cluster
from config.settings.budgets import UNITS_PER_DOLLAR, billing_minutes, usual_price
from config.settings.tres_budgets import tres_budgets
from tests.unit.settings_samples import ONE_GPU, pool, settings

SITE = Site(images={}, cgroup="v2")
MIB_PER_UNIT = {"": 1, "G": 1024}


def priced(**changes: Any) -> Pool:
    return Pool.model_validate(pool(**changes))


def billing(shape: Pool, *, cpus: int, memory_mb: int, gpus: int = 0) -> int:
    """What slurmctld makes of a job's resources with PriorityFlags=MAX_TRES, read from its source:
    the largest product, without its fraction."""
    counts = {"CPU": cpus, "Mem": memory_mb, "GRES/gpu": gpus}
    products = []
    for pair in billing_weights(shape).split(","):
        kind, _, text = pair.partition("=")
        unit = "G" if text.endswith("G") else ""
        products.append(float(text.removesuffix("G")) / MIB_PER_UNIT[unit] * counts[kind])
    return floor(max(products))


@pytest.mark.parametrize(
    ("changes", "price"),
    [
        ({}, 0),
        ({"price_per_hour": 2.5}, 2.5),
        ({"price_per_hour": 2.5, "capacity": "spot"}, 2.5),
        ({"price_per_hour": 2.5, "capacity": "spot", "spot": {"price_per_hour": 0.8}}, 0.8),
    ],
)
def test_the_usual_price_is_that_of_spot_nodes_where_there_are_some(
    changes: dict[str, Any], price: float
) -> None:
    assert usual_price(priced(**changes)) == price


def test_a_job_pays_for_the_largest_of_its_shares() -> None:
    shape = priced(
        cpus=4, memory_mb=4000, gpus={"type": "a100", "count": 2}, price_per_hour=2, max_nodes=1
    )
    assert billing(shape, cpus=1, memory_mb=1000) == 5000
    assert billing(shape, cpus=1, memory_mb=3000) == 15_000
    assert billing(shape, cpus=1, memory_mb=1000, gpus=1) == 10_000
    assert billing(shape, cpus=4, memory_mb=1000, gpus=1) == 20_000


def test_a_pool_without_a_price_is_free() -> None:
    assert billing_weights(priced()) == "CPU=0"


@given(
    st.integers(1, 1024),
    st.integers(128, 64 * 1024 * 1024),
    st.integers(1, 64),
    st.integers(1, 10_000_000),
)
def test_a_whole_node_costs_its_price_whatever_its_shape(
    cpus: int, memory_mb: int, gpus: int, price: int
) -> None:
    dollars = price / UNITS_PER_DOLLAR
    kind = {"type": "a", "count": gpus}
    shape = priced(cpus=cpus, memory_mb=memory_mb, gpus=kind, price_per_hour=dollars)
    paid = billing(shape, cpus=cpus, memory_mb=memory_mb, gpus=gpus)
    assert abs(paid - price) <= 1
    # As Slurm reads numbers: without an exponent.
    assert re.fullmatch(r"CPU=[\d.]+,Mem=[\d.]+G,GRES/gpu=[\d.]+", billing_weights(shape))


@pytest.mark.parametrize(
    ("dollars", "minutes"), [(1, 600_000), (0.01, 6000), (300.5, 180_300_000), (1e8, 6 * 10**13)]
)
def test_a_dollar_is_600_000_billing_minutes(dollars: float, minutes: int) -> None:
    assert billing_minutes(dollars) == minutes


def test_a_budget_pays_one_node_for_as_many_hours_as_its_price_goes_into_it() -> None:
    hours = billing_minutes(120) / billing(priced(price_per_hour=0.4), cpus=2, memory_mb=1500) / 60
    assert hours == 300


def test_a_budget_is_one_more_limit_of_the_account() -> None:
    accounts = {
        "research": {"budget_dollars": 2, "limits": {"grp_tres_mins": {"cpu": 5}}},
        "other": {"limits": {"grp_tres_mins": {"cpu": 5}}},
    }
    loaded = load_cluster(settings(pools={"cpu": pool(price_per_hour=1)}, accounts=accounts))
    document = json.loads(accounting_json(loaded))
    assert {name: one["limits"]["GrpTRESMins"] for name, one in document["accounts"].items()} == {
        "research": "billing=1200000,cpu=5",
        "other": "cpu=5",
    }
    assert document["root_billing_minutes"] is None


MINUTES = [
    {"budget": {"tres_mins": "cpu=5"}},
    {"accounts": {"research": {"limits": {"grp_tres_mins": "cpu=5"}}}},
]
"""Settings with a budget of TRES-minutes, of the cluster or of an account."""


def test_budgets_of_minutes_are_those_of_accounts_and_of_the_whole_cluster() -> None:
    accounts = {"research": {"limits": {"grp_tres_mins": {"cpu": 5}}}, "other": {}}
    loaded = load_cluster(settings(accounts=accounts, budget={"tres_mins": "mem=1G,node=7"}))
    assert tres_budgets(loaded) == {"research": {"cpu": 5}, "root": {"mem": 1024, "node": 7}}
    assert tres_budgets(load_cluster(settings())) == {}


@pytest.mark.parametrize("minutes", MINUTES, ids=["cluster", "account"])
def test_minutes_count_in_full_until_the_period_ends(minutes: dict[str, Any]) -> None:
    minutes = {**minutes, "budget": {**minutes.get("budget", {}), "period": "quarter"}}
    lines = slurm_conf(load_cluster(settings(**minutes)), SITE).splitlines()
    assert {"PriorityDecayHalfLife=0", "PriorityUsageResetPeriod=QUARTERLY"} <= set(lines)


def test_a_limit_of_minutes_of_a_qos_is_no_budget() -> None:
    loaded = load_cluster(settings(qos={"short": {"grp_tres_mins": "cpu=5"}}))
    assert tres_budgets(loaded) == {}
    assert "PriorityUsageResetPeriod" not in slurm_conf(loaded, SITE)


@pytest.mark.parametrize(
    ("budget", "limit"),
    [
        ({"tres_mins": "cpu=5,mem=2M"}, "cpu=5,mem=2"),
        ({"dollars": 2, "tres_mins": "cpu=5"}, "billing=1200000,cpu=5"),
        ({"tres_mins": "billing=7"}, "billing=7"),
        ({"dollars": 2}, "billing=1200000"),
    ],
)
def test_budgets_of_the_cluster_are_limits_of_slurms_own_account_and_are_taken_back(
    budget: dict[str, Any], limit: str
) -> None:
    with_budget, without = _records(budget=budget), _records()
    assert _of_root(with_budget, without) == [f"GrpTRESMins={limit}"]
    assert _of_root(with_budget, with_budget) == []
    assert _of_root(without, with_budget) == [f"GrpTRESMins={re.sub('=[0-9]+', '=-1', limit)}"]


def test_a_type_that_went_from_the_clusters_budget_is_taken_back_alone() -> None:
    both, one = ("cpu=5,node=7", "cpu=6")
    changes = _of_root(_records(budget={"tres_mins": one}), _records(budget={"tres_mins": both}))
    assert changes == ["GrpTRESMins=cpu=6,node=-1"]


def _records(**changes: Any) -> Records:
    """What the configurator reads of a cluster with prices."""
    pools = {"cpu": pool(price_per_hour=1)}
    return desired(json.loads(accounting_json(load_cluster(settings(pools=pools, **changes)))))


def _of_root(wanted: Records, present: Records) -> list[str]:
    """The changes that a plan makes to Slurm's own account."""
    steps = [step.arguments for step in plan(wanted, present)]
    return [word for step in steps if "name=root" in step for word in step[step.index("set") + 1 :]]


def test_there_is_a_budget_of_dollars_if_the_cluster_or_an_account_has_one() -> None:
    pools = {"cpu": pool(price_per_hour=1)}
    account = {"research": {"budget_dollars": 2}}
    assert not load_cluster(settings(pools=pools)).has_budget
    assert load_cluster(settings(pools=pools, budget={"dollars": 2})).has_budget
    assert load_cluster(settings(pools=pools, accounts=account)).has_budget


@pytest.mark.parametrize(
    ("cluster", "parent", "child", "smaller"),
    [
        (None, 20, 30, "cluster.accounts.research.budget_dollars is 20"),
        (20, None, 30, "cluster.budget.dollars is 20"),
        (10, 20, 30, "cluster.budget.dollars is 10"),
        (25, 20, 30, "cluster.accounts.research.budget_dollars is 20"),
    ],
)
def test_a_budget_above_the_smallest_over_it_is_a_warning(
    cluster: float | None, parent: float | None, child: float, smaller: str
) -> None:
    warnings = budget_warnings(_tree(cluster, parent, child))
    assert warnings[0].startswith(f"cluster.accounts.group.budget_dollars: {child}, but {smaller} ")


def test_an_account_between_that_has_no_budget_hides_none_above_it() -> None:
    accounts = {
        "research": {"budget_dollars": 1},
        "group": {"parent": "research"},
        "student": {"parent": "group", "budget_dollars": 2},
    }
    loaded = load_cluster(settings(pools={"cpu": pool(price_per_hour=1)}, accounts=accounts))
    (warning,) = budget_warnings(loaded)
    assert "student" in warning
    assert "research" in warning


@pytest.mark.parametrize(
    ("cluster", "parent", "child"),
    [(None, 20, 20), (20, 20, 20), (None, None, 30), (20, 10, None), (30, None, 8)],
)
def test_budgets_that_can_be_spent_are_no_warning(
    cluster: float | None, parent: float | None, child: float | None
) -> None:
    assert budget_warnings(_tree(cluster, parent, child)) == []


def test_minutes_above_the_smallest_over_them_are_a_warning_by_type() -> None:
    accounts = {
        "research": {"limits": {"grp_tres_mins": "cpu=20,mem=5"}},
        "group": {"parent": "research", "limits": {"grp_tres_mins": "cpu=30,node=9"}},
    }
    budget = {"tres_mins": "cpu=25,mem=4,gres/gpu=1"}
    pools = {"cpu": pool(), "gpu": pool(gpus=ONE_GPU, max_nodes=1)}
    loaded = load_cluster(settings(pools=pools, accounts=accounts, budget=budget))
    assert [warning.partition(" and ")[0] for warning in budget_warnings(loaded)] == [
        "cluster.accounts.group.limits.grp_tres_mins: cpu=30, but "
        "cluster.accounts.research.limits.grp_tres_mins is cpu=20",
        "cluster.accounts.research.limits.grp_tres_mins: mem=5, but "
        "cluster.budget.tres_mins is mem=4",
    ]


def test_budgets_of_children_may_add_up_to_more_than_their_parents() -> None:
    accounts = {
        "class": {"budget_dollars": 10},
        "s01": {"parent": "class", "budget_dollars": 8},
        "s02": {"parent": "class", "budget_dollars": 8},
        "research": {},
    }
    loaded = load_cluster(settings(pools={"cpu": pool(price_per_hour=1)}, accounts=accounts))
    assert budget_warnings(loaded) == []


def _tree(cluster: float | None, parent: float | None, child: float | None) -> ClusterSettings:
    accounts = {
        "research": {"budget_dollars": parent} if parent else {},
        "group": {"parent": "research", **({"budget_dollars": child} if child else {})},
    }
    budget = {"dollars": cluster} if cluster else {}
    pools = {"cpu": pool(price_per_hour=1)}
    return load_cluster(settings(pools=pools, accounts=accounts, budget=budget))
