"""CreateFleet: what is asked for, and how its answer is read."""

from typing import Any

import pytest
from node_manager.ec2_fleet_request import (
    MOST_OVERRIDES,
    Made,
    Override,
    Refusal,
    client_token,
    fleet_parameters,
    overrides,
    read_answer,
)
from node_manager.fleet import Capacity

from tests.node_manager.builders import SPOT
from tests.node_manager.moto_server import ec2_fleet


def parameters(capacity: Capacity = Capacity.SPOT, count: int = 7, **pool: Any) -> dict[str, Any]:
    (found,) = ec2_fleet(**pool).pools
    assert found.ec2 is not None
    return fleet_parameters(
        cluster="local",
        tags={"team": "a", "hpc-stack:cluster": "somebody's"},
        pool=found,
        template=found.ec2,
        capacity=capacity,
        count=count,
        wanted=overrides(found.ec2),
    )


def test_every_type_is_asked_for_in_every_subnet() -> None:
    (config,) = parameters()["LaunchTemplateConfigs"]
    assert config["LaunchTemplateSpecification"] == {"LaunchTemplateId": "lt-1", "Version": "1"}
    assert config["Overrides"] == [
        {"InstanceType": "c7i.large", "SubnetId": "subnet-a"},
        {"InstanceType": "c7i.large", "SubnetId": "subnet-b"},
        {"InstanceType": "c7i.xlarge", "SubnetId": "subnet-a"},
        {"InstanceType": "c7i.xlarge", "SubnetId": "subnet-b"},
    ]


def test_ec2_is_not_given_more_overrides_than_it_takes() -> None:
    subnets = tuple(f"subnet-{number}" for number in range(200))
    (config,) = parameters(subnets=subnets)["LaunchTemplateConfigs"]
    assert len(config["Overrides"]) == MOST_OVERRIDES


@pytest.mark.parametrize(
    ("capacity", "pool", "kind", "options"),
    [
        (Capacity.ON_DEMAND, {}, "on-demand", {"OnDemandOptions": "lowest-price"}),
        (Capacity.SPOT, {}, "spot", {"SpotOptions": "price-capacity-optimized"}),
        (Capacity.SPOT, {"spot": None}, "spot", {"SpotOptions": "price-capacity-optimized"}),
        (
            Capacity.SPOT,
            {"spot": {**SPOT, "allocation_strategy": "diversified"}},
            "spot",
            {"SpotOptions": "diversified"},
        ),
    ],
)
def test_machines_are_bought_as_they_were_requested(
    capacity: Capacity, pool: dict[str, Any], kind: str, options: dict[str, str]
) -> None:
    request = parameters(capacity, **pool)
    assert request["Type"] == "instant"
    assert request["TargetCapacitySpecification"] == {
        "TotalTargetCapacity": 7,
        "DefaultTargetCapacityType": kind,
    }
    # No minimum among them: a part is better than nothing.
    assert {key: value for key, value in request.items() if key.endswith("Options")} == {
        key: {"AllocationStrategy": value} for key, value in options.items()
    }


def test_fleet_and_instances_are_tagged_and_nobody_can_take_the_clusters_tag_away() -> None:
    tags = parameters()["TagSpecifications"]
    assert [part["ResourceType"] for part in tags] == ["instance", "fleet"]
    for part in tags:
        assert {tag["Key"]: tag["Value"] for tag in part["Tags"]} == {
            "team": "a",
            "hpc-stack:cluster": "local",
            "hpc-stack:pool": "cpu",
            "hpc-stack:capacity": "spot",
        }


def test_the_token_is_the_same_for_the_same_launch_only() -> None:
    request, nodes = parameters(), ["cpu-1", "cpu-2"]
    token = client_token(request, generation=3, nodes=nodes, serial=(0, 0))
    assert len(token) == 64
    assert token == client_token(request, generation=3, nodes=nodes[::-1], serial=(0, 0))
    others = {
        client_token(parameters(count=8), generation=3, nodes=nodes, serial=(0, 0)),
        client_token(parameters(Capacity.ON_DEMAND), generation=3, nodes=nodes, serial=(0, 0)),
        client_token(request, generation=4, nodes=nodes, serial=(0, 0)),
        client_token(request, generation=3, nodes=["cpu-1", "cpu-3"], serial=(0, 0)),
        client_token(request, generation=3, nodes=nodes, serial=(0, 1)),
    }
    assert len(others | {token}) == 6


def _part(instance_type: str, subnet: str, *ids: str) -> dict[str, Any]:
    override = {"InstanceType": instance_type, "SubnetId": subnet}
    return {
        "InstanceType": instance_type,
        "InstanceIds": list(ids),
        "LaunchTemplateAndOverrides": {"Overrides": override},
    }


@pytest.mark.parametrize(
    "instances",
    [
        [_part("c7i.large", "subnet-a", "i-1", "i-2"), _part("c7i.xlarge", "subnet-b", "i-3")],
        [
            _part("c7i.large", "subnet-a", "i-1"),
            _part("c7i.large", "subnet-a", "i-2"),
            _part("c7i.xlarge", "subnet-b", "i-3"),
        ],
    ],
    ids=["by override", "by instance"],
)
def test_both_shapes_of_an_answer_are_read(instances: list[dict[str, Any]]) -> None:
    assert read_answer({"Instances": instances}).made == (
        Made(instance_id="i-1", instance_type="c7i.large", subnet="subnet-a"),
        Made(instance_id="i-2", instance_type="c7i.large", subnet="subnet-a"),
        Made(instance_id="i-3", instance_type="c7i.xlarge", subnet="subnet-b"),
    )


def test_errors_are_read_also_where_they_name_nothing() -> None:
    errors = [
        {"ErrorCode": "A", "ErrorMessage": "a", **_part("c7i.large", "subnet-a")},
        {"ErrorCode": "B", "ErrorMessage": "b"},
        {},
    ]
    assert read_answer({"Errors": errors}).refusals == (
        Refusal(code="A", message="a", instance_type="c7i.large", subnet="subnet-a"),
        Refusal(code="B", message="b"),
        Refusal(code="unknown", message=""),
    )
    assert read_answer({}).made == ()


def test_an_override_is_shown_to_people() -> None:
    assert str(Override("c7i.large", "subnet-a")) == "c7i.large in subnet-a"
