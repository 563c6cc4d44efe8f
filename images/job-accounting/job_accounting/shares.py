"""Limits of TRES-minutes and what Slurm counts against them, out of sshare.

It is what decides whether jobs may start, and differs from what jobs cost: of money, Slurm counts a
pool's list price, and past use fades or is reset as the cluster is configured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from job_accounting.command import Runner, run_command

TIMEOUT = 20.0
MONEY = "billing"
"""The TRES that counts money."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """Minutes by TRES of an account and those below it, memory in MiB.

    `limits`: what they may use; a type that is not there has no limit. `used`: what they have used,
    running jobs so far.
    """

    limits: Mapping[str, int]
    used: Mapping[str, int]


def read_shares(names: Sequence[str], run: Runner = run_command) -> dict[str, Share]:
    """By account, of those that Slurm knows; any user may ask. Raises CommandFailed."""
    columns = "--format=Account,User,GrpTRESMins,GrpTRESRaw"
    command = ("sshare", "--noheader", "--parsable2", columns, f"--accounts={','.join(names)}")
    return parse_shares(run(command, TIMEOUT))


def parse_shares(text: str) -> dict[str, Share]:
    """Shares out of `account|user|limits|used`; lines with a user are about that user alone."""
    shares = {}
    for line in text.splitlines():
        account, user, limits, used = ([*line.split("|"), "", "", ""])[:4]
        if account.strip() and not user:
            # The name is indented by its depth in the tree.
            shares[account.strip()] = Share(limits=_counts(limits), used=_counts(used))
    return shares


def _counts(tres: str) -> dict[str, int]:
    pairs = (pair.partition("=") for pair in tres.split(","))
    return {kind: int(count) for kind, _, count in pairs if count.isdecimal()}
