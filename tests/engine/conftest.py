"""Runs the real Pulumi CLI, as `ops.environment` sets it up, on small programs with stacks of
their own."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ops.environment import CHECKOUT, environment, make_state

SECONDS = 120


@dataclass
class Project:
    """A Pulumi project in a directory, with one stack in a backend that nothing else uses."""

    directory: Path
    state: Path
    stack: str = "test"
    variables: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """Nothing of the surroundings that has to do with Pulumi, then what our commands would
        set."""
        surroundings = {name: value for name, value in os.environ.items() if "PULUMI" not in name}
        surroundings["HOME"] = str(self.state)
        plugins = Path.home() / ".pulumi"  # an official plugin of the person who runs the tests
        if plugins.exists():
            surroundings["PULUMI_HOME"] = str(plugins)
        ours = environment(CHECKOUT, self.state, {**surroundings, "PULUMI_CREDENTIALS_PATH": "/"})
        return {**surroundings, **ours, **self.variables}

    def program(self, text: str) -> None:
        """Replaces the program."""
        (self.directory / "__main__.py").write_text(text)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Starts `pulumi ARGUMENTS` and does not wait for it."""
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=self.directory,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def attempt(self, *arguments: str) -> tuple[int, str]:
        """Runs `pulumi ARGUMENTS`; returns its status and all that it printed."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=SECONDS)
        return process.returncode, output

    def pulumi(self, *arguments: str) -> str:
        """Runs `pulumi ARGUMENTS`, which has to succeed; returns all that it printed."""
        status, output = self.attempt(*arguments)
        assert status == 0, output
        return output

    def up(self) -> str:
        """Brings the stack up to date."""
        return self.pulumi("up", "--yes", "--skip-preview", "--stack", self.stack)

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets shown."""
        text = self.pulumi("stack", "output", "--json", "--show-secrets", "--stack", self.stack)
        return dict(json.loads(text))

    def resource(self, name: str) -> dict[str, Any]:
        """A resource in the stack's state, by its name, secrets encrypted."""
        state = json.loads(self.pulumi("stack", "export", "--stack", self.stack))
        found = [
            one for one in state["deployment"]["resources"] if one["urn"].endswith(f"::{name}")
        ]
        assert len(found) == 1, name
        return dict(found[0])

    def stored(self) -> str:
        """Everything that the backend has on disk."""
        files = (path for path in (self.state / "pulumi").rglob("*") if path.is_file())
        return "\n".join(path.read_text(errors="replace") for path in files)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """An empty project with a new stack. What its stack still has at the end is destroyed."""
    state = tmp_path / "state"
    state.mkdir()
    make_state(state)
    directory = tmp_path / "project"
    directory.mkdir()
    runtime = {"name": "python", "options": {"virtualenv": str(CHECKOUT / ".venv")}}
    (directory / "Pulumi.yaml").write_text(json.dumps({"name": "tested", "runtime": runtime}))
    made = Project(directory, state)
    made.pulumi("stack", "init", made.stack)
    yield made
    made.attempt("destroy", "--yes", "--skip-preview", "--stack", made.stack)
