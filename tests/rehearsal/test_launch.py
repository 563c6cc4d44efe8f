"""The node manager at work in a cluster that the program made: its templates, subnets, bucket."""

import json
import os
from typing import Any
from unittest import mock

import pytest
import yaml
from node_manager.ec2_provider import Ec2Provider
from node_manager.fleet import Fleet
from node_manager.fleet_file import parse_fleet
from node_manager.provider import LaunchRequest

from tests.rehearsal.account import RehearsedAccount
from tests.rehearsal.stack import RehearsedStack, rehearse


@pytest.fixture(scope="module")
def stack(account: RehearsedAccount, tmp_path_factory: pytest.TempPathFactory) -> RehearsedStack:
    """A production cluster that is up."""
    account.forget_all()
    made = rehearse("prod", account, tmp_path_factory.mktemp("prod"))
    made.up()
    return made


@pytest.fixture(scope="module")
def fleet(stack: RehearsedStack) -> Fleet:
    """The fleet that the controller's node manager would read from the bundle."""
    inputs = stack.resource("prod-bundle", "BucketObjectv2")["inputs"]
    answer = stack.account.client("s3").get_object(Bucket=inputs["bucket"], Key=inputs["key"])
    compose = yaml.safe_load(json.loads(answer["Body"].read())["compose"])
    manager = compose["services"]["node-manager"]
    (config,) = (one["source"] for one in manager["configs"] if "fleet" in one["target"])
    return parse_fleet(json.loads(compose["configs"][config]["content"].replace("$$", "$")))


@pytest.fixture
def provider(stack: RehearsedStack, fleet: Fleet) -> Ec2Provider:
    """The manager's hands, in the rehearsed account."""
    with mock.patch.dict(os.environ, stack.account.environment()):
        return Ec2Provider(fleet)


def instances(stack: RehearsedStack, ids: list[str]) -> list[dict[str, Any]]:
    found = stack.account.client("ec2").describe_instances(InstanceIds=ids)["Reservations"]
    return [instance for one in found for instance in one["Instances"]]


def test_nodes_come_from_the_templates_of_the_stack_and_are_told_their_names(
    stack: RehearsedStack, fleet: Fleet, provider: Ec2Provider
) -> None:
    pool = next(one for one in fleet.pools if one.name == "spot")
    wanted = [LaunchRequest(node=f"spot-{k}", pool=pool) for k in (1, 2, 3)]
    results = provider.launch(wanted)
    made = {one.node: one.provider_id for one in results}
    assert all(made.values()), results

    bucket = stack.resource("prod-system", "Bucket")["id"]
    names = stack.account.client("s3").get_object(Bucket=bucket, Key="names/spot.json")
    assert json.loads(names["Body"].read())["names"] == {key: node for node, key in made.items()}

    machines = instances(stack, [key for key in made.values() if key])
    assert pool.ec2 is not None
    assert {one["SubnetId"] for one in machines} <= set(pool.ec2.subnets)
    types = {kind.name for kind in pool.ec2.instance_types}
    assert {one["InstanceType"] for one in machines} <= types
    for one in machines:
        tags = {tag["Key"]: tag["Value"] for tag in one["Tags"]}
        assert (tags["hpc-stack:cluster"], tags["hpc-stack:pool"]) == ("prod", "spot")

    ended = provider.terminate([one for one in provider.list_instances() if one.node in made])
    assert [one.error for one in ended] == [""] * 3


@pytest.mark.parametrize("name", ["cpu", "spot", "arm", "gpu"])
def test_every_pool_is_launched_in_the_zones_of_the_cluster_from_its_own_template(
    stack: RehearsedStack, fleet: Fleet, name: str
) -> None:
    pool = next(one for one in fleet.pools if one.name == name)
    assert pool.ec2 is not None
    assert pool.ec2.launch_template == stack.resource(f"prod-{name}", "LaunchTemplate")["id"]
    assert set(pool.ec2.subnets) == {
        stack.resource(f"prod-private-eu-central-1{zone}", "Subnet")["id"] for zone in "abc"
    }
