"""The controller's host: one machine with a fixed address and a volume that outlives it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import cloudwatch, ec2

from components.aws.compute_pool import METADATA
from components.aws.tags import named

DATA_DEVICE = "/dev/sdf"
"""As the volume is called when it is attached; the host sees it by its id (NVMe)."""


@dataclass(frozen=True, kw_only=True)
class ControllerArgs:
    """The machine, and what is attached to it."""

    region: str
    ami: str
    instance_type: str
    root_gb: int
    subnet: pulumi.Input[str]
    address: str
    """The private address that it always has."""
    forwards: bool
    """Whether it has a public address and forwards for the nodes."""
    security_groups: list[pulumi.Input[str]]
    instance_profile: pulumi.Input[str]
    user_data: pulumi.Input[str]
    """In base64."""
    volume_id: pulumi.Input[str]
    kms_key: str | None
    needed: Sequence[pulumi.Resource]
    """What it cannot boot without: it boots at once when it is made, and only then."""
    tags: dict[str, str]


class Controller(pulumi.ComponentResource):
    """An instance that AWS brings back when its host fails, and an alarm that restarts it."""

    instance_id: pulumi.Output[str]
    private_address: pulumi.Output[str]
    network_interface: pulumi.Output[str]

    def __init__(
        self, name: str, args: ControllerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hpcstack:aws:Controller", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        # The old machine must be gone before the new one can have its address and its volume.
        replaced_in_place = pulumi.ResourceOptions(parent=self, delete_before_replace=True)
        after_the_rest = pulumi.ResourceOptions(
            parent=self, delete_before_replace=True, depends_on=list(args.needed)
        )
        host = ec2.Instance(
            name,
            ami=args.ami,
            instance_type=args.instance_type,
            subnet_id=args.subnet,
            private_ip=args.address,
            associate_public_ip_address=args.forwards,
            source_dest_check=not args.forwards,
            vpc_security_group_ids=args.security_groups,
            iam_instance_profile=args.instance_profile,
            user_data_base64=args.user_data,
            user_data_replace_on_change=True,
            metadata_options=ec2.InstanceMetadataOptionsArgs(**METADATA),
            maintenance_options=ec2.InstanceMaintenanceOptionsArgs(auto_recovery="default"),
            root_block_device=ec2.InstanceRootBlockDeviceArgs(
                volume_size=args.root_gb,
                volume_type="gp3",
                encrypted=True,
                kms_key_id=args.kms_key,
                delete_on_termination=True,
                tags=named(args.tags, f"{name}-root"),
            ),
            tags=named(args.tags, name),
            opts=after_the_rest,
        )
        ec2.VolumeAttachment(
            f"{name}-data",
            instance_id=host.id,
            volume_id=args.volume_id,
            device_name=DATA_DEVICE,
            # MySQL and slurmctld write their last when the machine stops, not before.
            stop_instance_before_detaching=True,
            opts=replaced_in_place,
        )
        _restart_when_ill(f"{name}-ill", args, host.id, own)
        self.instance_id = host.id
        self.private_address = host.private_ip
        self.network_interface = host.primary_network_interface_id
        self.register_outputs(
            {"instance_id": self.instance_id, "private_address": self.private_address}
        )


def _restart_when_ill(
    name: str, args: ControllerArgs, instance: pulumi.Output[str], own: pulumi.ResourceOptions
) -> None:
    """AWS recovers a machine whose host failed; one that hangs by itself is restarted here."""
    cloudwatch.MetricAlarm(
        name,
        alarm_description="The controller does not answer its status check: restart it",
        namespace="AWS/EC2",
        metric_name="StatusCheckFailed_Instance",
        dimensions={"InstanceId": instance},
        statistic="Maximum",
        period=60,
        evaluation_periods=5,
        threshold=1,
        comparison_operator="GreaterThanOrEqualToThreshold",
        # A machine that was stopped on purpose has no data, and is not ill.
        treat_missing_data="notBreaching",
        alarm_actions=[f"arn:aws:automate:{args.region}:ec2:reboot"],
        tags=named(args.tags, name),
        opts=own,
    )
