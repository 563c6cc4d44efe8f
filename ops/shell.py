"""`make shell`: a shell on the login node, as an ordinary user (AS=NAME for another one)."""

import os
import sys

from ops.containers import containers, login_container, users
from ops.stack import StackProblem, open_stack, refuse_aws, run_command


def main() -> None:
    """`shell.py STACK [USER] [COMMAND]`; the default user is the one with the lowest uid."""
    stack, user, command, *_ = [*sys.argv[1:], "", "", ""]
    opened = open_stack(stack or "local")
    refuse_aws(opened, "aws ssm start-session --target INSTANCE")
    cluster = opened.outputs().get("cluster", "")
    if not any(c.service == "login" and c.state == "running" for c in containers(cluster)):
        raise StackProblem("The cluster is not running. Fix: make up")
    known = users(cluster)
    user = user or known[0]
    if user not in known:
        raise StackProblem(
            f"There is no user {user}. Allowed: {', '.join(known)}.\n"
            f"Fix: choose one of them, or add the user to Pulumi.{stack or 'local'}.yaml"
        )
    terminal = ["-t"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    run = ["-c", command] if command else []
    os.execvp(
        "docker",
        ["docker", "exec", "-i", *terminal, login_container(cluster), "runuser", "-l", user, *run],
    )


if __name__ == "__main__":
    run_command(main)
