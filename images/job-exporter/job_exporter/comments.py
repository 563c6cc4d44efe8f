"""A line about each ended job, written to accounting as the job's AdminComment.

Writing is slow and may fail, so it has a thread of its own; the one that counts only says which
jobs have ended. What waits is not saved: after a start, the jobs that the passes see again (those
of the last minutes, which may not have got their line) get it, maybe once more. It is the same one:
while Prometheus does not say how busy a job's GPUs were, none is written in its place.
"""

import re
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from job_accounting.command import CommandFailed, Runner, run_command
from job_accounting.cost import job_cost
from job_accounting.gpu_use import GpuUse
from job_accounting.ledger import Ledger
from job_accounting.records import Job

from job_exporter.board import Board, Commented
from job_exporter.comment_text import comment_text
from job_exporter.cursor import Key, key
from job_exporter.journal import Journal
from job_exporter.told_once import ToldOnce

MOST_WAITING = 2000
PACE_SECONDS = 1.0
"""At most one is begun in this time."""
RETRY_SECONDS = 60.0
"""After slurmdbd did not answer."""
TIMEOUT = 30.0

# By the name that people use (12_3 of an array, 12+1 of a heterogeneous job) each is meant alone:
# the bare number may also be that of the whole array, all tasks of which would be changed.
_NAMED = re.compile(r"[0-9]+([_+][0-9]+)?")
_NOT_THE_LAST = ("requeued", "resizing")
_ASK = ("sacctmgr", "--noheader", "show", "cluster", "format=cluster")


class Comments:
    """`add` is for the thread that counts, `write_one` for another."""

    def __init__(
        self,
        board: Board,
        ledger: Path,
        journal: Journal,
        *,
        cluster: str,
        run: Runner = run_command,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`cluster`: its name in accounting. The board's state is what was saved before."""
        self._board = board
        self._ledger = Ledger(ledger)
        self._cluster = cluster
        self._run = run
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[str, Job] = {}
        self._unsure: set[Key] = set(board.counted.state.cursor.counted)
        self._prices = ToldOnce(journal, "ledger, for jobs' comments")
        self._slurmdbd = ToldOnce(journal, "slurmdbd, for jobs' comments")
        self._refusal = ToldOnce(journal, "a job whose comment was refused")
        board.commented = Commented(since=clock())

    def add(self, new: Iterable[Job], seen: Iterable[Job], gpu_use: GpuUse) -> None:
        """Jobs of a pass: those counted now, and all that it saw. The oldest are dropped if many.

        Those that never ran used nothing, and get no line. `gpu_use` has been asked for `new`.
        """
        again = [gpu_use.of(job) for job in seen if key(job) in self._unsure]
        if gpu_use.trouble is not None:
            again = [job for job in again if not job.gpus or job.gpu_utilisation is not None]
        self._unsure.difference_update(map(key, again))
        wanted = [
            job
            for job in (*again, *new)
            if job.start is not None
            and job.state not in _NOT_THE_LAST
            and _NAMED.fullmatch(job.name_id)
        ]
        with self._lock:
            for job in sorted(wanted, key=lambda one: (one.end or 0, one.start or 0)):
                # Of a job's runs the last one is told, whichever came first.
                known = self._waiting.pop(job.name_id, job)
                self._waiting[job.name_id] = max(known, job, key=lambda one: one.start or 0)
            dropped = list(self._waiting)[:-MOST_WAITING]
            for name in dropped:
                del self._waiting[name]
            self._result("dropped", len(dropped))

    def write_one(self) -> float:
        """Write the oldest. The seconds after which another may be written."""
        begun = time.monotonic()
        with self._lock:
            job = next(iter(self._waiting.values()), None)
        if job is None:
            return PACE_SECONDS
        try:
            command = self._command(job)
        except OSError as error:
            self._prices.trouble(str(error))
            return RETRY_SECONDS
        self._prices.over()
        try:
            self._run(command, TIMEOUT)
        except CommandFailed as error:
            if not self._slurmdbd_answers():
                self._slurmdbd.trouble(str(error))
                return RETRY_SECONDS
            self._refusal.trouble(str(error))
            self._done(job, "failed")
        else:
            self._refusal.over()
            self._done(job, "written")
        self._slurmdbd.over()
        took = time.monotonic() - begun
        # However slow slurmdbd is, it has at least half of the time for others.
        return max(PACE_SECONDS - took, took)

    def _command(self, job: Job) -> list[str]:
        """Raises OSError when the ledger cannot be read."""
        now = self._clock()
        lives = self._ledger.lives(now if job.start is None else job.start, now)
        text = comment_text(job, job_cost(job, lives, now), now)
        return [
            *("sacctmgr", "--immediate", "modify", "job"),
            *("where", f"jobid={job.name_id}", f"cluster={self._cluster}"),
            *("set", f"AdminComment={text}"),
        ]

    def _slurmdbd_answers(self) -> bool:
        try:
            self._run(_ASK, TIMEOUT)
        except CommandFailed:
            return False
        return True

    def _done(self, job: Job, result: str) -> None:
        with self._lock:
            # Meanwhile it may have been dropped, or a later run may have taken its place.
            if self._waiting.get(job.name_id) is job:
                del self._waiting[job.name_id]
                self._result(result, 1)

    def _result(self, result: str, more: int) -> None:
        """With the lock held."""
        if self._board.commented is not None:
            self._board.commented = self._board.commented.plus(result, more)
