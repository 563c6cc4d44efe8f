"""What a cluster on AWS costs: the parts, the sums, and the figures that the files promise."""

import re
from pathlib import Path
from typing import Any

import pytest

import ops.catalogue
from config.catalogue import catalogue, prices
from config.cost import HOURS, NodeHour, cost_page, fixed_costs, monthly_idle, node_hours
from config.settings import ClusterSettings
from ops.aws_settings import settings_of
from ops.environment import CHECKOUT
from ops.stack import StackProblem
from tests.security.graph import environment_settings

DEV, PROD = environment_settings("dev"), environment_settings("prod")


def test_a_small_cluster_costs_less_than_25_dollars_a_month_and_5_when_stopped() -> None:
    assert 0 < monthly_idle(DEV) < 25
    assert 0 < monthly_idle(DEV, stopped=True) < 5


def test_the_environments_files_say_what_they_cost_idle() -> None:
    for settings in (DEV, PROD):
        text = (CHECKOUT / f"Pulumi.{settings.name}.yaml").read_text()
        said = re.search(r"idle: about \$(\d+) a month, \$(\d+) with the controller stopped", text)
        assert said, settings.name
        assert int(said[1]) == round(monthly_idle(settings))
        assert int(said[2]) == round(monthly_idle(settings, stopped=True))


def test_the_controller_costs_its_type_for_a_month_and_nothing_when_stopped() -> None:
    (controller,) = (one for one in fixed_costs(DEV) if one.what == "controller, t4g.small")
    assert controller.monthly == pytest.approx(catalogue()["t4g.small"].price.on_demand * HOURS)
    assert controller.when_stopped == 0


def test_a_gateway_in_each_zone_is_paid_for_all_the_time() -> None:
    (gateways,) = (one for one in fixed_costs(PROD) if one.what.startswith("NAT gateways"))
    each = prices().nat_gateway_hour + prices().public_ipv4_hour
    assert gateways.monthly == gateways.when_stopped == pytest.approx(3 * each * HOURS)
    assert not [one for one in fixed_costs(DEV) if "NAT" in one.what]


def test_nodes_that_are_kept_are_part_of_the_idle_cost() -> None:
    pool = {"instance_types": ["c7i.xlarge"], "max_nodes": 4, "min_nodes": 1, "warm_nodes": 2}
    kept = environment_settings("dev", pools={"cpu": pool})
    price = catalogue()["c7i.xlarge"].price.on_demand
    (nodes,) = node_hours(kept)
    assert nodes.idle == pytest.approx(2 * price)
    assert nodes.most == pytest.approx(4 * price)
    assert monthly_idle(kept) - monthly_idle(DEV) == pytest.approx(2 * price * HOURS)


def pool_of_dev(**changes: Any) -> NodeHour:
    """The one pool of Pulumi.dev.yaml, with other settings."""
    pool = {"instance_types": ["c7i.xlarge", "c7a.xlarge"], "capacity": "spot", "max_nodes": 10}
    (nodes,) = node_hours(environment_settings("dev", pools={"cpu": {**pool, **changes}}))
    return nodes


def test_a_spot_pool_that_may_fall_back_costs_at_most_its_price_on_demand() -> None:
    # The dearest of dev's types is c7a.xlarge: 0.20528 on demand, 0.0821 on spot.
    (nodes,) = node_hours(DEV)
    assert (nodes.on_demand, nodes.spot) == (0.20528, 0.0821)
    assert nodes.most == pytest.approx(10 * 0.20528) == pytest.approx(2.0528)
    assert pool_of_dev(spot={"fallback": "on_demand"}).most == pytest.approx(2.0528)


def test_a_spot_pool_without_fallback_costs_at_most_its_spot_price() -> None:
    assert pool_of_dev(spot={"fallback": "none"}).most == pytest.approx(10 * 0.0821)


def test_the_nodes_of_a_spot_pool_that_are_on_demand_all_the_same_are_counted_so() -> None:
    mixed = pool_of_dev(spot={"fallback": "none", "on_demand_nodes": 3})
    assert mixed.most == pytest.approx(3 * 0.20528 + 7 * 0.0821)


def test_the_sum_is_that_of_all_pools_at_most() -> None:
    # By hand: 100 c7a.4xlarge, 200 c7a.8xlarge, 50 c8g.4xlarge and 8 g6.xlarge, all on demand.
    total = 100 * 0.82112 + 200 * 1.64224 + 50 * 0.63808 + 8 * 0.8048
    assert sum(pool.most for pool in node_hours(PROD)) == pytest.approx(total)
    assert re.search(r"^  all pools +448\.90$", cost_page(PROD), re.MULTILINE)
    assert re.search(r"^  all pools +2\.05$", cost_page(DEV), re.MULTILINE)


