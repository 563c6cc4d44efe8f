"""The real program by the real CLI, as far as it goes without changing anything: its preview."""

import json
import random
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.render.compose import DATA_VOLUMES, SECRETS
from ops.stack import Stack, open_stack
from tests.cluster.own_stack import copy_program

NAME = "shown"
KEY = "hpc-stack:cluster"


@dataclass(frozen=True)
class Preview:
    """How a preview ended, and what it printed."""

    status: int
    output: str
    complaints: str

    @property
    def steps(self) -> dict[str, dict[str, Any]]:
        """What would be done, by the resource's name."""
        steps = json.loads(self.output)["steps"]
        return {step["urn"].rpartition("::")[2]: step for step in steps}

    @property
    def text(self) -> str:
        """All that a person would see."""
        return self.output + self.complaints


@dataclass(frozen=True)
class Program:
    """A copy of the program with a stack of its own, which never gets beyond a preview."""

    stack: Stack

    @property
    def settings_file(self) -> Path:
        """Where the stack's settings are."""
        return self.stack.checkout / f"Pulumi.{NAME}.yaml"

    def configure(self, **changes: Any) -> None:
        """Exchange some of the settings."""
        document = yaml.safe_load(self.settings_file.read_text())
        document["config"][KEY] |= changes
        self.settings_file.write_text(yaml.safe_dump(document))

    def preview(self, *options: str, **variables: str) -> Preview:
        """Preview, with some environment variables."""
        stack = replace(self.stack, environment={**self.stack.environment, **variables})
        done = subprocess.run(
            [*stack.command("preview", "--color", "never"), *options],
            cwd=stack.checkout,
            env=stack.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return Preview(done.returncode, done.stdout, done.stderr)


PORTS = ("ssh", "rest", "prometheus", "alertmanager", "grafana")


def free_ports() -> dict[str, int]:
    """A port for each setting, below those that the kernel gives to connections as it likes."""
    return dict(
        zip(PORTS, filter(_is_free, random.sample(range(15_000, 32_000), 500)), strict=False)
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """A copy of the program whose stack is in a backend of its own; it is removed at the end."""
    # Not where the person who runs the tests is logged in.
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.setenv("PULUMI_CREDENTIALS_PATH", str(tmp_path / "nobody"))
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    copy_program(checkout)
    settings = {
        "pools": {"cpu": {"cpus": 1, "memory_mb": 500, "max_nodes": 2}},
        "accounts": {"research": {}},
        "users": {"ada": {"uid": 2001, "accounts": ["research"]}},
        "ports": free_ports(),
    }
    (checkout / f"Pulumi.{NAME}.yaml").write_text(yaml.safe_dump({"config": {KEY: settings}}))
    stack = open_stack(NAME, checkout)
    yield Program(stack)
    stack.pulumi("stack", "rm", "--yes")
    assert json.loads(stack_names(stack)) == []


def stack_names(stack: Stack) -> str:
    """All stacks of the backend, as JSON."""
    return subprocess.run(
        ["pulumi", "stack", "ls", "--json"],
        cwd=stack.checkout,
        env=stack.environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def expected_names() -> set[str]:
    return {
        f"hpc-stack-{NAME}",
        NAME,
        f"{NAME}-images",
        f"{NAME}-services",
        *(f"{NAME}-{volume}-volume" for volume in DATA_VOLUMES),
        *(f"{NAME}-{secret.replace('_', '-')}" for secret in SECRETS),
    }


def test_a_preview_shows_everything_that_would_be_made_and_makes_nothing(program: Program) -> None:
    shown = program.preview("--json")
    assert shown.status == 0, shown.text
    assert shown.steps.keys() == expected_names()
    assert {step["op"] for step in shown.steps.values()} == {"create"}
    assert program.stack.resources() == frozenset()


def test_a_preview_gives_types_parents_and_protection(program: Program) -> None:
    shown = program.preview("--json")
    assert shown.status == 0, shown.text
    states = {name: step["newState"] for name, step in shown.steps.items()}
    assert Counter(state["type"] for state in states.values()) == {
        "pulumi:pulumi:Stack": 1,
        "hpcstack:local:Cluster": 1,
        "command:local:Command": len(expected_names()) - 2,
    }
    ours = {name: state for name, state in states.items() if name.startswith(f"{NAME}-")}
    assert {state["parent"] for state in ours.values()} == {states[NAME]["urn"]}
    guarded = {name for name, state in ours.items() if state.get("protect")}
    assert guarded == ours.keys() - {f"{NAME}-images", f"{NAME}-services"}


def test_the_same_settings_are_previewed_the_same_again(program: Program) -> None:
    first, second = program.preview("--json"), program.preview("--json")
    assert first.status == second.status == 0, first.text

    def substance(shown: Preview) -> dict[str, Any]:
        # Dependencies are a set, which the SDK gives in any order.
        return {
            name: (step["op"], step["newState"]["type"], step["newState"].get("inputs"))
            for name, step in shown.steps.items()
        }

    assert substance(first) == substance(second)


def test_data_can_be_left_unguarded(program: Program) -> None:
    program.configure(storage={"protect": False})
    shown = program.preview("--json")
    assert shown.status == 0, shown.text
    assert not any(step["newState"].get("protect") for step in shown.steps.values())


def test_a_pool_larger_than_the_machine_is_a_warning(program: Program) -> None:
    program.configure(pools={"cpu": {"cpus": 1000, "memory_mb": 500, "max_nodes": 2}})
    shown = program.preview()
    assert shown.status == 0, shown.text
    assert "warning: cluster.pools.cpu.cpus: 1000, but this machine has" in shown.text


def refused(program: Program, **variables: str) -> str:
    """What is said of a preview that has to fail, each line stripped."""
    shown = program.preview(**variables)
    assert shown.status != 0, shown.text
    for word in ("Traceback", 'File "', "RunError"):
        assert word not in shown.text
    return "\n".join(line.strip() for line in shown.text.splitlines())


def test_all_mistakes_in_the_settings_are_reported_at_once(program: Program) -> None:
    program.configure(
        prots={"ssh": 2022}, users={"ada": {"uid": 2001, "accounts": ["reserch"]}}, software=["_"]
    )
    text = refused(program)
    assert "3 mistakes in the settings; nothing was changed." in text
    for path in ("cluster.prots", "cluster.users.ada.accounts[0]", "cluster.software[0]"):
        assert f"\n{path}: " in text
    assert "did you mean ports?" in text
    assert text.count("allowed: ") == text.count("fix: ") == 3


@pytest.mark.parametrize("port", ["ssh", "rest", "prometheus"])
def test_a_port_in_use_is_refused_with_its_setting_value_and_fix(
    program: Program, port: str
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        number = other.getsockname()[1]
        program.configure(ports=free_ports() | {port: number})
        text = refused(program)
    assert f"cluster.ports.{port}: {number} is in use on 127.0.0.1 by something else" in text
    assert "Allowed: a free port. Fix: set another one, or stop what listens there" in text


def test_an_engine_that_does_not_answer_is_refused_with_how_to_start_it(
    program: Program, tmp_path: Path
) -> None:
    text = refused(program, DOCKER_HOST=f"unix://{tmp_path}/no-engine.sock")
    assert "The Docker engine does not answer: " in text
    assert "Fix: run `make up`, which starts it where it can, or start Docker yourself" in text


HOOK = "https://chat.example.org/hook-that-nobody-sees"


def test_a_receiver_of_alerts_without_its_secret_is_refused(program: Program) -> None:
    program.configure(monitoring={"alerts": {"webhook": {}}})
    text = refused(program)
    assert "hpc-stack:alert_webhook_url: (not set as a secret)" in text
    assert f"make secret NAME=alert_webhook_url STACK={NAME}" in text


def test_a_receivers_secret_is_shown_to_nobody(program: Program) -> None:
    program.configure(monitoring={"alerts": {"webhook": {}}})
    key = "hpc-stack:alert_webhook_url"
    program.stack.pulumi("config", "set", "--secret", key, HOOK)
    shown = program.preview("--json")
    assert shown.status == 0, shown.text
    assert HOOK not in shown.text
    written = (program.stack.checkout / f"Pulumi.{NAME}.yaml").read_text()
    assert "secure:" in written
    assert HOOK not in written
