"""The Pulumi stack of a checkout, through the same CLI that a person would use."""

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from pulumi import automation as auto

from ops.environment import CHECKOUT, STATE_NAME, backend, environment, make_state

PROJECT = "hpc-stack"


class StackProblemError(Exception):
    """What a person has to see to, in words for them."""


def open_stack(name: str, state: Path = CHECKOUT / STATE_NAME) -> auto.Stack:
    """The stack, created if it is not there yet; its configuration is Pulumi.<name>.yaml."""
    if not (CHECKOUT / f"Pulumi.{name}.yaml").exists():
        known = sorted(path.name[7:-5] for path in CHECKOUT.glob("Pulumi.*.yaml"))
        raise StackProblemError(
            f"There is no Pulumi.{name}.yaml. Allowed: STACK=NAME with one of {', '.join(known)}.\n"
            f"Fix: copy Pulumi.local.yaml to Pulumi.{name}.yaml and change it"
        )
    make_state(state)
    os.environ.update(environment(state=state))
    release_dead_lock(backend(state), name)
    return auto.create_or_select_stack(stack_name=name, work_dir=str(CHECKOUT))


def release_dead_lock(stacks: Path, name: str) -> None:
    """Remove a lock that a killed command of this machine left behind; any other is respected."""
    for lock in stacks.glob(f".pulumi/locks/organization/{PROJECT}/{name}/*.json"):
        try:
            holder = json.loads(lock.read_text())
        except (OSError, ValueError):
            continue
        if holder.get("hostname") == socket.gethostname() and not _alive(holder.get("pid")):
            lock.unlink(missing_ok=True)
            print(f"An earlier command was killed; its lock on stack {name} is released.")


def _alive(pid: object) -> bool:
    if not isinstance(pid, int):
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def urn(stack: str, cluster: str, part: str) -> str:
    """URN of one of a local cluster's resources, for instance its `services`."""
    kind = "hpcstack:local:Cluster$command:local:Command"
    return f"urn:pulumi:{stack}::{PROJECT}::{kind}::{cluster}-{part}"


def run_command(main: Callable[[], None]) -> None:
    """Run one of our commands: a problem is its text alone, an interrupt ends quietly."""
    try:
        main()
    except StackProblemError as problem:
        sys.exit(str(problem))
    except auto.ConcurrentUpdateError:
        sys.exit("Another command is changing this stack right now. Wait for it, then try again.")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. Nothing is lost: the same command goes on from here.")
