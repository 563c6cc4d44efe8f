"""The only caller of sacct: jobs out of Slurm's accounting database."""

import secrets
from collections.abc import Sequence

from job_accounting.command import CommandFailed, Runner, run_command
from job_accounting.records import ENDED_STATES, FIELDS, Job, parse

TIMEOUT = 30.0
"""Seconds. A month of a busy cluster's jobs is some seconds of the database's time."""

# sacct takes no smaller number for a time.
_EARLIEST = 1_000_000_000
# What sacct says when it was asked for something that cannot be.
_REFUSALS = ("Invalid user id", "Bad job/step specified")


class SacctUnavailable(Exception):
    """Accounting did not answer. The text is sacct's."""


class SacctRefused(SacctUnavailable):
    """sacct did not accept the question: a user or a job that cannot be. The text is sacct's."""


def jobs(
    *,
    since: float | None = None,
    until: float | None = None,
    ended_only: bool = False,
    users: Sequence[str] | None = None,
    accounts: Sequence[str] | None = None,
    job: str | None = None,
    steps: bool = True,
    timeout: float = TIMEOUT,
    run: Runner = run_command,
) -> list[Job]:
    """Jobs that were in the queue or ran between two times (seconds since the epoch).

    With `ended_only`, those allocations whose end lies between them, both included: a reader that
    goes on where it stopped sees a job that ended in that very second twice, and tells it by
    (id, start). A requeued job is there once for each run.

    `users`, `accounts`: only theirs; None: all that Slurm lets the caller see. `job`: only this
    one, as people write it (12, 12_3, 12+1), of all times unless times are given. Without `steps`
    the answer is cheaper, and neither what a job used (CPU, memory, GPUs) nor whether it ever began
    is in it.

    Raises SacctUnavailable.
    """
    # A word that was not known when users chose their jobs' names.
    delimiter = f"|{secrets.token_hex(8)}|"
    command = [
        "sacct",
        "--parsable2",
        "--noheader",
        "--noconvert",
        "--duplicates",
        f"--delimiter={delimiter}",
        f"--format={','.join(FIELDS)}",
        "--allusers" if users is None else f"--user={','.join(users)}",
    ]
    if accounts is not None:
        command.append(f"--accounts={','.join(accounts)}")
    if job is not None:
        command.append(f"--jobs={job}")
    if ended_only:
        # With these, the times select by the time of the end: "between", in slurmdbd's query.
        command.append(f"--state={','.join(sorted(ENDED_STATES))}")
    if since is not None:
        command.append(f"--starttime={_time(since)}")
    if until is not None:
        command.append(f"--endtime={_time(until)}")
    if not steps:
        command.append("--allocations")
    try:
        answer = run(command, timeout)
    except CommandFailed as error:
        words = str(error)
        kind = SacctRefused if any(refusal in words for refusal in _REFUSALS) else SacctUnavailable
        raise kind(words) from error
    return parse(answer, delimiter, steps=steps)


def _time(seconds: float) -> str:
    return f"uts{max(_EARLIEST, int(seconds))}"
