"""`make resume POOL=NAME`: let a pool launch nodes again after failed starts have stopped it."""

import subprocess
import sys

from ops.containers import containers
from ops.on_aws import aws_cluster, in_service, must_run
from ops.stack import StackProblem, open_stack, run_command


def main() -> None:
    """`resume.py STACK POOL`."""
    stack, pool, *_ = [*sys.argv[1:], "", ""]
    opened = open_stack(stack or "local")
    words = ["python3", "-m", "node_manager", "resume", pool]
    if opened.platform == "aws":
        on_aws = aws_cluster(opened)
        must_run(on_aws)
        print(on_aws.run(in_service(on_aws.name, "node-manager", words)))
        return
    cluster = opened.outputs().get("cluster", "")
    manager = next(
        (
            c.name
            for c in containers(cluster)
            if c.service == "node-manager" and c.state == "running"
        ),
        None,
    )
    if manager is None:
        raise StackProblem("The cluster is not running. Fix: make up")
    done = subprocess.run(["docker", "exec", manager, *words], check=False)
    if done.returncode:
        raise StackProblem("Fix: make resume POOL=NAME, with the name of a pool")


if __name__ == "__main__":
    run_command(main)
