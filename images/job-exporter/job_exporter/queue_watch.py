"""Look at the queue and at the nodes, and put what was seen on the board."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from job_accounting.command import CommandFailed, Runner, run_command
from job_accounting.ledger import Ledger
from job_accounting.records import Job

from job_exporter.board import Board, QueueLook, SoFar
from job_exporter.cursor import Key
from job_exporter.journal import Journal
from job_exporter.nodes_out import read_nodes_out
from job_exporter.period import period_start
from job_exporter.running_jobs import RunningJobs
from job_exporter.slurm_queue import read_queue
from job_exporter.told_once import ToldOnce
from job_exporter.unreadable import Unreadable


class QueueWatch:
    """Two short commands to slurmctld for each look."""

    def __init__(
        self,
        board: Board,
        ledger: Path,
        journal: Journal,
        *,
        period: str,
        run: Runner = run_command,
    ) -> None:
        self._board = board
        self._ledger = Ledger(ledger)
        self._period = period
        self._run = run
        self._running = RunningJobs()
        self._slurmctld = ToldOnce(journal, "slurmctld")
        self._prices = ToldOnce(journal, "ledger")

    def look(self, now: float) -> None:
        """Look once. A failure is told on the board and in the log."""
        try:
            queue = read_queue(self._run, now)
            nodes_out = read_nodes_out(self._run)
        except CommandFailed as error:
            self._board.slurmctld_answers = isinstance(error, Unreadable)
            self._slurmctld.trouble(str(error))
            return
        self._board.slurmctld_answers = True
        self._slurmctld.over()
        self._board.queue = QueueLook(
            at=now,
            waiting=queue.waiting,
            running=self._costs(queue.running, now),
            nodes_out=nodes_out,
        )

    def _costs(self, jobs: Sequence[Job], now: float) -> Mapping[Key, SoFar] | None:
        since = period_start(now, self._period)
        starts = (job.start for job in jobs if job.start is not None)
        try:
            lives = self._ledger.lives(min(starts, default=now), now)
        except OSError as error:
            self._prices.trouble(str(error))
            return None
        self._prices.over()
        return self._running.look(jobs, lives, self._board.counted.state.cursor, since, now)
