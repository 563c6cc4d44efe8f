"""What jobs cost that are not in the totals yet: they run, or have just ended.

A job that leaves the queue is in accounting only some time later. It stays here with what it had
cost until it is counted, so that the period's sum does not go down and up again.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from job_accounting.cost import job_cost
from job_accounting.ledger import Lives
from job_accounting.records import Job

from job_exporter.board import SoFar
from job_exporter.cursor import Cursor, Key, key

MOST_GONE = 20_000
"""Jobs kept after they left the queue; as long as slurmdbd is away, their number grows."""


@dataclass(frozen=True, kw_only=True)
class _Gone:
    left: float
    so_far: SoFar


class RunningJobs:
    """What was seen at the last look."""

    def __init__(self) -> None:
        self._since = 0
        self._running: dict[Key, SoFar] = {}
        self._gone: dict[Key, _Gone] = {}

    def look(
        self, jobs: Iterable[Job], lives: Lives, cursor: Cursor, since: int, now: float
    ) -> dict[Key, SoFar]:
        """Costs since a time by job, of those that `cursor` has not counted."""
        if since != self._since:  # what is known are costs in the period before
            self._since, self._running, self._gone = since, {}, {}
        seen = {
            key(job): SoFar(
                account=job.account,
                dollars=job_cost(job, lives, now, since=since).dollars or 0.0,
            )
            for job in jobs
        }
        for run, so_far in self._running.items():
            if run not in seen:
                self._gone[run] = _Gone(left=now, so_far=so_far)
        self._running = seen
        self._gone = {
            run: gone
            for run, gone in self._gone.items()
            # Else a pass that went back far would have told of it: it is gone without having run.
            if gone.left > cursor.searched_until and run not in cursor.counted
        }
        for run in list(self._gone)[:-MOST_GONE]:
            del self._gone[run]
        return {run: gone.so_far for run, gone in self._gone.items()} | {
            run: so_far for run, so_far in seen.items() if run not in cursor.counted
        }
