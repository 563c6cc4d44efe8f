"""Where a cluster's machines are: in a network of its own, or in one that was there before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
from pulumi_aws import ec2

from components.aws.account import Account
from components.aws.network import Network, NetworkArgs
from config.settings.aws import Aws
from config.subnet_plan import plan_subnets


@dataclass(frozen=True, kw_only=True)
class Place:
    """What the other parts need to know of the network."""

    vpc_id: pulumi.Input[str]
    controller_subnet: pulumi.Input[str]
    controller_address: str
    """By which nodes know it, so that it stays when the machine is replaced."""
    compute_subnets: Mapping[str, pulumi.Input[str]]
    """By zone."""
    forwards: bool
    """Whether the controller forwards for the nodes."""
    route_tables: Mapping[str, pulumi.Input[str]]
    """By zone: those that lack the way out through the controller."""
    made: Sequence[pulumi.Resource]
    """What must be there before a machine can reach anything."""


def make_place(
    name: str, aws: Aws, *, account: Account, tags: dict[str, str], opts: pulumi.ResourceOptions
) -> Place:
    """The place that the settings describe."""
    if existing := aws.network.existing:
        return Place(
            vpc_id=existing.vpc,
            controller_subnet=existing.controller_subnet,
            controller_address=existing.controller_address,
            compute_subnets=dict(existing.compute_subnets),
            forwards=False,
            route_tables={},
            made=(),
        )
    plan = plan_subnets(IPv4Network(aws.network.cidr), aws.zones)
    network = Network(
        name,
        NetworkArgs(
            account=account,
            plan=plan,
            nat=aws.network.nat,
            flow_log_days=aws.network.flow_log_days,
            permissions_boundary=aws.permissions_boundary,
            tags=tags,
        ),
        opts=opts,
    )
    forwards = aws.network.nat == "controller"
    return Place(
        vpc_id=network.vpc_id,
        controller_subnet=network.controller_subnet,
        controller_address=str(plan.controller_address(public=forwards)),
        compute_subnets=network.compute_subnets,
        forwards=forwards,
        route_tables=network.compute_route_tables if forwards else {},
        made=(network,),
    )


def route_through_controller(
    name: str,
    tables: Mapping[str, pulumi.Input[str]],
    interface: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> list[ec2.Route]:
    """The nodes' way out, for each zone's table."""
    return [
        ec2.Route(
            f"{name}-out-{zone}",
            route_table_id=table,
            destination_cidr_block="0.0.0.0/0",
            network_interface_id=interface,
            opts=opts,
        )
        for zone, table in tables.items()
    ]
