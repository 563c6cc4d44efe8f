"""The Makefile hands the user's words to our commands, and nothing of its own."""

import subprocess

import pytest

from ops.environment import CHECKOUT


def _would_run(*words: str) -> str:
    return subprocess.run(
        ["make", "--dry-run", "--no-print-directory", *words],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (("shell",), "ops.shell local '' ''"),
        (("shell", "AS=ben", "STACK=class"), "ops.shell class 'ben' ''"),
        (("shell", "RUN=squeue -u ada"), "ops.shell local '' 'squeue -u ada'"),
        (("up",), "ops.up local"),
        (("down", "STACK=class"), "ops.down class"),
        (("clean",), "ops.down local --data"),
        (("status",), "ops.status local"),
        (("preview",), "ops.preview local"),
        (("logs", "SERVICE=slurmctld", "SINCE=10m"), "ops.logs local 'slurmctld' '10m'"),
        (("bench", "BENCH=rounds ec2"), "tests.bench rounds ec2"),
        (("report",), "ops.report local --range '24h' --out 'report.html' --account ''"),
        (
            ("report", "RANGE=7d", "ACCOUNT=class", "OUT=a b.html"),
            "ops.report local --range '7d' --out 'a b.html' --account 'class'",
        ),
        (("resume", "POOL=gpu", "STACK=class"), "ops.resume class 'gpu'"),
    ],
)
def test_a_target_runs_its_command_with_the_users_words(
    words: tuple[str, ...], command: str
) -> None:
    assert _would_run(*words).splitlines()[-1].endswith(command)


def test_the_benchmarks_find_every_module_that_they_import() -> None:
    command = _would_run("bench", "BENCH=nothing").splitlines()[-1]
    done = subprocess.run(
        ["bash", "-c", command], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert "unknown: nothing. Allowed: rounds, ec2," in done.stderr
