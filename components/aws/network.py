"""The VPC: private subnets for nodes, a small public one a zone, S3 without a detour, flow logs.

What may pass between machines is firewall.py's; addresses are config/subnet_plan.py's; where a
cluster is in a VPC that was there before is place.py's.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import pulumi
from pulumi_aws import cloudwatch, ec2, iam

from components.aws.account import Account
from components.aws.policies.services import flow_log_policy, flow_log_trust
from components.aws.tags import named
from config.subnet_plan import SubnetPlan


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """A network of its own for one cluster."""

    account: Account
    plan: SubnetPlan
    nat: Literal["controller", "gateway"]
    flow_log_days: int
    permissions_boundary: str | None
    tags: dict[str, str]


class Network(pulumi.ComponentResource):
    """One VPC with a public and a private subnet in each zone."""

    vpc_id: pulumi.Output[str]
    controller_subnet: pulumi.Output[str]
    """Public where the controller forwards for the nodes, else private."""
    compute_subnets: Mapping[str, pulumi.Output[str]]
    """Private subnets by zone."""
    compute_route_tables: Mapping[str, pulumi.Output[str]]
    """By zone. With `nat: controller` the way out is missing until there is a controller."""

    def __init__(
        self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hpcstack:aws:Network", name, None, opts)
        self._prefix, self._args = name, args
        self._own = pulumi.ResourceOptions(parent=self)
        vpc = ec2.Vpc(
            f"{name}-vpc",
            cidr_block=str(args.plan.cidr),
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=named(args.tags, name),
            opts=self._own,
        )
        self.vpc_id = vpc.id
        # Without rules: who forgets to name a group gets none of ours.
        ec2.DefaultSecurityGroup(
            f"{name}-default",
            vpc_id=vpc.id,
            ingress=[],
            egress=[],
            tags=named(args.tags, f"{name}-default-unused"),
            opts=self._own,
        )
        public = self._public_subnets()
        private = {
            zone: self._subnet("private", zone, str(network))
            for zone, network in args.plan.private.items()
        }
        tables = {zone: self._table(f"private-{zone}", private[zone], zone) for zone in private}
        home_zone = next(iter(private))
        if args.nat == "gateway":
            for zone, table in tables.items():
                self._gateway(zone, public[zone], table)
            controller = self._subnet("controller", home_zone, str(args.plan.controller))
            self._associate("controller", controller, tables[home_zone].id)
            self.controller_subnet = controller.id
        else:
            self.controller_subnet = public[home_zone].id
        ec2.VpcEndpoint(
            f"{name}-s3",
            vpc_id=vpc.id,
            service_name=f"com.amazonaws.{args.account.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in (self._public_table, *tables.values())],
            tags=named(args.tags, f"{name}-s3"),
            opts=self._own,
        )
        self._flow_logs()
        self.compute_subnets = {zone: subnet.id for zone, subnet in private.items()}
        self.compute_route_tables = {zone: table.id for zone, table in tables.items()}
        self.register_outputs(
            {
                "vpc_id": self.vpc_id,
                "controller_subnet": self.controller_subnet,
                "compute_subnets": self.compute_subnets,
            }
        )

    def _public_subnets(self) -> dict[str, ec2.Subnet]:
        self._internet = internet = ec2.InternetGateway(
            f"{self._prefix}-internet",
            vpc_id=self.vpc_id,
            tags=named(self._args.tags, self._prefix),
            opts=self._own,
        )
        self._public_table = ec2.RouteTable(
            f"{self._prefix}-public",
            vpc_id=self.vpc_id,
            tags=named(self._args.tags, f"{self._prefix}-public"),
            opts=self._own,
        )
        ec2.Route(
            f"{self._prefix}-public-internet",
            route_table_id=self._public_table.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=internet.id,
            opts=self._own,
        )
        subnets = {}
        for zone, network in self._args.plan.public.items():
            subnets[zone] = self._subnet("public", zone, str(network))
            self._associate(f"public-{zone}", subnets[zone], self._public_table.id)
        return subnets

    def _subnet(self, kind: str, zone: str, cidr: str) -> ec2.Subnet:
        name = f"{self._prefix}-{kind}-{zone}"
        return ec2.Subnet(
            name,
            vpc_id=self.vpc_id,
            availability_zone=zone,
            cidr_block=cidr,
            # Not even in a public subnet does a machine get a public address by itself.
            map_public_ip_on_launch=False,
            tags=named(self._args.tags, name),
            opts=self._own,
        )

    def _table(self, kind: str, subnet: ec2.Subnet, zone: str) -> ec2.RouteTable:
        table = ec2.RouteTable(
            f"{self._prefix}-{kind}",
            vpc_id=self.vpc_id,
            tags=named(self._args.tags, f"{self._prefix}-{kind}"),
            opts=self._own,
        )
        self._associate(kind, subnet, table.id)
        return table

    def _associate(self, kind: str, subnet: ec2.Subnet, table: pulumi.Input[str]) -> None:
        ec2.RouteTableAssociation(
            f"{self._prefix}-{kind}-routes",
            subnet_id=subnet.id,
            route_table_id=table,
            opts=self._own,
        )

    def _gateway(self, zone: str, public: ec2.Subnet, table: ec2.RouteTable) -> None:
        name = f"{self._prefix}-nat-{zone}"
        # Neither works, nor can it go, while the VPC is not attached to the internet.
        attached = pulumi.ResourceOptions(parent=self, depends_on=[self._internet])
        address = ec2.Eip(name, domain="vpc", tags=named(self._args.tags, name), opts=attached)
        gateway = ec2.NatGateway(
            name,
            subnet_id=public.id,
            allocation_id=address.allocation_id,
            tags=named(self._args.tags, name),
            opts=attached,
        )
        ec2.Route(
            f"{name}-route",
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            nat_gateway_id=gateway.id,
            opts=self._own,
        )

    def _flow_logs(self) -> None:
        name, args = f"{self._prefix}-flow-logs", self._args
        group = cloudwatch.LogGroup(
            name,
            retention_in_days=args.flow_log_days,
            tags=named(args.tags, name),
            opts=self._own,
        )
        role = iam.Role(
            name,
            assume_role_policy=flow_log_trust(**asdict(args.account)),
            permissions_boundary=args.permissions_boundary,
            tags=named(args.tags, name),
            opts=self._own,
        )
        iam.RolePolicy(
            name,
            role=role.name,
            policy=group.arn.apply(flow_log_policy),
            opts=self._own,
        )
        ec2.FlowLog(
            name,
            vpc_id=self.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            max_aggregation_interval=600,
            tags=named(args.tags, name),
            opts=self._own,
        )
