"""Roles: one for the controller's host, one for the nodes of each pool, one for jobs.

What each may do is in policies/; here they become resources.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pulumi
from pulumi_aws import iam

from components.aws.account import Account
from components.aws.policies.controller import controller_policy, launch_policy
from components.aws.policies.facts import Facts, node_path
from components.aws.policies.machines import trust
from components.aws.policies.node import jobs_policy, jobs_trust, node_policy
from components.aws.tags import POOL, named


@dataclass(frozen=True, kw_only=True)
class IdentityArgs:
    """What the roles are about: ids and ARNs of the cluster's parts."""

    account: Account
    cluster: str
    pools: Mapping[str, Sequence[str]]
    """Images of each pool's nodes."""
    subnets: Sequence[pulumi.Input[str]]
    security_groups: Sequence[pulumi.Input[str]]
    amis: Sequence[str]
    system_bucket: pulumi.Input[str]
    data_bucket: pulumi.Input[str]
    parameters: Mapping[str, pulumi.Input[str]]
    repositories: Mapping[str, pulumi.Input[str]]
    homes: pulumi.Input[str]
    homes_access_point: pulumi.Input[str]
    kms_key: str | None
    alert_topic: str | None
    permissions_boundary: str | None
    tags: dict[str, str]


class Identities(pulumi.ComponentResource):
    """The roles, and the instance profiles by which machines have them."""

    controller_profile: pulumi.Output[str]
    """Name of the controller's instance profile."""
    node_profiles: Mapping[str, pulumi.Output[str]]
    """ARN of the nodes' instance profile by pool."""
    jobs_role: pulumi.Output[str]
    """ARN of the role that jobs have."""

    def __init__(
        self, name: str, args: IdentityArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hpcstack:aws:Identities", name, None, opts)
        self._prefix, self._args = name, args
        self._own = pulumi.ResourceOptions(parent=self)
        facts = _facts(args)

        controller = self._role("controller", trust("ec2"))
        self._allow("controller", controller, facts.apply(controller_policy))
        self._allow("controller-launches", controller, facts.apply(launch_policy))
        self.controller_profile = self._profile("controller", controller).name

        jobs = self._role("jobs", facts.apply(jobs_trust))
        self._allow("jobs", jobs, facts.apply(jobs_policy))
        self.jobs_role = jobs.arn

        known = pulumi.Output.all(facts, jobs.arn)
        self.node_profiles = {pool: self._node(pool, known) for pool in sorted(args.pools)}
        self.register_outputs(
            {
                "controller_profile": self.controller_profile,
                "node_profiles": self.node_profiles,
                "jobs_role": self.jobs_role,
            }
        )

    def _node(self, pool: str, known: pulumi.Output[list[Any]]) -> pulumi.Output[str]:
        """`known`: the facts, and the jobs' role."""
        kind, images = f"{pool}-node", self._args.pools[pool]
        path = node_path(self._args.cluster)
        role = self._role(kind, trust("ec2"), path=path, tags={POOL: pool})
        policy = known.apply(lambda told: node_policy(told[0], pool, images, told[1]))
        self._allow(kind, role, policy)
        return self._profile(kind, role).arn

    def _role(
        self,
        kind: str,
        trusted: pulumi.Input[str],
        *,
        path: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> iam.Role:
        name = f"{self._prefix}-{kind}"
        return iam.Role(
            name,
            assume_role_policy=trusted,
            path=path or f"/hpc-stack/{self._args.cluster}/",
            permissions_boundary=self._args.permissions_boundary,
            tags=named(self._args.tags, name, **(tags or {})),
            opts=self._own,
        )

    def _allow(self, kind: str, role: iam.Role, policy: pulumi.Input[str]) -> None:
        iam.RolePolicy(f"{self._prefix}-{kind}", role=role.name, policy=policy, opts=self._own)

    def _profile(self, kind: str, role: iam.Role) -> iam.InstanceProfile:
        name = f"{self._prefix}-{kind}"
        return iam.InstanceProfile(
            name, role=role.name, tags=named(self._args.tags, name), opts=self._own
        )


def _facts(args: IdentityArgs) -> pulumi.Output[Facts]:
    """The same with every id and ARN known."""
    return pulumi.Output.all(
        system_bucket=args.system_bucket,
        data_bucket=args.data_bucket,
        parameters=args.parameters,
        repositories=args.repositories,
        homes=args.homes,
        homes_access_point=args.homes_access_point,
        subnets=args.subnets,
        security_groups=args.security_groups,
    ).apply(
        lambda known: Facts(
            **asdict(args.account),
            cluster=args.cluster,
            amis=args.amis,
            kms_key=args.kms_key,
            alert_topic=args.alert_topic,
            **known,
        )
    )