def test_a_limit_below_the_sum_holds_it_and_one_above_does_not() -> None:
    assert "  held to 200.00 by limits.max_cost_per_hour\n" in cost_page(PROD)
    above = "  not held lower by limits.max_cost_per_hour, which is 5.00\n"
    assert above in cost_page(DEV)
    assert "max_cost_per_hour" not in cost_page(environment_settings("dev", limits={}))


def test_the_page_has_a_line_for_each_part_and_each_pool() -> None:
    page = cost_page(PROD)
    for one in fixed_costs(PROD):
        assert one.what in page
    for pool in PROD.pools:
        assert re.search(rf"^  {pool} ", page, re.MULTILINE)


def footer(settings: ClusterSettings) -> str:
    """What follows the tables, without its line breaks."""
    return " ".join(line.strip() for line in _footer_lines(settings))


def _footer_lines(settings: ClusterSettings) -> list[str]:
    return cost_page(settings).rpartition("\n\n")[2].splitlines()


@pytest.mark.parametrize("settings", [DEV, PROD], ids=["dev", "prod"])
def test_what_the_prices_are_fits_into_eight_lines_of_a_terminal(settings: ClusterSettings) -> None:
    assert len(_footer_lines(settings)) <= 8
    assert max(map(len, cost_page(settings).splitlines())) <= 100


def test_the_page_says_of_which_region_and_day_its_prices_are() -> None:
    said = footer(DEV)
    day = catalogue()["c7a.xlarge"].price.date
    assert f"Instance prices: us-east-1, {day}; spot is an estimate" in said
    assert f"Other prices: us-east-1, {prices().date}, by hand, from memory" in said


def test_each_region_and_day_of_an_instance_price_is_named() -> None:
    (elsewhere, *_) = (kind for kind in catalogue().values() if kind.price.region != "us-east-1")
    gpus = {"instance_types": [elsewhere.name], "max_nodes": 1}
    said = footer(environment_settings("dev", pools={"gpu": gpus}))
    assert "us-east-1, 2026-01-19; " in said
    assert f"{elsewhere.price.region}, {elsewhere.price.date}" in said
    assert "spot" not in said


def test_a_stack_in_another_region_is_told_how_to_ask_for_its_prices(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ".venv/bin/python -m ops.catalogue --region eu-central-1"
    assert f"eu-central-1, where they may differ; for instances, ask AWS: {command} " in footer(DEV)
    # The option is there: a wrong region is what is wrong.
    monkeypatch.setattr("sys.argv", ["catalogue", "--region", "nowhere"])
    with pytest.raises(StackProblem, match='--region "nowhere" is no region'):
        ops.catalogue.main()


def test_a_stack_in_the_region_of_the_prices_is_told_nothing_of_others() -> None:
    assert DEV.aws
    there = DEV.aws.model_copy(update={"region": "us-east-1"})
    assert "ops.catalogue" not in footer(DEV.model_copy(update={"aws": there}))


def test_what_is_not_in_the_sum_is_named_with_its_price() -> None:
    said = footer(DEV)
    for what in (
        "homes (EFS) 0.3 a GB-month and each GB read, written or backed up",
        "buckets (S3) 0.023 and images (ECR) 0.1 a GB-month",
        "nodes' root disks 0.08 a GB-month",
        "flow logs and services' logs 0.5 a GB taken in",
        "traffic out 0.09 a GB",
        "CPU credits of t4g.small beyond its baseline",
        "requests",
    ):
        assert what in said


def test_only_what_the_stack_has_is_named() -> None:
    assert "NAT" not in footer(DEV)
    assert "between zones" not in footer(DEV)
    assert "through NAT gateways 0.045 a GB" in footer(PROD)
    assert "between zones 0.01 a GB each way" in footer(PROD)
    assert "CPU credits" not in footer(PROD)


def test_snapshots_are_no_bound() -> None:
    (snapshots,) = (one for one in fixed_costs(DEV) if one.what.startswith("snapshots"))
    assert snapshots.what == "snapshots, about"
    assert snapshots.monthly == pytest.approx(10 * 0.05)


def test_images_need_not_be_pinned_to_know_the_cost() -> None:
    assert settings_of(CHECKOUT / "Pulumi.dev.yaml").name == "dev"


def test_a_cluster_on_this_machine_costs_nothing() -> None:
    with pytest.raises(StackProblem, match="costs nothing"):
        settings_of(CHECKOUT / "Pulumi.local.yaml")


def test_no_such_file() -> None:
    with pytest.raises(StackProblem, match="is not the file of a stack"):
        settings_of(Path("Pulumi.nowhere.yaml"))
