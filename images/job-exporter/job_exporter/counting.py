"""Follow accounting: ask for what has ended, count it, save, and only then show it.

A pass goes from where all was known to be counted to now, in one slice or, after a time away,
several. Each slice is counted into a copy of the state. The copy takes the state's place when it
has been saved, so a scrape never sees what a crash could undo.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from job_accounting.command import Runner, run_command
from job_accounting.gpu_use import GpuUse
from job_accounting.ledger import Ledger
from job_accounting.records import Job
from job_accounting.sacct import SacctUnavailable

from job_exporter.backlog import all_delivered
from job_exporter.board import Board, Counted
from job_exporter.comments import Comments
from job_exporter.finished_jobs import FinishedJobs
from job_exporter.journal import Journal
from job_exporter.state import State
from job_exporter.state_file import StateFile
from job_exporter.told_once import ToldOnce

MOST_COUNTED = 200_000
"""Counted jobs remembered, about 40 MB. More are those of a very long time without slurmctld."""


@dataclass(kw_only=True)
class _Pass:
    begun: int
    position: int
    target: int
    delivered: bool


class Counting:
    """Changes the board's state, so no other thread may."""

    def __init__(
        self,
        board: Board,
        file: StateFile,
        ledger: Path,
        journal: Journal,
        *,
        finished: FinishedJobs | None = None,
        comments: Comments | None = None,
        prometheus: str | None = None,
        run: Runner = run_command,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`comments`: told of each job that has ended, once that is saved.

        `prometheus`: who knows how busy jobs' GPUs were, as HOST:PORT; None: nobody.
        """
        self._board = board
        self._file = file
        self._ledger = Ledger(ledger)
        self._journal = journal
        self._finished = finished or FinishedJobs()
        self._comments = comments
        self._prometheus = prometheus
        self._run = run
        self._clock = clock
        self._pass: _Pass | None = None
        self._slurmdbd = ToldOnce(journal, "slurmdbd")
        self._disk = ToldOnce(journal, "ledger or state")
        self._gpu_use = ToldOnce(journal, "Prometheus, for jobs' GPUs")

    def step(self) -> bool | None:
        """Count one slice. True: more of the pass is to come; False: it is done; None: it failed.

        After a failure the next step begins a new pass.
        """
        current, self._pass = self._pass or self._begin(), None
        if current.position >= current.target:
            return False  # the clock was set back
        try:
            jobs, stop = self._finished.ask(current.position, current.target)
        except SacctUnavailable as error:
            self._board.slurmdbd_answers = False
            self._slurmdbd.trouble(str(error))
            return None
        self._board.slurmdbd_answers = True
        self._board.query_seconds = self._finished.query_seconds
        self._slurmdbd.over()
        state = self._board.counted.state.copy()
        # Who gives no answer is asked again for the next slice.
        gpu_use = GpuUse(self._prometheus)
        try:
            new = [gpu_use.of(job) for job in state.cursor.take(jobs, current.position)]
            self._count(state, new)
            state.cursor.advance(stop, begun=current.begun, delivered=current.delivered)
            if len(state.cursor.counted) > MOST_COUNTED:
                self._journal.write("looks back no further", until=state.cursor.counted_until)
                state.cursor.stop_looking_back()
            self._file.write(state)
        except OSError as error:
            self._disk.trouble(str(error))
            return None
        self._disk.over()
        self._board.counted = Counted.of(state)
        self._board.last_success = self._clock()
        if self._comments is not None:
            self._comments.add(new, jobs, gpu_use)
        self._tell(gpu_use)
        if stop >= current.target:
            return False
        current.position = stop
        self._pass = current
        return True

    def _tell(self, gpu_use: GpuUse) -> None:
        if gpu_use.trouble is not None:
            self._gpu_use.trouble(gpu_use.trouble)
        elif gpu_use.answered:
            self._gpu_use.over()

    def _begin(self) -> _Pass:
        # The time first: what slurmctld has delivered after it, it had delivered until then.
        target = int(self._clock())
        delivered = all_delivered(self._run)
        start = self._board.counted.state.cursor.pass_start(target, delivered=delivered)
        return _Pass(begun=start, position=start, target=target, delivered=delivered)

    def _count(self, state: State, jobs: list[Job]) -> None:
        now = self._clock()
        starts = (job.start for job in jobs if job.start is not None)
        lives = self._ledger.lives(min(starts, default=now), now)
        for job in jobs:
            state.count(job, lives, now)
        state.births.note(state.totals, now)
