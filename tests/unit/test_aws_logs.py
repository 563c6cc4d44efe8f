"""`make logs` of a node on AWS, from CloudWatch, which is moto's here."""

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from moto import mock_aws

import ops.logs
from components.aws.policies.facts import services_log_group
from ops.logs import of_node, show
from ops.on_aws import AwsCluster
from ops.stack import Stack, StackProblem

REGION = "eu-central-1"
GROUP = services_log_group("dev")


@pytest.fixture
def cluster() -> Iterator[AwsCluster]:
    """One without a controller, in an account of its own."""
    with mock_aws():
        yield AwsCluster(
            stack="dev",
            name="dev",
            region=REGION,
            controller="i-0123",
            session=boto3.session.Session(),
        )


@pytest.fixture
def logs(cluster: AwsCluster) -> Any:
    """CloudWatch, with the cluster's group."""
    client = cluster.session.client("logs", region_name=REGION)
    client.create_log_group(logGroupName=GROUP)
    return client


def say(logs: Any, stream: str, *lines: str, seconds_ago: float) -> None:
    logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    at = int((time.time() - seconds_ago) * 1000)
    events = [{"timestamp": at, "message": line} for line in lines]
    logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)


def test_a_nodes_logs_are_shown_by_time_and_no_other_nodes(cluster: AwsCluster, logs: Any) -> None:
    say(logs, "nodes/gpu/gpu-1/slurmd", "started", "listens", seconds_ago=60)
    say(logs, "nodes/gpu/gpu-1/dcgm-exporter", "measures", seconds_ago=90)
    say(logs, "nodes/gpu/gpu-10/slurmd", "another", seconds_ago=60)
    say(logs, "slurmctld", "a service", seconds_ago=60)
    shown = [line.split() for line in of_node(cluster, "gpu-1", "10m").splitlines()]
    assert [words[1:] for words in shown] == [
        ["dcgm-exporter", "measures"],
        ["slurmd", "started"],
        ["slurmd", "listens"],
    ]
    assert all(words[0].startswith("20") and words[0].endswith("Z") for words in shown)


def test_a_node_is_told_from_a_service_by_its_name_and_needs_no_controller(
    cluster: AwsCluster,
    logs: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    say(logs, "nodes/cpu/cpu-1/slurmd", "started", seconds_ago=60)
    monkeypatch.setattr(ops.logs, "aws_cluster", lambda _: cluster)
    stack = cast(Stack, SimpleNamespace(platform="aws"))
    show(stack, "cpu-1", "10m")
    assert capsys.readouterr().out.endswith("started\n")
    with pytest.raises(StackProblem, match=r"The controller i-0123 is terminated"):
        show(stack, "host-agent", "10m")


def test_what_a_node_said_before_is_not_shown(cluster: AwsCluster, logs: Any) -> None:
    say(logs, "nodes/cpu/cpu-1/slurmd", "long ago", seconds_ago=3600)
    with pytest.raises(
        StackProblem, match=r"nothing of SERVICE=cpu-1 in SINCE=10m\.\nFix: a longer"
    ):
        of_node(cluster, "cpu-1", "10m")
    assert "long ago" in of_node(cluster, "cpu-1", "2h")


@pytest.mark.usefixtures("logs")
def test_a_node_that_has_said_nothing_is_told_so(cluster: AwsCluster) -> None:
    with pytest.raises(StackProblem, match=f"{GROUP} in CloudWatch has nothing of SERVICE=cpu-7"):
        of_node(cluster, "cpu-7", "1h")


def test_what_cloudwatch_refuses_is_said_without_a_stack_trace(cluster: AwsCluster) -> None:
    with pytest.raises(StackProblem, match=r"(?s)ResourceNotFoundException.*Fix: credentials"):
        of_node(cluster, "cpu-1", "1h")
