"""Look at what accounts have used of their budgets of TRES-minutes, and put it on the board.

Slurm's own count is asked for, since that is what decides whether jobs start.
"""

from collections.abc import Mapping

from job_accounting.command import CommandFailed, Runner, run_command
from job_accounting.shares import Share, read_shares

from job_exporter.board import Board, TresLook
from job_exporter.journal import Journal
from job_exporter.told_once import ToldOnce

Budgets = Mapping[str, Mapping[str, int]]
"""Minutes by account and TRES."""


class TresWatch:
    """A short command to slurmctld for each look, about the accounts with such budgets alone."""

    def __init__(
        self, board: Board, journal: Journal, budgets: Budgets, *, run: Runner = run_command
    ) -> None:
        self._board = board
        self._budgets = budgets
        self._run = run
        self._sshare = ToldOnce(journal, "sshare")

    def look(self, now: float) -> None:
        """Look once. A failure, or an account that Slurm does not know, is told in the log."""
        try:
            shares = read_shares(list(self._budgets), self._run)
        except CommandFailed as error:
            self._sshare.trouble(str(error))
            return
        untold = sorted(self._budgets.keys() - shares.keys())
        if untold:
            self._sshare.trouble(f"it tells nothing of {', '.join(untold)}")
        else:
            self._sshare.over()
        self._board.tres = TresLook(at=now, used=used(self._budgets, shares))


def used(budgets: Budgets, shares: Mapping[str, Share]) -> dict[tuple[str, str], int]:
    """Minutes by account and TRES, of what has a budget and Slurm tells."""
    return {
        (account, tres): share.used[tres]
        for account, share in shares.items()
        for tres in budgets.get(account, ())
        if tres in share.used
    }
