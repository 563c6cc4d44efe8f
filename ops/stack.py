"""The Pulumi stack of a checkout, through the same CLI and environment that a person would use."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ops.environment import (
    CHECKOUT,
    STATE_NAME,
    EnvironmentProblemError,
    backend,
    environment,
    make_state,
)

PROJECT = "hpc-stack"
PAGES = ("grafana", "prometheus", "alertmanager")
"""Stack outputs with addresses for a browser, where the cluster has them."""
Event = dict[str, Any]


class StackProblem(Exception):
    """What a person has to see to, in words for them."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One stack, configured by `Pulumi.<name>.yaml` in the checkout."""

    name: str
    checkout: Path
    state: Path
    """Where our commands keep what they know; for the local backend, the stacks too."""
    environment: dict[str, str]

    def pulumi(self, *arguments: str, stdin: str | None = None) -> str:
        """Run the CLI on this stack and return what it printed; raises StackProblem.

        `stdin`: what it reads, such as a secret, which is nothing for a command line.
        """
        done = subprocess.run(
            self.command(*arguments),
            input=stdin,
            cwd=self.checkout,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StackProblem((done.stderr or done.stdout).strip())
        return done.stdout

    def change(self, listen: Callable[[Event], None], *arguments: str) -> bool:
        """Run an operation (`up`, `destroy`), hand over its events, return whether it succeeded."""
        with subprocess.Popen(
            self.command(*arguments, "--yes", "--skip-preview", "--json"),
            cwd=self.checkout,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                for event in _events(process):
                    listen(event)
            except KeyboardInterrupt:
                # The terminal interrupted the CLI as well: it ends what it began, and so must we.
                process.wait()
                raise
            said = process.stderr.read() if process.stderr else ""
        if process.returncode and said.strip():
            listen({"diagnosticEvent": {"severity": "error", "message": said}})
        return process.returncode == 0

    def command(self, *arguments: str) -> list[str]:
        """The CLI's command line for this stack."""
        return ["pulumi", *arguments, "--stack", self.name, "--non-interactive"]

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs; empty before the first `up`."""
        return dict(json.loads(self.pulumi("stack", "output", "--json")))

    def resources(self) -> frozenset[str]:
        """URNs of all that the stack believes to exist."""
        state = json.loads(self.pulumi("stack", "export"))
        return frozenset(row["urn"] for row in state["deployment"].get("resources", []))

    @property
    def platform(self) -> str:
        """Where its cluster runs, by its settings: `local` or `aws`."""
        try:
            document: Any = yaml.safe_load((self.checkout / f"Pulumi.{self.name}.yaml").read_text())
            return str(document["config"][f"{PROJECT}:cluster"].get("platform", "local"))
        except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
            return "local"  # what is wrong with the settings, the program says better

    def urn(self, cluster: str, part: str) -> str:
        """URN of one of a local cluster's resources, for instance its `services`."""
        kind = "hpcstack:local:Cluster$command:local:Command"
        return f"urn:pulumi:{self.name}::{PROJECT}::{kind}::{cluster}-{part}"


def open_stack(name: str, checkout: Path = CHECKOUT) -> Stack:
    """The stack, created if it is not there yet.

    `checkout` may be a copy of this one: tools and what was prepared are this one's all the same.
    """
    file = checkout / f"Pulumi.{name}.yaml"
    state = checkout / STATE_NAME
    if not file.exists():
        known = sorted(path.name[7:-5] for path in checkout.glob("Pulumi.*.yaml"))
        raise StackProblem(
            f"There is no {file.name}. Allowed: STACK=NAME with one of {', '.join(known)}.\n"
            f"Fix: copy Pulumi.local.yaml (on AWS: Pulumi.dev.yaml) to {file.name} and change it"
        )
    try:
        make_state(state)
    except EnvironmentProblemError as problem:
        raise StackProblem(str(problem)) from None
    surroundings = {**os.environ, **environment(state=state)}
    stack = Stack(name=name, checkout=checkout, state=state, environment=surroundings)
    release_dead_lock(backend(state), name)
    try:
        stack.pulumi("stack", "output", "--json")
    except StackProblem as problem:
        if "no stack named" not in str(problem):
            raise
        _create(stack, file)
    return stack


def _create(stack: Stack, file: Path) -> None:
    try:
        stack.pulumi("stack", "init")
    except StackProblem as problem:
        if "incorrect passphrase" in str(problem):
            raise StackProblem(
                f"{file.name} has an encryptionsalt that belongs to the passphrase of another "
                "checkout.\nFix: remove the line `encryptionsalt: ...`; Pulumi writes a new one"
            ) from None
        raise


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


def run_command(main: Callable[[], None]) -> None:
    """Run one of our commands: a problem is its text alone, an interrupt ends quietly."""
    try:
        main()
    except StackProblem as problem:
        sys.exit(str(problem))
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. Nothing is lost: the same command goes on from here.")


def _events(process: "subprocess.Popen[str]") -> Iterator[Event]:
    for line in process.stdout or ():
        if line.startswith("{"):
            yield json.loads(line)


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
