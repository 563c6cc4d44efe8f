"""Opening a stack: which there are, and whose locks are respected."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ops.stack import (
    Stack,
    StackProblem,
    open_stack,
    release_dead_lock,
    run_command,
)


def lock(stacks: Path, text: str, stack: str = "local") -> Path:
    """A lock as Pulumi's file backend keeps it."""
    file = stacks / ".pulumi" / "locks" / "organization" / "hpc-stack" / stack / "6b1e.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return file


def held(pid: int, host: str) -> str:
    holder = {"pid": pid, "username": "ada", "hostname": host, "timestamp": "2026-01-01T00:00:00Z"}
    return json.dumps(holder)


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_lock_of_a_process_that_is_gone_is_removed_and_told(
    tmp_path: Path, dead: int, capsys: pytest.CaptureFixture[str]
) -> None:
    file = lock(tmp_path, held(dead, socket.gethostname()))
    release_dead_lock(tmp_path, "local")
    assert not file.exists()
    assert "its lock on stack local is released" in capsys.readouterr().out


def test_the_lock_of_a_living_process_is_kept(tmp_path: Path) -> None:
    file = lock(tmp_path, held(os.getpid(), socket.gethostname()))
    release_dead_lock(tmp_path, "local")
    assert file.exists()


def test_the_lock_of_somebody_elses_process_is_kept(tmp_path: Path) -> None:
    file = lock(tmp_path, held(1, socket.gethostname()))
    release_dead_lock(tmp_path, "local")
    assert file.exists()


def test_the_lock_of_another_machine_is_kept(tmp_path: Path, dead: int) -> None:
    file = lock(tmp_path, held(dead, "another-" + socket.gethostname()))
    release_dead_lock(tmp_path, "local")
    assert file.exists()


def test_the_lock_of_another_stack_is_kept(tmp_path: Path, dead: int) -> None:
    file = lock(tmp_path, held(dead, socket.gethostname()), stack="other")
    release_dead_lock(tmp_path, "local")
    assert file.exists()


@pytest.mark.parametrize("text", ["", "{", "{}", '{"pid": "x"}'])
def test_a_lock_that_cannot_be_read_is_kept(tmp_path: Path, text: str) -> None:
    file = lock(tmp_path, text)
    release_dead_lock(tmp_path, "local")
    assert file.exists()


def test_a_stack_that_nobody_configured_is_refused_with_those_that_are(tmp_path: Path) -> None:
    for name in ("Pulumi.yaml", "Pulumi.local.yaml", "Pulumi.lab.yaml"):
        (tmp_path / name).touch()
    with pytest.raises(StackProblem) as caught:
        open_stack("loacl", tmp_path)
    assert str(caught.value) == (
        "There is no Pulumi.loacl.yaml. Allowed: STACK=NAME with one of lab, local.\n"
        "Fix: copy Pulumi.local.yaml (on AWS: Pulumi.dev.yaml) to Pulumi.loacl.yaml and change it"
    )
    assert not (tmp_path / ".state").exists()


def test_a_stack_whose_passphrase_was_lost_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.local.yaml").touch()
    stacks = tmp_path / ".state" / "pulumi" / ".pulumi" / "stacks" / "hpc-stack"
    stacks.mkdir(parents=True)
    (stacks / "local.json").write_text("{}")
    with pytest.raises(StackProblem, match="passphrase is gone"):
        open_stack("local", tmp_path)


FAKE = """#!/bin/sh
echo 'not an event'
echo '{"summaryEvent": {"resourceChanges": {}}}'
echo 'what went wrong' >&2
exit "$STATUS"
"""


def stack(directory: Path, status: int) -> Stack:
    """A stack whose pulumi prints one event and ends with a status."""
    (directory / "pulumi").write_text(FAKE)
    (directory / "pulumi").chmod(0o755)
    surroundings = {**os.environ, "PATH": f"{directory}:{os.environ['PATH']}"}
    return Stack(
        name="local",
        checkout=directory,
        state=directory,
        environment={**surroundings, "STATUS": str(status)},
    )


@pytest.mark.parametrize(
    ("status", "events"),
    [
        (0, [{"summaryEvent": {"resourceChanges": {}}}]),
        (
            1,
            [
                {"summaryEvent": {"resourceChanges": {}}},
                {"diagnosticEvent": {"severity": "error", "message": "what went wrong\n"}},
            ],
        ),
    ],
)
def test_an_operation_hands_over_its_events_and_why_it_failed(
    tmp_path: Path, status: int, events: list[dict[str, Any]]
) -> None:
    seen: list[dict[str, Any]] = []
    assert stack(tmp_path, status).change(seen.append, "up") is (status == 0)
    assert seen == events


def test_a_command_that_fails_gives_pulumis_words(tmp_path: Path) -> None:
    with pytest.raises(StackProblem, match=r"^what went wrong$"):
        stack(tmp_path, 1).pulumi("stack", "output")


def test_every_command_names_its_stack_and_asks_nothing(tmp_path: Path) -> None:
    assert stack(tmp_path, 0).command("preview") == [
        "pulumi",
        "preview",
        "--stack",
        "local",
        "--non-interactive",
    ]


def test_a_problem_is_shown_as_its_text_alone() -> None:
    def main() -> None:
        raise StackProblem("no cluster\nFix: make up")

    with pytest.raises(SystemExit, match=r"^no cluster\nFix: make up$"):
        run_command(main)


def test_an_interrupt_says_that_nothing_is_lost() -> None:
    def main() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit, match="the same command goes on from here"):
        run_command(main)


def stack_of(directory: Path, text: str) -> Stack:
    """A stack whose file has this text."""
    (directory / "Pulumi.mine.yaml").write_text(text)
    return Stack(name="mine", checkout=directory, state=directory, environment={})


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("config: {'hpc-stack:cluster': {platform: aws}}", "aws"),
        ("config: {'hpc-stack:cluster': {pools: {}}}", "local"),
        ("config: {'hpc-stack:cluster': 7}", "local"),
        ("- no mapping", "local"),
        ("{", "local"),
    ],
)
def test_the_platform_is_the_one_in_the_settings(tmp_path: Path, text: str, platform: str) -> None:
    assert stack_of(tmp_path, text).platform == platform
