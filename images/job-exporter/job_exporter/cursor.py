"""Which finished jobs have been counted, so that each is counted exactly once. Pure.

Accounting learns of ends late: slurmctld keeps records while slurmdbd is away, and some ends are
set to a time that has passed. Hence each pass over accounting begins some time before the one
before it ended, and what was counted there is remembered by id and start. When slurmctld had
records that slurmdbd did not have, or did not answer, nothing is known to be complete; the next
pass for which it is known goes back to where it was known last.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from job_accounting.records import Job

OVERLAP = 15 * 60
"""Seconds by which each pass goes back behind what was complete."""

Key = tuple[str, int | None]
"""A run of a job: its id and its start. Those that never ran have none."""


def key(job: Job) -> Key:
    """What tells the run from all others, also from those of the same job."""
    return (job.id, job.start)


@dataclass(kw_only=True)
class Cursor:
    """Times are seconds since the epoch.

    `since`: what ended before is not counted. `counted_until`: up to when accounting has been
    asked. `complete_until`: up to when accounting was known to have all records when asked.
    `counted`: the ends of counted jobs that may be seen again.
    """

    since: int
    counted_until: int
    complete_until: int
    counted: dict[Key, int] = field(default_factory=dict)

    @classmethod
    def starting(cls, since: int) -> "Cursor":
        """One that has seen nothing."""
        return cls(since=since, counted_until=since, complete_until=since)

    def copy(self) -> "Cursor":
        """One that may change without this one."""
        return replace(self, counted=dict(self.counted))

    def pass_start(self, *, delivered: bool) -> int:
        """Where a pass begins. `delivered`: slurmctld has no records that slurmdbd lacks."""
        back_to = self.complete_until if delivered else self.counted_until
        return max(self.since, back_to - OVERLAP)

    def take(self, jobs: Iterable[Job], start: int) -> list[Job]:
        """Those that have ended, not before `start`, and were not counted; now they are.

        `start` is that of a slice: what ended before may have been counted and forgotten.
        """
        new = []
        for job in jobs:
            if job.end is None or job.end < start or key(job) in self.counted:
                continue
            self.counted[key(job)] = job.end
            new.append(job)
        return new

    def advance(self, stop: int, *, delivered: bool) -> None:
        """A pass has come to `stop`, all slices from its start on."""
        self.counted_until = max(self.counted_until, stop)
        if delivered:
            self.complete_until = max(self.complete_until, stop)
            self._forget()

    def stop_looking_back(self) -> None:
        """Take everything asked for as complete, so that no more need be remembered."""
        self.complete_until = self.counted_until
        self._forget()

    def _forget(self) -> None:
        # No pass begins before this, so none of these can come again.
        horizon = self.complete_until - OVERLAP
        self.counted = {run: end for run, end in self.counted.items() if end >= horizon}
