"""The security groups of a cluster, and their rules as resources of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import ec2, vpc

from components.aws.firewall import Role, Rule
from components.aws.tags import named

_PURPOSE = {
    Role.CONTROLLER: "Slurm services and the login node",
    Role.COMPUTE: "compute nodes",
    Role.STORAGE: "homes",
    Role.MONITORING: "collects metrics",
    Role.EFA: "nodes with Elastic Fabric Adapters",
}


@dataclass(frozen=True, kw_only=True)
class SecurityGroupsArgs:
    """The network, and what may pass in it."""

    vpc_id: pulumi.Input[str]
    rules: Sequence[Rule]
    tags: dict[str, str]


class SecurityGroups(pulumi.ComponentResource):
    """A group for each role that a rule names."""

    ids: Mapping[Role, pulumi.Output[str]]

    def __init__(
        self, name: str, args: SecurityGroupsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hpcstack:aws:SecurityGroups", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        groups = {
            role: ec2.SecurityGroup(
                f"{name}-{role}",
                vpc_id=args.vpc_id,
                description=_PURPOSE[role],
                tags=named(args.tags, f"{name}-{role}"),
                opts=own,
            )
            for role in Role
            if any(role in (rule.group, rule.peer) for rule in args.rules)
        }
        for rule in args.rules:
            _make(f"{name}-{rule.key}", rule, groups, args.tags, own)
        self.ids = {role: group.id for role, group in groups.items()}
        self.register_outputs({"ids": {str(role): one for role, one in self.ids.items()}})


def _make(
    name: str,
    rule: Rule,
    groups: Mapping[Role, ec2.SecurityGroup],
    tags: dict[str, str],
    opts: pulumi.ResourceOptions,
) -> None:
    kind = (
        vpc.SecurityGroupIngressRule if rule.direction == "ingress" else vpc.SecurityGroupEgressRule
    )
    first, last = rule.ports or (None, None)
    kind(
        name,
        security_group_id=groups[rule.group].id,
        referenced_security_group_id=(
            groups[rule.peer].id if isinstance(rule.peer, Role) else None
        ),
        cidr_ipv4=None if isinstance(rule.peer, Role) else rule.peer,
        ip_protocol="-1" if rule.ports is None else "tcp",
        from_port=first,
        to_port=last,
        description=rule.description,
        tags=named(tags, name),
        opts=opts,
    )
