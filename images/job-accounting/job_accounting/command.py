"""Running Slurm's commands, with a time limit and their own words for what went wrong."""

import os
import re
import subprocess
from collections.abc import Callable, Sequence

_TROUBLE = re.compile(r"\b(error|fatal):|^Invalid ", re.MULTILINE)

Runner = Callable[[Sequence[str], float], str]
"""Runs a command for at most so many seconds; its standard output. Raises CommandFailed."""


class CommandFailed(Exception):
    """A command ended with an error or not in time. The text is the last line that it said."""


def run_command(command: Sequence[str], timeout: float) -> str:
    """Run a command for at most `timeout` seconds; its standard output. Raises CommandFailed.

    Times in the output are seconds since the epoch.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
            env={**os.environ, "SLURM_TIME_FORMAT": "%s"},
        )
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"{command[0]}: no answer within {timeout:g} s") from error
    except OSError as error:
        raise CommandFailed(f"{command[0]}: {error.strerror}") from error
    said = done.stderr.decode(errors="replace")
    # Slurm's commands may exit with 0 although they could not ask: "errno", and that was lost.
    if done.returncode != 0 or (not done.stdout and _TROUBLE.search(said)):
        lines = said.strip().splitlines()
        raise CommandFailed(lines[-1] if lines else f"{command[0]}: exit status {done.returncode}")
    # Names of jobs are whatever bytes their users typed.
    return done.stdout.decode(errors="replace")
