"""`make shell`: a shell on the login node, as an ordinary user (AS=NAME for another one)."""

import os
import sys
from collections.abc import Sequence

from ops.aws_settings import settings_of
from ops.containers import containers, login_container, users
from ops.on_aws import aws_cluster, in_service, must_run
from ops.stack import Stack, StackProblem, open_stack, run_command


def main() -> None:
    """`shell.py STACK [USER] [COMMAND]`; the default user is the one with the lowest uid."""
    name, user, command, *_ = [*sys.argv[1:], "", "", ""]
    stack = open_stack(name or "local")
    words = (_session if stack.platform == "aws" else _here)(stack, user, command)
    os.execvp(words[0], words)


def _here(stack: Stack, user: str, command: str) -> list[str]:
    cluster = stack.outputs().get("cluster", "")
    if not any(c.service == "login" and c.state == "running" for c in containers(cluster)):
        raise StackProblem("The cluster is not running. Fix: make up")
    user = _chosen(user, users(cluster), stack)
    terminal = ["-t"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    return ["docker", "exec", "-i", *terminal, login_container(cluster), *_as_user(user, command)]


def _session(stack: Stack, user: str, command: str) -> list[str]:
    """A session on the controller, which leads into the login node's container."""
    cluster = aws_cluster(stack)
    must_run(cluster)
    known = settings_of(stack.checkout / f"Pulumi.{stack.name}.yaml").users
    user = _chosen(user, sorted(known, key=lambda one: known[one].uid), stack)
    inside = in_service(cluster.name, "login", _as_user(user, command), terminal=True)
    return cluster.session_words("AWS-StartInteractiveCommand", command=inside)


def _chosen(user: str, known: Sequence[str], stack: Stack) -> str:
    user = user or known[0]
    if user not in known:
        raise StackProblem(
            f"There is no user {user}. Allowed: {', '.join(known)}.\n"
            f"Fix: choose one of them, or add the user to Pulumi.{stack.name}.yaml"
        )
    return user


def _as_user(user: str, command: str) -> list[str]:
    return ["runuser", "-l", user, *(["-c", command] if command else [])]


if __name__ == "__main__":
    run_command(main)
