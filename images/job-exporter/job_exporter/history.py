"""What jobs of this period cost that ended before counting began.

Only their cost is added up: in the counters they would look as if they had just ended. It is asked
for bit by bit, between passes over accounting, as a first start may lie months behind.
"""

from datetime import UTC, datetime
from pathlib import Path

from job_accounting.ledger import Ledger
from job_accounting.sacct import SacctUnavailable

from job_exporter.board import Board
from job_exporter.cursor import key
from job_exporter.finished_jobs import FinishedJobs
from job_exporter.journal import Journal
from job_exporter.period import period_start
from job_exporter.state_file import StateFile
from job_exporter.told_once import ToldOnce

LONGEST = 400 * 86_400
"""How far back it goes at most, seconds: more than a year."""


def earliest(now: float, period: str) -> int:
    """Since when the jobs' cost is wanted, seconds since the epoch."""
    return max(period_start(now, period), int(now) - LONGEST)


class History:
    """Changes the board's state, so no other thread may."""

    def __init__(
        self,
        board: Board,
        file: StateFile,
        ledger: Path,
        journal: Journal,
        *,
        finished: FinishedJobs | None = None,
    ) -> None:
        self._board = board
        self._file = file
        self._directory = ledger
        self._ledger = Ledger(ledger)
        self._finished = finished or FinishedJobs()
        self._slurmdbd = ToldOnce(journal, "slurmdbd, for costs before the first start")
        self._disk = ToldOnce(journal, "ledger or state, for costs before the first start")

    def step(self) -> bool:
        """Add one slice of what is missing. Whether the next one may be asked for at once."""
        if not self._board.counted.state.spending.missing:
            return False
        try:
            more = self._add()
        except SacctUnavailable as error:
            self._slurmdbd.trouble(str(error))
            return False
        except OSError as error:
            self._disk.trouble(str(error))
            return False
        self._slurmdbd.over()
        self._disk.over()
        return more

    def _add(self) -> bool:
        state = self._board.counted.state.copy()
        start, stop = state.spending.missing[0]
        # Before the ledger began, no job has a price.
        start = max(start, self._beginning(stop))
        if start < stop:
            jobs, stop = self._finished.ask(start, stop)
            ended = {
                key(job): job
                for job in jobs
                if job.start is not None and job.end is not None and start <= job.end < stop
            }
            starts = (job.start for job in ended.values() if job.start is not None)
            lives = self._ledger.lives(min(starts, default=start), stop)
            for job in ended.values():
                state.spending.add(job, lives, stop)
        state.spending.found(stop)
        self._file.write(state)
        self._board.counted = self._board.counted.without_new_jobs(state)
        if not state.spending.missing:
            self._ledger = Ledger(self._directory)  # a year of it need not stay in memory
        return bool(state.spending.missing)

    def _beginning(self, latest: int) -> int:
        """When the first month began of which there is a ledger; `latest` where there is none."""
        months = sorted(path.stem for path in self._directory.glob("lives-????-??.jsonl"))
        if not months:
            return latest
        first = datetime.strptime(months[0], "lives-%Y-%m").replace(tzinfo=UTC)
        return int(first.timestamp())
