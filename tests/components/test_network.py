"""The network's resources, as the engine would be told of them."""

from typing import Any

import pytest

from tests.security.graph import Graph, environment_settings, graph

SUBNETS = {"eu-central-1a": "subnet-0000000a", "eu-central-1b": "subnet-0000000b"}


def with_aws(stack: str, **changes: Any) -> Graph:
    """An environment with some of its AWS settings exchanged."""
    settings = environment_settings(stack)
    assert settings.aws is not None
    written = settings.aws.model_dump(mode="json", exclude_none=True)
    return graph(environment_settings(stack, aws=written | changes))


@pytest.fixture(scope="module")
def dev() -> Graph:
    return graph(environment_settings("dev"))


@pytest.fixture(scope="module")
def prod() -> Graph:
    return graph(environment_settings("prod"))


def routes_out(made: Graph) -> dict[str, str]:
    """Where each private route table sends what goes to the internet."""
    return {
        str(one.inputs["routeTableId"]): next(
            key for key in ("natGatewayId", "networkInterfaceId", "gatewayId") if key in one.inputs
        )
        for one in made.of("ec2/route")
        if one.inputs["destinationCidrBlock"] == "0.0.0.0/0"
    }


def test_nodes_of_a_small_cluster_go_out_through_the_controller(dev: Graph) -> None:
    assert routes_out(dev) == {
        "dev-public-id": "gatewayId",
        "dev-private-eu-central-1a-id": "networkInterfaceId",
    }
    assert list(dev.of("ec2/natGateway", "ec2/eip")) == []
    (controller,) = dev.of("ec2/instance")
    assert controller.inputs["sourceDestCheck"] is False
    assert controller.inputs["subnetId"] == "dev-public-eu-central-1a-id"


def test_each_zone_of_a_large_cluster_has_a_gateway_of_its_own(prod: Graph) -> None:
    private = {f"prod-private-eu-central-1{zone}-id": "natGatewayId" for zone in "abc"}
    assert routes_out(prod) == {"prod-public-id": "gatewayId", **private}
    (controller,) = prod.of("ec2/instance")
    assert controller.inputs["sourceDestCheck"] is True
    assert controller.inputs["subnetId"] == "prod-controller-eu-central-1a-id"


def test_a_zone_that_is_added_moves_no_other_subnet(prod: Graph) -> None:
    two = with_aws("prod", zones=["eu-central-1a", "eu-central-1c"])
    cidrs = {one.name: one.inputs["cidrBlock"] for one in prod.of("ec2/subnet")}
    assert {one.name: one.inputs["cidrBlock"] for one in two.of("ec2/subnet")}.items() <= (
        cidrs.items()
    )


def test_s3_is_reached_directly_from_every_subnet(prod: Graph) -> None:
    (endpoint,) = prod.of("ec2/vpcEndpoint")
    tables = {f"{one.name}-id" for one in prod.of("ec2/routeTable")}
    assert set(endpoint.inputs["routeTableIds"]) == tables
    assert endpoint.inputs["serviceName"] == "com.amazonaws.eu-central-1.s3"


def test_a_vpc_that_was_there_before_is_used_and_not_changed() -> None:
    existing = {
        "vpc": "vpc-00000001",
        "controller_subnet": "subnet-0000000c",
        "controller_address": "10.0.0.10",
        "compute_subnets": SUBNETS,
    }
    network = {"cidr": "10.0.0.0/16", "existing": existing}
    made = with_aws("dev", zones=sorted(SUBNETS), network=network)
    assert list(made.of("ec2/vpc", "ec2/subnet", "ec2/route", "ec2/natGateway")) == []
    assert {one.inputs["vpcId"] for one in made.of("ec2/securityGroup")} == {"vpc-00000001"}
    (controller,) = made.of("ec2/instance")
    assert controller.inputs["subnetId"] == "subnet-0000000c"
    assert controller.inputs["privateIp"] == "10.0.0.10"
    doors = {one.inputs["subnetId"] for one in made.of("efs/mountTarget")}
    assert doors == set(SUBNETS.values())
