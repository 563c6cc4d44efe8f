"""`make amis`: the newest machine images, looked up once and written down."""

import os
from pathlib import Path
from unittest import mock

import pytest

from ops.amis import PARAMETERS, newest
from ops.aws_settings import region_of
from ops.environment import CHECKOUT
from ops.stack import StackProblem
from tests.rehearsal.account import REGION, RehearsedAccount
from tests.rehearsal.stack import rehearse


def test_every_kind_that_aws_publishes_is_found(account: RehearsedAccount) -> None:
    with mock.patch.dict(os.environ, account.environment()):
        found = newest(REGION)
    assert found.keys() >= {"x86_64", "arm64", "gpu_x86_64"}
    ssm = account.client("ssm")
    for key, ami in found.items():
        assert ssm.get_parameter(Name=PARAMETERS[key])["Parameter"]["Value"] == ami


def test_the_region_is_the_files() -> None:
    assert region_of(CHECKOUT / "Pulumi.prod.yaml") == "eu-central-1"


@pytest.mark.parametrize("name", ["Pulumi.local.yaml", "Pulumi.nowhere.yaml"])
def test_a_stack_that_is_not_on_aws_has_none(name: str) -> None:
    with pytest.raises(StackProblem, match=r"no cluster\.aws\.region"):
        region_of(CHECKOUT / name)


def test_an_account_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StackProblem, match="AWS does not answer in eu-central-1"):
        newest(REGION)


def test_an_id_is_written_into_the_stacks_file_and_its_comments_stay(
    account: RehearsedAccount, tmp_path: Path
) -> None:
    made = rehearse("dev", account, tmp_path)
    made.settings_file.write_text((CHECKOUT / "Pulumi.dev.yaml").read_text())
    made.stack.pulumi("config", "set", "--path", "hpc-stack:cluster.aws.amis.arm64", "ami-01234567")
    assert made.settings()["aws"]["amis"] == {"arm64": "ami-01234567"}
    assert "# the controller forwards for the nodes" in made.settings_file.read_text()
