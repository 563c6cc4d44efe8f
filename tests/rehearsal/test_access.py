"""Commands for a cluster on AWS: stopping it, starting it, and the sessions that they open."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest

import ops.logs
import ops.status
from components.aws import end_nodes
from ops.on_aws import AwsCluster, in_service, must_run
from ops.stack import StackProblem
from tests.rehearsal.account import REGION, RehearsedAccount


@pytest.fixture
def cluster(account: RehearsedAccount, monkeypatch: pytest.MonkeyPatch) -> AwsCluster:
    """A controller, two nodes of its cluster, and one of another."""
    account.forget_all()
    for name, value in account.environment().items():
        monkeypatch.setenv(name, value)
    controller = launch(account, "dev")
    for name in ("dev", "dev", "other"):
        launch(account, name, pool="cpu")
    return AwsCluster(
        stack="dev",
        name="dev",
        region=REGION,
        controller=controller,
        session=boto3.session.Session(),
    )


def launch(account: RehearsedAccount, cluster: str, *, pool: str = "") -> str:
    ec2 = account.client("ec2")
    tags = {"hpc-stack:cluster": cluster} | ({"hpc-stack:pool": pool} if pool else {})
    image = ec2.describe_images()["Images"][0]["ImageId"]
    made = ec2.run_instances(
        ImageId=image,
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[
            {
                "ResourceType": "instance",
                "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
            }
        ],
    )
    return str(made["Instances"][0]["InstanceId"])


def test_stopping_ends_the_nodes_of_this_cluster_and_keeps_the_controller(
    cluster: AwsCluster, account: RehearsedAccount
) -> None:
    assert len(cluster.nodes()) == 2
    assert cluster.stop() == 2
    assert cluster.state() == "stopped"
    assert cluster.nodes() == []
    assert len(end_nodes.nodes(account.client("ec2"), "other")) == 1


def test_a_stopped_controller_is_started_and_one_that_runs_is_left(cluster: AwsCluster) -> None:
    assert not cluster.start()
    cluster.stop()
    with pytest.raises(StackProblem, match=r"is stopped\. Fix: make up STACK=dev"):
        must_run(cluster)
    assert cluster.start()
    must_run(cluster)


@dataclass
class Here:
    """A controller that answers by this machine's shell, without a Docker of its own."""

    name: str = "dev"
    controller: str = "i-1"
    now: str = "running"

    def state(self) -> str:
        return self.now

    def nodes(self) -> list[str]:
        return ["i-2", "i-3"]

    def run(self, script: str) -> str:
        docker = (
            'docker() { case "$*" in "ps "*) echo "login|Up 2 hours";; *login-1*) echo "cpu up";;'
            ' *) echo "2 nodes";; esac; }; sudo() { "$@"; }; '
        )
        done = subprocess.run(
            ("bash", "-c", docker + script), capture_output=True, text=True, check=True
        )
        return done.stdout.rstrip()


@pytest.fixture
def status(monkeypatch: pytest.MonkeyPatch) -> Here:
    """What `make status STACK=dev` finds."""
    found = Here()
    stack = SimpleNamespace(
        name="dev",
        platform="aws",
        outputs=lambda: {"ssh": "ssh -p 2222 USER@127.0.0.1", "rest": "http://127.0.0.1:6820/"},
    )
    monkeypatch.setattr(ops.status, "open_stack", lambda _: stack)
    monkeypatch.setattr(ops.status, "aws_cluster", lambda _: found)
    return found


def test_the_status_is_the_controllers_own_account(status: Here) -> None:
    sections = dict(part.split("\n", 1) for part in ops.status.report("dev").split("\n\n"))
    assert sections["Cluster dev, controller i-1"].split() == ["login", "Up", "2", "hours"]
    assert sections["Partitions, nodes and queue"].strip() == "cpu up"
    assert sections["Node manager"].strip() == "2 nodes"
    assert sections["Nodes on EC2"].strip() == "i-2 i-3"


def test_the_status_of_a_stopped_cluster_says_how_to_start_it(status: Here) -> None:
    status.now = "stopped"
    assert "is stopped; its data is kept. Bring it back: make up STACK=dev" in ops.status.report(
        "dev"
    )


def test_logs_are_those_of_a_service_on_the_controller() -> None:
    asked: list[str] = []

    def answer(script: str) -> str:
        asked.append(script)
        return "hpc-dev-slurmctld-1\nhpc-stack-agent" if "docker ps" in script else "a line"

    here = cast(AwsCluster, SimpleNamespace(name="dev", run=answer))
    for service, container in (
        ("slurmctld", "hpc-dev-slurmctld-1"),
        ("host-agent", "hpc-stack-agent"),
    ):
        assert ops.logs.on_aws(here, service, "10m") == "a line"
        assert f"docker logs --timestamps --since 10m {container} " in asked[-1]
    with pytest.raises(StackProblem, match="Allowed: host-agent, slurmctld"):
        ops.logs.on_aws(here, "slurmdbd; reboot", "10m")


def test_a_controller_that_ec2_has_forgotten_is_gone(cluster: AwsCluster) -> None:
    gone = AwsCluster(**{**vars(cluster), "controller": "i-00000000000000000"})
    assert gone.is_gone()
    assert not cluster.is_gone()


def test_what_aws_refuses_is_said_without_a_stack_trace(
    cluster: AwsCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    elsewhere = AwsCluster(**{**vars(cluster), "session": boto3.session.Session()})
    with pytest.raises(StackProblem, match=r"(?s)AWS does not do it.*Fix: check your credentials"):
        elsewhere.state()


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it but what a test puts there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def tool(folder: Path, name: str) -> None:
    (folder / name).touch(mode=0o755)


@pytest.mark.parametrize("missing", ["aws", "session-manager-plugin"])
def test_a_session_needs_tools_and_says_which_is_missing(
    cluster: AwsCluster, tools: Path, missing: str
) -> None:
    for name in {"aws", "session-manager-plugin"} - {missing}:
        tool(tools, name)
    with pytest.raises(StackProblem, match=f"{missing} is missing.*\nFix: install it, https://"):
        cluster.session_words("AWS-StartInteractiveCommand")


def test_a_session_leads_to_the_login_node_as_the_user(cluster: AwsCluster, tools: Path) -> None:
    for name in ("aws", "session-manager-plugin"):
        tool(tools, name)
    command = in_service("dev", "login", ["runuser", "-l", "ada", "-c", "a b"], terminal=True)
    words = cluster.session_words("AWS-StartInteractiveCommand", command=command)
    told: dict[str, Any] = json.loads(words[words.index("--parameters") + 1])
    assert told == {
        "command": ["sudo docker exec --interactive --tty hpc-dev-login-1 runuser -l ada -c 'a b'"]
    }
    assert words[words.index("--target") + 1] == cluster.controller
