"""Running a command whose answer may be larger than what should be held in memory."""

import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence

from job_accounting.command import CommandFailed

LimitedRunner = Callable[[Sequence[str], float, int | None], str]
"""Runs a command for at most so many seconds and bytes (None: any); its standard output.

Raises CommandFailed and AnswerTooLong.
"""


class AnswerTooLong(Exception):
    """The command printed more than it may."""


def run_limited(command: Sequence[str], timeout: float, most_bytes: int | None) -> str:
    """A LimitedRunner. Times in the output are seconds since the epoch."""
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "SLURM_TIME_FORMAT": "%s"},
            )
        except OSError as error:
            raise CommandFailed(f"{command[0]}: {error.strerror}") from error
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(timeout, give_up)
        timer.start()
        try:
            with process:
                assert process.stdout is not None
                answer = process.stdout.read(-1 if most_bytes is None else most_bytes + 1)
                if most_bytes is not None and len(answer) > most_bytes:
                    process.kill()
                    raise AnswerTooLong
        finally:
            timer.cancel()
        if late.is_set():
            raise CommandFailed(f"{command[0]}: no answer within {timeout:g} s")
        if process.returncode != 0:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines()
            raise CommandFailed(
                lines[-1] if lines else f"{command[0]}: exit status {process.returncode}"
            )
    # Names of jobs are whatever bytes their users typed.
    return answer.decode(errors="replace")
