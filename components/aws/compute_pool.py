"""A pool of compute nodes: the launch template from which the node manager starts them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import ec2

from components.aws.tags import POOL, named

ROOT_DEVICE = "/dev/xvda"
"""Of Amazon Linux' machine images."""


@dataclass(frozen=True, kw_only=True)
class ComputePoolArgs:
    """What a node of the pool is. What differs between two nodes is not in it."""

    pool: str
    ami: str
    instance_type: str
    """The first of the pool's types; the node manager names one at each launch."""
    root_gb: int
    instance_profile_arn: pulumi.Input[str]
    security_groups: Sequence[pulumi.Input[str]]
    user_data: pulumi.Input[str]
    """In base64."""
    placement_group: bool
    efa: bool
    kms_key: str | None
    tags: dict[str, str]


class ComputePool(pulumi.ComponentResource):
    """A launch template, whose changes concern nodes that are launched afterwards."""

    launch_template_id: pulumi.Output[str]
    launch_template_arn: pulumi.Output[str]
    launch_template_version: pulumi.Output[int]

    def __init__(
        self, name: str, args: ComputePoolArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hpcstack:aws:ComputePool", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        tags = named(args.tags, name, **{POOL: args.pool})
        group = (
            ec2.PlacementGroup(name, strategy="cluster", tags=tags, opts=own)
            if args.placement_group
            else None
        )
        template = ec2.LaunchTemplate(
            name,
            description=f"Nodes of pool {args.pool}",
            image_id=args.ami,
            instance_type=args.instance_type,
            update_default_version=True,
            user_data=args.user_data,
            instance_initiated_shutdown_behavior="terminate",
            iam_instance_profile=ec2.LaunchTemplateIamInstanceProfileArgs(
                arn=args.instance_profile_arn
            ),
            metadata_options=ec2.LaunchTemplateMetadataOptionsArgs(**METADATA),
            block_device_mappings=[_root_volume(args)],
            placement=(ec2.LaunchTemplatePlacementArgs(group_name=group.name) if group else None),
            tag_specifications=[
                ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=tags)
                for kind in ("instance", "volume", "network-interface")
            ],
            tags=tags,
            opts=own,
            **_network(args),
        )
        self.launch_template_id = template.id
        self.launch_template_arn = template.arn
        self.launch_template_version = template.latest_version
        self.register_outputs(
            {
                "launch_template_id": self.launch_template_id,
                "launch_template_version": self.launch_template_version,
            }
        )


METADATA: Mapping[str, Any] = {
    "http_endpoint": "enabled",
    # Version 2 alone; and no container on a bridge gets the machine's role.
    "http_tokens": "required",
    "http_put_response_hop_limit": 1,
    "instance_metadata_tags": "disabled",
}
"""How the metadata service of every machine of ours answers."""


def _root_volume(args: ComputePoolArgs) -> ec2.LaunchTemplateBlockDeviceMappingArgs:
    return ec2.LaunchTemplateBlockDeviceMappingArgs(
        device_name=ROOT_DEVICE,
        ebs=ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
            volume_size=args.root_gb,
            volume_type="gp3",
            encrypted="true",
            kms_key_id=args.kms_key,
            delete_on_termination="true",
        ),
    )


def _network(args: ComputePoolArgs) -> dict[str, Any]:
    """Security groups, where they must be named with an adapter; the subnet is CreateFleet's."""
    if not args.efa:
        return {"vpc_security_group_ids": list(args.security_groups)}
    adapter = ec2.LaunchTemplateNetworkInterfaceArgs(
        device_index=0,
        interface_type="efa",
        associate_public_ip_address="false",
        delete_on_termination="true",
        security_groups=list(args.security_groups),
    )
    return {"network_interfaces": [adapter]}
