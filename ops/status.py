"""`make status`: services, nodes, queue and addresses of the cluster, in one screen."""

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from ops.containers import Container, containers, login_container
from ops.on_aws import aws_cluster, in_service
from ops.stack import PAGES, Stack, StackProblem, open_stack, run_command

_MARK = "-- next --"
_REPORT = """
sinfo --format='%12P %.6a %.6D %.10T %N' --states=all
if sinfo -R --noheader | grep -q .; then echo; sinfo -R --format='%30N %E'; fi
echo
squeue --format='%.10i %10P %12j %8u %10a %.8T %.10M %.5D %R' | head -16
"""


def report(stack_name: str) -> str:
    """The whole screen; raises StackProblem where there is no cluster."""
    stack = open_stack(stack_name)
    if stack.platform == "aws":
        return _report_on_aws(stack)
    outputs = stack.outputs()
    if "cluster" not in outputs:
        raise StackProblem(f"Stack {stack_name} has no cluster yet. Fix: make up")
    cluster = outputs["cluster"]
    found = containers(cluster)
    services = [c for c in found if c.service]
    if not any(c.state == "running" for c in services):
        return f"Cluster {cluster} is stopped; its data is kept. Start it: make up"
    sections = [
        (f"Cluster {cluster}", _services(services)),
        ("Partitions, nodes and queue", _inside(login_container(cluster), _REPORT)),
        ("Node manager", _node_manager(services) + _nodes(found)),
        ("How jobs are confined", _confinement()),
        ("Addresses", "\n".join(addresses(outputs))),
    ]
    return "\n\n".join(f"{title}\n{_indented(text)}" for title, text in sections)


def _report_on_aws(stack: Stack) -> str:
    cluster = aws_cluster(stack)
    state = cluster.state()
    if state != "running":
        return (
            f"The controller {cluster.controller} of {cluster.name} is {state}; its data is kept. "
            f"Bring it back: make up STACK={stack.name}"
        )
    services = (
        f"docker ps --filter label=com.docker.compose.project=hpc-{cluster.name} "
        "--format '{{.Label \"com.docker.compose.service\"}}|{{.Status}}' | sort"
    )
    manager = in_service(cluster.name, "node-manager", ["python3", "-m", "node_manager", "status"])
    asked = (
        ("Partitions, nodes and queue", in_service(cluster.name, "login", ["sh", "-c", _REPORT])),
        ("Node manager", manager),
    )
    said = cluster.run(f"; echo {_MARK}; ".join((services, *(line for _, line in asked))))
    parts = said.split(_MARK)
    outputs = stack.outputs()
    rows = (line.partition("|") for line in parts[0].split("\n") if line)
    sections = [
        (
            f"Cluster {cluster.name}, controller {cluster.controller}",
            "\n".join(f"{one:14}{state}" for one, _, state in rows),
        ),
        *((title, text.strip("\n")) for (title, _), text in zip(asked, parts[1:], strict=False)),
        ("Nodes on EC2", " ".join(cluster.nodes()) or "none; they come with jobs"),
        (
            f"Addresses, with `make ports STACK={stack.name}`",
            "\n".join(addresses(outputs)),
        ),
    ]
    return "\n\n".join(f"{title}\n{_indented(text)}" for title, text in sections)


def addresses(outputs: Mapping[str, Any]) -> list[str]:
    """A line for each way in."""
    pages = [f"{name:12}  {outputs[name]}" for name in PAGES if name in outputs]
    return [f"{'ssh':12}  {outputs['ssh']}", f"{'REST':12}  {outputs['rest']}", *pages]


def _services(services: list[Container]) -> str:
    return "\n".join(
        f"{c.service or '':14}{c.status}" for c in sorted(services, key=lambda c: c.service or "")
    )


def _nodes(found: list[Container]) -> str:
    nodes = sorted(c.node for c in found if c.node and c.state == "running")
    return f"containers of nodes: {', '.join(nodes) if nodes else 'none; they come with jobs'}"


def _node_manager(services: list[Container]) -> str:
    name = next((c.name for c in services if c.service == "node-manager"), None)
    return _inside(name, "python3 -m node_manager status") + "\n" if name else ""


def _inside(container: str, command: str) -> str:
    done = subprocess.run(
        ["docker", "exec", container, "sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
    )
    return (done.stdout or done.stderr).rstrip()


def _confinement() -> str:
    version = subprocess.run(
        ["docker", "info", "--format", "{{.CgroupVersion}}"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    if version == "2":
        return "cgroup v2: each job is held to its cores, memory and devices"
    return (
        "cgroup v1: a node is held to its size as a whole, jobs on one node are not held apart\n"
        "(an unprivileged slurmd needs cgroup v2 for that)"
    )


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


if __name__ == "__main__":
    run_command(lambda: print(report(sys.argv[1] if len(sys.argv) > 1 else "local")))
