"""What outlives every machine: the volume with Slurm's state and the database, and the homes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import pulumi
from pulumi_aws import dlm, ebs, efs, iam

from components.aws.account import Account
from components.aws.policies.machines import trust
from components.aws.policies.services import homes_policy, snapshot_policy
from components.aws.tags import CLUSTER, named

HOME_PATH = "/home"


@dataclass(frozen=True, kw_only=True)
class StorageArgs:
    """Where, how large, and how well guarded."""

    account: Account
    zone: str
    """The controller's: a volume is in one zone."""
    subnets: Mapping[str, pulumi.Input[str]]
    """By zone: in each is a door to the homes."""
    security_group: pulumi.Input[str]
    data_gb: int
    snapshot_days: int
    home_unused_days: int
    home_backups: bool
    kms_key: str | None
    protect: bool
    permissions_boundary: str | None
    tags: dict[str, str]


class Storage(pulumi.ComponentResource):
    """An EBS volume, encrypted and with daily snapshots, and an EFS file system."""

    volume_id: pulumi.Output[str]
    homes_id: pulumi.Output[str]
    homes_arn: pulumi.Output[str]
    homes_access_point: pulumi.Output[str]
    homes_access_point_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hpcstack:aws:Storage", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        # Data stays when a stack is destroyed, unless its protection was lifted before.
        guarded = pulumi.ResourceOptions(
            parent=self, protect=args.protect, retain_on_delete=args.protect
        )
        volume = ebs.Volume(
            f"{name}-data",
            availability_zone=args.zone,
            size=args.data_gb,
            type="gp3",
            encrypted=True,
            kms_key_id=args.kms_key,
            tags=named(args.tags, f"{name}-data"),
            opts=guarded,
        )
        _snapshots(f"{name}-snapshots", args, own)
        homes = efs.FileSystem(
            f"{name}-home",
            encrypted=True,
            kms_key_id=args.kms_key,
            throughput_mode="elastic",
            lifecycle_policies=[
                efs.FileSystemLifecyclePolicyArgs(
                    transition_to_ia=_transition(args.home_unused_days)
                ),
                efs.FileSystemLifecyclePolicyArgs(
                    transition_to_primary_storage_class="AFTER_1_ACCESS"
                ),
            ],
            tags=named(args.tags, f"{name}-home"),
            opts=guarded,
        )
        # What guards the homes, and the only door to them, stay with homes that stay.
        with_homes = pulumi.ResourceOptions(parent=self, retain_on_delete=args.protect)
        access = efs.AccessPoint(
            f"{name}-home",
            file_system_id=homes.id,
            root_directory=efs.AccessPointRootDirectoryArgs(
                path=HOME_PATH,
                creation_info=efs.AccessPointRootDirectoryCreationInfoArgs(
                    owner_uid=0, owner_gid=0, permissions="0755"
                ),
            ),
            tags=named(args.tags, f"{name}-home"),
            opts=with_homes,
        )
        efs.BackupPolicy(
            f"{name}-home",
            file_system_id=homes.id,
            backup_policy=efs.BackupPolicyBackupPolicyArgs(
                status="ENABLED" if args.home_backups else "DISABLED"
            ),
            opts=with_homes,
        )
        efs.FileSystemPolicy(
            f"{name}-home",
            file_system_id=homes.id,
            policy=pulumi.Output.all(homes.arn, access.arn).apply(
                lambda arns: homes_policy(file_system=arns[0], access_point=arns[1])
            ),
            opts=with_homes,
        )
        for zone, subnet in args.subnets.items():
            efs.MountTarget(
                f"{name}-home-{zone}",
                file_system_id=homes.id,
                subnet_id=subnet,
                security_groups=[args.security_group],
                opts=own,
            )
        self.volume_id = volume.id
        self.homes_id, self.homes_arn = homes.id, homes.arn
        self.homes_access_point, self.homes_access_point_arn = access.id, access.arn
        self.register_outputs({"volume_id": self.volume_id, "homes_id": self.homes_id})


def _transition(days: int) -> str:
    return "AFTER_1_DAY" if days == 1 else f"AFTER_{days}_DAYS"


def _snapshots(name: str, args: StorageArgs, own: pulumi.ResourceOptions) -> None:
    """Daily snapshots of the cluster's volumes, by AWS itself."""
    role = iam.Role(
        name,
        assume_role_policy=trust("dlm"),
        permissions_boundary=args.permissions_boundary,
        tags=named(args.tags, name),
        opts=own,
    )
    iam.RolePolicy(
        name,
        role=role.name,
        policy=snapshot_policy(args.tags[CLUSTER], **asdict(args.account)),
        opts=own,
    )
    schedule = dlm.LifecyclePolicyPolicyDetailsScheduleArgs(
        name="daily",
        create_rule=dlm.LifecyclePolicyPolicyDetailsScheduleCreateRuleArgs(
            interval=24, interval_unit="HOURS", times="04:00"
        ),
        retain_rule=dlm.LifecyclePolicyPolicyDetailsScheduleRetainRuleArgs(
            count=args.snapshot_days
        ),
        copy_tags=True,
    )
    dlm.LifecyclePolicy(
        name,
        description="daily snapshots of the data of a Slurm cluster",
        execution_role_arn=role.arn,
        state="ENABLED",
        policy_details=dlm.LifecyclePolicyPolicyDetailsArgs(
            resource_types=["VOLUME"],
            # The volume's own name: the root volumes of the cluster's machines hold nothing.
            target_tags={"Name": f"{name.removesuffix('-snapshots')}-data"},
            schedules=[schedule],
        ),
        tags=named(args.tags, name),
        opts=own,
    )
