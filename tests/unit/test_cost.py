"""What a cluster on AWS costs: the parts, the sums, and the figures that the files promise."""

import re
from pathlib import Path

import pytest

from config.catalogue import catalogue, prices
from config.cost import HOURS, cost_page, fixed_costs, monthly_idle, node_hours
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


def test_a_spot_pool_is_counted_at_its_spot_price() -> None:
    (nodes,) = node_hours(DEV)
    assert nodes.spot is not None
    assert nodes.spot < nodes.on_demand
    assert nodes.most == pytest.approx(10 * nodes.spot)


def test_the_page_has_a_line_for_each_part_and_each_pool() -> None:
    page = cost_page(PROD)
    for one in fixed_costs(PROD):
        assert one.what in page
    for pool in PROD.pools:
        assert re.search(rf"^  {pool} ", page, re.MULTILINE)
    assert "limits.max_cost_per_hour stops launches at 200 dollars an hour" in page


def test_images_need_not_be_pinned_to_know_the_cost() -> None:
    assert settings_of(CHECKOUT / "Pulumi.dev.yaml").name == "dev"


def test_a_cluster_on_this_machine_costs_nothing() -> None:
    with pytest.raises(StackProblem, match="costs nothing"):
        settings_of(CHECKOUT / "Pulumi.local.yaml")


def test_no_such_file() -> None:
    with pytest.raises(StackProblem, match="is not the file of a stack"):
        settings_of(Path("Pulumi.nowhere.yaml"))
