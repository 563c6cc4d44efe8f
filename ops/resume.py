"""`make resume POOL=NAME`: let a pool launch nodes again after failed starts have stopped it."""

import subprocess
import sys

from ops.containers import containers
from ops.stack import StackProblem, open_stack, refuse_aws, run_command


def main() -> None:
    """`resume.py STACK POOL`."""
    stack, pool, *_ = [*sys.argv[1:], "", ""]
    opened = open_stack(stack or "local")
    refuse_aws(opened, f"docker exec node-manager, as in docs/aws.md, with {pool or 'POOL'}")
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
    done = subprocess.run(
        ["docker", "exec", manager, "python3", "-m", "node_manager", "resume", pool], check=False
    )
    if done.returncode:
        raise StackProblem("Fix: make resume POOL=NAME, with the name of a pool")


if __name__ == "__main__":
    run_command(main)
