"""`make logs SERVICE=NAME SINCE=10m`: what a service of the cluster, or a node, has said.

    python -m ops.logs STACK SERVICE SINCE

Without SERVICE all services of a cluster on this machine. On AWS they run on the controller, which
is asked through Systems Manager; there `host-agent` is what brings them to their bundle. What nodes
there have said is in CloudWatch, also when they are gone.
"""

import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from components.aws.policies.facts import node_log_streams, services_log_group
from config.render.site import project_name
from ops.containers import containers
from ops.on_aws import AwsCluster, aws_cluster, must_run
from ops.stack import Stack, StackProblem, open_stack, run_command

MOST_BYTES = 23_000
"""The newest of a service on AWS: Systems Manager hands over 24 000 characters."""
DEFAULT_SINCE = "1h"
_SINCE = re.compile(r"[1-9][0-9]*[smh]")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}
_NODE = re.compile(r".+-[1-9][0-9]*")
"""No service is called so."""
_AGENT = "host-agent"


def show(stack: Stack, service: str, since: str) -> None:
    """Print the lines. Raises StackProblem for a time or a service that is none."""
    if not _SINCE.fullmatch(since):
        raise StackProblem(
            f"SINCE={since} is no time.\n"
            "Allowed: a number and s, m or h. Fix: for instance SINCE=10m"
        )
    if stack.platform == "aws":
        cluster = aws_cluster(stack)
        if _NODE.fullmatch(service):
            print(of_node(cluster, service, since))
        else:
            must_run(cluster)
            print(on_aws(cluster, service, since))
    else:
        _on_this_machine(stack, service, since)


def _on_this_machine(stack: Stack, service: str, since: str) -> None:
    cluster = stack.outputs().get("cluster", "")
    found = {one.service or one.node or "": one.name for one in containers(cluster)}
    if not found:
        raise StackProblem("The cluster has no containers. Fix: make up")
    chosen = {service: _choose(service, found)} if service else found
    rows = sorted(
        (*line.partition(" ")[::2], name)
        for name, container in chosen.items()
        for line in _said(container, since)
    )
    for time, text, name in rows:
        print(f"{time} {name:14} {text}" if len(chosen) > 1 else f"{time} {text}")


def _said(container: str, since: str) -> list[str]:
    """Its lines, each begun with its time; those of a container that goes meanwhile are none."""
    words = ["docker", "logs", "--timestamps", "--since", since, container]
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        check=False,
    )  # fmt: skip
    return [] if done.returncode else done.stdout.splitlines()


def on_aws(cluster: AwsCluster, service: str, since: str) -> str:
    """The newest of what a service on the controller has said."""
    listed = cluster.run("docker ps --all --format '{{.Names}}'").split()
    prefix, suffix = f"{project_name(cluster.name)}-", "-1"
    found = {
        name.removeprefix(prefix).removesuffix(suffix): name
        for name in listed
        if name.startswith(prefix)
    }
    if "hpc-stack-agent" in listed:
        found[_AGENT] = "hpc-stack-agent"
    container = shlex.quote(_choose(service, found))
    return cluster.run(
        f"docker logs --timestamps --since {since} {container} 2>&1 | tail --bytes {MOST_BYTES}"
    )


def of_node(cluster: AwsCluster, node: str, since: str) -> str:
    """What slurmd and the exporter of a node have said, whether its machine still runs or not."""
    logs = cluster.session.client("logs", region_name=cluster.region)
    group, own = services_log_group(cluster.name), node_log_streams(node)
    begin = datetime.now(UTC) - timedelta(**{_UNITS[since[-1]]: int(since[:-1])})
    try:
        found = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=own)
        streams = [one["logStreamName"] for one in found["logStreams"]]
        asked = logs.get_paginator("filter_log_events").paginate(
            logGroupName=group,
            logStreamNames=streams,
            startTime=int(begin.timestamp() * 1000),
        )
        events = [event for page in asked for event in page["events"]] if streams else []
    except (BotoCoreError, ClientError) as error:
        raise StackProblem(
            f"CloudWatch does not tell what {node} has said: {error}\n"
            "Fix: credentials that may do logs:DescribeLogStreams and logs:FilterLogEvents"
        ) from None
    if not events:
        raise StackProblem(
            f"{group} in CloudWatch has nothing of SERVICE={node} in SINCE={since}.\n"
            "Fix: a longer SINCE; or, where nodes do not reach CloudWatch, on the node itself"
            " `sudo docker logs slurmd`"
        )
    return "\n".join(
        f"{datetime.fromtimestamp(event['timestamp'] / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
        f" {event['logStreamName'].removeprefix(own):14} {event['message']}"
        for event in sorted(events, key=lambda event: event["timestamp"])
    )


def _choose(service: str, found: dict[str, str]) -> str:
    if service not in found:
        raise StackProblem(
            f"SERVICE={service} is nothing of this cluster's.\n"
            f"Allowed: {', '.join(sorted(found)) or 'nothing, since nothing runs'}"
        )
    return found[service]


def main() -> None:
    """`logs.py [STACK [SERVICE [SINCE]]]`."""
    stack, service, since, *_ = [*sys.argv[1:], "", "", ""]
    show(open_stack(stack or "local"), service, since or DEFAULT_SINCE)


if __name__ == "__main__":
    run_command(main)
