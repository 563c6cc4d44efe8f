"""What stands in the way in the account is said before anything is made, and all at once."""

import os
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pulumi
import pytest

from components.aws.account import Account, read_account
from config.catalogue import catalogue
from config.settings import ClusterSettings
from tests.rehearsal.account import RehearsedAccount
from tests.rehearsal.aws_provider.kind import ACCOUNT
from tests.rehearsal.stack import machine_images
from tests.security.graph import environment_settings


@pytest.fixture(autouse=True)
def _in_the_account(account: RehearsedAccount) -> Iterator[None]:
    with mock.patch.dict(os.environ, account.environment()):
        yield


@pytest.fixture(scope="module")
def images(account: RehearsedAccount) -> dict[str, str]:
    return machine_images(account)


def dev(images: dict[str, str], pools: Any = None, **aws: Any) -> ClusterSettings:
    """The small environment, with some of its settings exchanged."""
    settings = environment_settings("dev")
    assert settings.aws is not None
    written = settings.aws.model_dump(mode="json", exclude_none=True) | {"amis": images} | aws
    cpu = {"instance_types": ["c7i.xlarge", "c6i.xlarge"], "max_nodes": 2}
    return environment_settings("dev", aws=written, pools=pools or {"cpu": cpu}, limits={})


def refused(settings: ClusterSettings) -> str:
    with pytest.raises(pulumi.RunError) as caught:
        read_account(settings)
    return str(caught.value)


def test_an_account_that_has_everything_is_told_apart_by_its_number(
    images: dict[str, str],
) -> None:
    assert read_account(dev(images)) == Account(
        account=ACCOUNT, partition="aws", region="eu-central-1"
    )


def test_a_zone_that_the_account_has_not(images: dict[str, str]) -> None:
    text = refused(dev(images, zones=["eu-central-1a", "eu-central-1f"]))
    assert 'cluster.aws.zones[1]: "eu-central-1f"' in text
    assert "allowed: one of eu-central-1a, eu-central-1b, eu-central-1c" in text


def test_an_image_for_other_processors(images: dict[str, str]) -> None:
    text = refused(dev({**images, "arm64": images["x86_64"]}))
    assert "cluster.aws.amis.arm64" in text
    assert "an image for arm64; this one is for x86_64" in text


def test_an_image_that_is_not_there(images: dict[str, str]) -> None:
    text = refused(dev({**images, "x86_64": "ami-0000000000000000f"}))
    assert 'cluster.aws.amis.x86_64: "ami-0000000000000000f"' in text
    assert "make amis" in text


@pytest.fixture(scope="module")
def absent_type(account: RehearsedAccount) -> str:
    """A type that the first zone has not."""
    here: Any = [{"Name": "location", "Values": ["eu-central-1a"]}]
    pages = account.client("ec2").get_paginator("describe_instance_type_offerings")
    offered = {
        offer["InstanceType"]
        for page in pages.paginate(LocationType="availability-zone", Filters=here)
        for offer in page["InstanceTypeOfferings"]
    }
    return min(catalogue().keys() - offered)


def test_a_type_that_no_zone_of_the_pool_has(images: dict[str, str], absent_type: str) -> None:
    pool = {"instance_types": [absent_type], "max_nodes": 1}
    text = refused(dev(images, pools={"cpu": pool}))
    assert f'cluster.pools.cpu.instance_types: "{absent_type}"' in text
    assert "choose another type or zone" in text


def test_everything_at_once(images: dict[str, str], absent_type: str) -> None:
    pool = {"instance_types": [absent_type], "max_nodes": 1}
    settings = dev(
        {**images, "arm64": images["x86_64"]},
        pools={"cpu": pool},
        zones=["eu-central-1a", "eu-central-1f"],
    )
    assert refused(settings).startswith("3 mistakes in the settings; nothing was changed.")


def test_no_credentials(images: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    text = refused(dev(images))
    assert text.startswith("There are no AWS credentials.\nFix: `aws sso login`")


def test_an_account_that_does_not_answer(
    images: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    text = refused(dev(images))
    assert text.startswith("AWS does not answer as it should in eu-central-1: ")
    assert "Fix: check cluster.aws.region" in text


def test_a_vpc_that_was_there_before_is_as_the_settings_say(
    account: RehearsedAccount, images: dict[str, str]
) -> None:
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    made = ec2.create_subnet(
        VpcId=vpc, CidrBlock="10.9.1.0/24", AvailabilityZone="eu-central-1a"
    )["Subnet"]["SubnetId"]  # fmt: skip
    existing = {
        "vpc": vpc,
        "controller_subnet": made,
        "controller_address": "10.9.1.10",
        "compute_subnets": {"eu-central-1a": made},
    }

    def network(cidr: str = "10.9.0.0/16", **changes: Any) -> ClusterSettings:
        return dev(images, network={"cidr": cidr, "existing": {**existing, **changes}})

    assert read_account(network()).region == "eu-central-1"
    text = refused(network("10.0.0.0/8", vpc="vpc-0123abcd"))
    assert 'cluster.aws.network.existing.vpc: "vpc-0123abcd"' in text
    text = refused(
        network(
            "10.8.0.0/15",
            controller_address="10.9.2.10",
            compute_subnets={"eu-central-1a": "subnet-0123abcd"},
        )
    )
    assert "cluster.aws.network.cidr" in text
    assert f"10.9.0.0/16: the range of {vpc}" in text
    assert f"a subnet of {vpc} in eu-central-1a: {made}" in text
    assert f"an address of {made}, which is 10.9.1.0/24" in text
