"""`make up`, `down`, `status` and `clean` of a cluster on AWS, on a stack that the engine made."""

from collections.abc import Iterator
from typing import Any

import pytest

from ops.down import clean, down
from ops.on_aws import AwsCluster, aws_cluster
from ops.stack import Stack, StackProblem
from ops.up import up
from tests.rehearsal.account import RehearsedAccount
from tests.rehearsal.stack import RehearsedStack, played_controller, rehearse

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def rehearsed(
    account: RehearsedAccount, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RehearsedStack]:
    """The development environment. The tests of this module follow each other on it."""
    account.forget_all()
    with pytest.MonkeyPatch.context() as surroundings:
        for name, value in account.environment().items():
            surroundings.setenv(name, value)
        with played_controller(account):
            yield rehearse("dev", account, tmp_path_factory.mktemp("commands"))


@pytest.fixture
def stack(rehearsed: RehearsedStack) -> Stack:
    """As our commands open it, in the rehearsed account."""
    return rehearsed.here()


def configure(rehearsed: RehearsedStack, **changes: Any) -> dict[str, Any]:
    """Exchange settings of `aws`; what they were."""
    before: dict[str, Any] = rehearsed.settings()["aws"]
    rehearsed.configure(aws={**before, **changes})
    return before


def test_after_up_the_other_commands_find_the_cluster(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    up(stack)
    assert "The cluster dev is up." in capsys.readouterr().out
    assert aws_cluster(stack).state() == "running"
    up(stack)
    assert "Nothing to change" in capsys.readouterr().out


def test_what_is_stopped_is_started_again(stack: Stack) -> None:
    before = aws_cluster(stack).controller
    down(stack)
    assert aws_cluster(stack).state() == "stopped"
    up(stack)
    assert (aws_cluster(stack).controller, aws_cluster(stack).state()) == (before, "running")


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ({"zones": ["eu-central-1b", "eu-central-1a"]}, {"dev-data"}),
        (
            {"storage": {"kms_key": "arn:aws:kms:eu-central-1:123456789012:key/1"}},
            {"dev-data", "dev-home"},
        ),
    ],
)
def test_settings_that_would_delete_data_are_refused_and_change_nothing(
    stack: Stack, rehearsed: RehearsedStack, changes: dict[str, Any], lost: set[str]
) -> None:
    before = configure(rehearsed, **changes)
    resources = rehearsed.resources()
    with pytest.raises(StackProblem) as caught:
        up(stack)
    told = str(caught.value)
    assert "would delete data, and nothing was changed" in told
    named = {line.split(":")[0].strip() for line in told.splitlines() if line.startswith("    ")}
    assert named == lost
    assert rehearsed.resources() == resources
    rehearsed.configure(aws=before)


def test_a_second_zone_loses_nothing(stack: Stack, rehearsed: RehearsedStack) -> None:
    volume = rehearsed.resource("dev-data", "Volume")["id"]
    before = configure(rehearsed, zones=["eu-central-1a", "eu-central-1b"])
    up(stack)
    assert rehearsed.resource("dev-data", "Volume")["id"] == volume
    assert rehearsed.resource("dev-home-eu-central-1b", "MountTarget")
    # It goes again with the next change: moto cannot end an endpoint that got another table later.
    rehearsed.configure(aws=before)


def test_who_may_come_from_outside_is_told_where_to(
    stack: Stack, rehearsed: RehearsedStack, capsys: pytest.CaptureFixture[str]
) -> None:
    network = rehearsed.settings()["aws"]["network"]
    configure(rehearsed, network={**network, "ssh_from": ["193.99.144.0/24"]})
    up(stack)
    address = aws_cluster(stack).address()
    assert address
    assert f"ssh -p 2022 USER@{address}" in capsys.readouterr().out


def test_a_controller_that_somebody_ended_is_made_again_with_its_data(
    stack: Stack, rehearsed: RehearsedStack, capsys: pytest.CaptureFixture[str]
) -> None:
    volume = rehearsed.resource("dev-data", "Volume")["id"]
    gone = aws_cluster(stack)
    rehearsed.account.client("ec2").terminate_instances(InstanceIds=[gone.controller])
    with pytest.raises(StackProblem, match="is gone, its data is not"):
        down(stack)
    up(stack)
    assert f"The controller {gone.controller} is gone" in capsys.readouterr().out
    made: AwsCluster = aws_cluster(stack)
    assert (made.state(), made.controller != gone.controller) == ("running", True)
    assert rehearsed.resource("dev-data", "Volume")["id"] == volume


def test_a_cluster_of_somebody_elses_state_is_not_touched(
    stack: Stack, rehearsed: RehearsedStack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = rehearse("dev", rehearsed.account, tmp_path_factory.mktemp("colleague"))
    with pytest.raises(StackProblem, match="The account has a cluster dev in eu-central-1 already"):
        up(other.here())
    assert other.resources() == []


def test_clean_leaves_nothing(stack: Stack, rehearsed: RehearsedStack) -> None:
    resources = rehearsed.resources()
    clean(stack)
    assert rehearsed.still_there(resources) == []
