"""What EC2 knows to be wrong with running machines."""

from typing import Any, cast

import pytest
from node_manager.ec2_calls import Calls
from node_manager.ec2_health import Health, trouble

from tests.node_manager.builders import NOW
from tests.node_manager.scripted_ec2 import ScriptedEc2, refusal

RETIREMENT = {"Code": "instance-retirement", "NotBefore": "2027-01-15T08:00:00.000Z"}
STOP = {"Code": "instance-stop", "NotBefore": "2027-01-14T08:00:00.000Z"}


def checks(system: str = "ok", instance: str = "ok", *events: Any) -> dict[str, Any]:
    return {
        "InstanceId": "i-a",
        "SystemStatus": {"Status": system},
        "InstanceStatus": {"Status": instance},
        "Events": list(events),
    }


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (checks(), ""),
        (checks("initializing", "insufficient-data"), ""),
        (checks("impaired"), "impaired: system status check failed"),
        (checks("ok", "impaired"), "impaired: instance status check failed"),
        (checks("impaired", "impaired"), "impaired: system and instance status check failed"),
        (
            checks("ok", "ok", RETIREMENT),
            "scheduled for retirement at 2027-01-15T08:00:00.000Z",
        ),
        (
            checks("ok", "ok", RETIREMENT, STOP),
            "scheduled for a stop at 2027-01-14T08:00:00.000Z",
        ),
        (checks("ok", "ok", {"Code": "system-reboot"}), "scheduled for a reboot"),
        (checks("ok", "ok", {**RETIREMENT, "Description": "[Completed] The host."}), ""),
        (checks("ok", "ok", {**RETIREMENT, "Description": "[Canceled] The host."}), ""),
        (checks("ok", "ok", {"Code": "something-new"}), ""),
        ({"InstanceId": "i-a"}, ""),
    ],
)
def test_trouble_is_named(status: dict[str, Any], words: str) -> None:
    assert trouble(status) == words


def health() -> tuple[Health, ScriptedEc2]:
    ec2 = ScriptedEc2(lambda: NOW)
    return Health(cast(Any, ec2), Calls(sleep=lambda _: None)), ec2


def test_only_machines_in_trouble_are_asked_for_and_once_a_minute() -> None:
    found, ec2 = health()
    ec2.statuses = [checks("impaired"), {**checks(), "InstanceId": "i-b"}]
    found.look(NOW)
    found.look(NOW + 59)
    assert found.troubles == {"i-a": "impaired: system status check failed"}
    filters = [request["Filters"] for request in ec2.requests("DescribeInstanceStatus")]
    assert [condition["Name"] for (condition,) in filters] == [
        "system-status.status",
        "instance-status.status",
        "event.code",
    ]
    ec2.statuses = []
    found.look(NOW + 60)
    assert found.troubles == {}


def test_without_an_answer_the_last_one_counts() -> None:
    found, ec2 = health()
    ec2.statuses = [checks("impaired")]
    found.look(NOW)
    ec2.refuse["DescribeInstanceStatus"] = [refusal("UnauthorizedOperation", status=403)]
    found.look(NOW + 60)
    assert found.troubles == {"i-a": "impaired: system status check failed"}
