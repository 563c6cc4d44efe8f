"""What only the account can tell, asked before anything is planned: does it answer, what has it.

Everything that is wrong is reported at once, like mistakes in the settings. boto3 finds credentials
and endpoint as AWS' own tools do.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import boto3
import pulumi
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from config.catalogue import catalogue
from config.settings import ClusterSettings, Mistake, SettingsError
from config.settings.aws import Aws, ExistingNetwork
from config.settings.aws_consistency import ami_key

_PATIENCE = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 3})


@dataclass(frozen=True, kw_only=True)
class Account:
    """The account that the credentials belong to."""

    account: str
    """Its number, twelve digits."""
    partition: str
    """`aws`, or that of China or of a government."""
    region: str


def read_account(settings: ClusterSettings) -> Account:
    """Ask the account. Raises pulumi.RunError with everything in the way."""
    aws = settings.aws
    if aws is None:
        raise ValueError("settings of a cluster on AWS have the part aws")
    try:
        identity = _client("sts", aws.region).get_caller_identity()
        mistakes = list(_mistakes(settings, aws))
    except NoCredentialsError:
        raise pulumi.RunError(
            "There are no AWS credentials.\nFix: `aws sso login` or `aws configure`, and "
            "AWS_PROFILE if you have several; see docs/aws.md"
        ) from None
    except (BotoCoreError, ClientError) as error:
        raise pulumi.RunError(
            f"AWS does not answer as it should in {aws.region}: {error}\n"
            "Fix: check cluster.aws.region, your credentials (`aws sts get-caller-identity`) and "
            "the network"
        ) from None
    if mistakes:
        raise pulumi.RunError(str(SettingsError(mistakes)))
    return Account(
        account=identity["Account"], partition=identity["Arn"].split(":")[1], region=aws.region
    )


def _client(service: str, region: str) -> Any:
    # A session of its own remembers no other credentials. Any: the stubs' overloads want literals.
    make: Callable[..., Any] = boto3.session.Session().client
    return make(service, region_name=region, config=_PATIENCE)


def _mistakes(settings: ClusterSettings, aws: Aws) -> Iterator[Mistake]:
    ec2 = _client("ec2", aws.region)
    zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]]
    for index, zone in enumerate(aws.zones):
        if zone not in zones:
            yield Mistake(
                f"cluster.aws.zones[{index}]",
                f'"{zone}"',
                f"one of {', '.join(sorted(zones))}: what your account has in {aws.region}",
                "choose one of these",
            )
    if existing := aws.network.existing:
        yield from _existing_network(ec2, aws, existing)
    yield from _offers(ec2, settings, aws)
    yield from _amis(ec2, settings, aws)


def _existing_network(ec2: Any, aws: Aws, existing: ExistingNetwork) -> Iterator[Mistake]:
    """What is not as the settings say of a VPC that was there before."""
    path = "cluster.aws.network.existing"
    wanted = [(f"{path}.controller_subnet", existing.controller_subnet, aws.zones[0])]
    wanted += [
        (f"{path}.compute_subnets.{zone}", subnet, zone)
        for zone, subnet in existing.compute_subnets.items()
    ]
    by_id = [{"Name": "vpc-id", "Values": [existing.vpc]}]
    vpcs = ec2.describe_vpcs(Filters=by_id)["Vpcs"]
    if not vpcs:
        yield Mistake(f"{path}.vpc", f'"{existing.vpc}"', f"a VPC in {aws.region}", "correct it")
        return
    ranges = [one["CidrBlock"] for one in vpcs[0]["CidrBlockAssociationSet"]]
    if aws.network.cidr not in ranges:
        yield Mistake(
            "cluster.aws.network.cidr",
            f'"{aws.network.cidr}"',
            f"{' or '.join(ranges)}: the range of {existing.vpc}",
            "write the VPC's own range",
        )
    pages = ec2.get_paginator("describe_subnets").paginate(Filters=by_id)
    subnets = {one["SubnetId"]: one for page in pages for one in page["Subnets"]}
    for where, subnet, zone in wanted:
        if subnet not in subnets or subnets[subnet]["AvailabilityZone"] != zone:
            fits = [key for key, one in subnets.items() if one["AvailabilityZone"] == zone]
            yield Mistake(
                where,
                f'"{subnet}"',
                f"a subnet of {existing.vpc} in {zone}: {', '.join(sorted(fits)) or 'it has none'}",
                "choose one of these",
            )
    own = subnets.get(existing.controller_subnet)
    if own and IPv4Address(existing.controller_address) not in IPv4Network(own["CidrBlock"]):
        yield Mistake(
            f"{path}.controller_address",
            f'"{existing.controller_address}"',
            f"an address of {existing.controller_subnet}, which is {own['CidrBlock']}",
            "choose one that nobody has",
        )


def _offers(ec2: Any, settings: ClusterSettings, aws: Aws) -> Iterator[Mistake]:
    """Types that no zone of their pool has."""
    wanted: dict[str, tuple[Sequence[str], Sequence[str]]] = {
        "cluster.aws.controller.instance_type": ((aws.controller.instance_type,), aws.zones[:1])
    }
    for name, pool in settings.pools.items():
        path = f"cluster.pools.{name}.instance_types"
        wanted[path] = (pool.instance_types, settings.pool_zones(name))
    types = sorted({kind for kinds, _ in wanted.values() for kind in kinds})
    offered: dict[str, set[str]] = {}
    pages = ec2.get_paginator("describe_instance_type_offerings").paginate(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": types}]
    )
    for page in pages:
        for offer in page["InstanceTypeOfferings"]:
            offered.setdefault(offer["InstanceType"], set()).add(offer["Location"])
    for path, (kinds, zones) in sorted(wanted.items()):
        for kind in kinds:
            has = offered.get(kind, set())
            if not has & set(zones):
                where = f"it is in {', '.join(sorted(has))}" if has else "the region has none"
                yield Mistake(
                    path,
                    f'"{kind}"',
                    f"a type that {' or '.join(zones)} has; {where}",
                    "choose another type or zone",
                )


def _amis(ec2: Any, settings: ClusterSettings, aws: Aws) -> Iterator[Mistake]:
    """Machine images that are not there, or for other processors."""
    kinds = [aws.controller.instance_type]
    kinds += [kind for pool in settings.pools.values() for kind in pool.instance_types]
    wanted = {ami_key(catalogue()[kind]): catalogue()[kind].architecture for kind in kinds}
    ids = {key: getattr(aws.amis, key) for key in wanted}
    found = {
        image["ImageId"]: image
        for image in ec2.describe_images(
            Filters=[{"Name": "image-id", "Values": sorted(ids.values())}]
        )["Images"]
    }
    for key, architecture in sorted(wanted.items()):
        image = found.get(ids[key])
        if image is None:
            allowed = f"the id of a machine image in {aws.region}"
        elif image["Architecture"] != architecture:
            allowed = f"an image for {architecture}; this one is for {image['Architecture']}"
        else:
            continue
        yield Mistake(
            f"cluster.aws.amis.{key}",
            f'"{ids[key]}"',
            allowed,
            "run `make amis STACK=NAME`, which looks up the newest and writes it down",
        )
