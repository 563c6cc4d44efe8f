"""Slurm's own commands: sacctmgr for the accounting database, scontrol for slurmctld."""

import subprocess
import time
from collections.abc import Callable

from configurator import records
from configurator.plan import Step


class CommandFailed(Exception):
    """A Slurm command failed; the text is what it said."""


def run(*command: str) -> str:
    """Run a command and return what it printed; raises CommandFailed with its own words."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr + done.stdout).strip()
        raise CommandFailed(f"{' '.join(command)}: {said or f'exit code {done.returncode}'}")
    return done.stdout


def rows(entity: str, columns: str, *options: str) -> list[dict[str, str]]:
    """All records of one kind, as texts by column."""
    names = columns.split(",")
    show = ("sacctmgr", "--noheader", "--parsable2", "show", entity, *options)
    printed = run(*show, f"format={columns}")
    return [dict(zip(names, line.split("|"), strict=True)) for line in printed.splitlines()]


def present_records() -> records.Records:
    """What the accounting database holds."""
    return records.current(
        qos=rows("qos", records.QOS_COLUMNS),
        accounts=rows("account", records.ACCOUNT_COLUMNS),
        users=rows("user", records.USER_COLUMNS),
        # Without parents' limits: what is inherited is not a record's own.
        associations=rows("association", records.ASSOCIATION_COLUMNS, "WOPLimits"),
    )


def apply(step: Step) -> None:
    """Carry out one step. sacctmgr fails with "Nothing modified" where nothing had to be done."""
    run("sacctmgr", "--immediate", "--quiet", *step.arguments)


def answers(*command: str) -> bool:
    """Whether a command succeeds."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def stays_up(
    answers_now: Callable[[], bool], *, seconds: float = 1.0, patience: float = 20.0
) -> bool:
    """Whether a daemon answers for some time on end, after `patience` seconds at the latest."""
    begun = time.monotonic()
    up_since: float | None = None
    while time.monotonic() - begun < patience + seconds:
        now = time.monotonic()
        up_since = (up_since or now) if answers_now() else None
        if up_since and now - up_since >= seconds:
            return True
        time.sleep(0.1)
    return False


def await_answer(what: str, condition: Callable[[], bool], say: Callable[[str], None]) -> None:
    """Wait until the condition holds; says so once when that takes long."""
    begun = time.monotonic()
    said = False
    while not condition():
        if not said and time.monotonic() - begun > 5:
            say(f"waiting for {what}")
            said = True
        time.sleep(0.1)
