"""Which finished jobs have been counted, so that each is counted exactly once. Pure.

Accounting learns of ends late: slurmctld keeps records while slurmdbd is away, and some ends are
set to a time that has passed. Hence each pass over accounting begins some time before the one
before it ended, and what was counted there is remembered by id and start. As slurmdbd looks each of
these jobs up by itself, most passes go back a little, and every so often one goes back far. When
slurmctld had records that slurmdbd did not have, or did not answer, nothing is known to be
complete; the next pass for which it is known is one of those that go back far, behind the last one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from job_accounting.records import Job

OVERLAP = 15 * 60
"""By how many seconds an end may lie before the time at which accounting learns of it."""
SHORT_OVERLAP = 2 * 60
"""Seconds by which most passes go back: nearly all records are there at once."""
FAR_EVERY = 10 * 60
"""Seconds after which a pass goes back far again."""

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
    `searched_until`: the same for the last pass that went back far. `counted`: the ends of counted
    jobs that may be seen again.
    """

    since: int
    counted_until: int
    complete_until: int
    searched_until: int
    counted: dict[Key, int] = field(default_factory=dict)

    @classmethod
    def starting(cls, since: int) -> "Cursor":
        """One that has seen nothing."""
        return cls(since=since, counted_until=since, complete_until=since, searched_until=since)

    def copy(self) -> "Cursor":
        """One that may change without this one."""
        return replace(self, counted=dict(self.counted))

    def pass_start(self, target: int, *, delivered: bool) -> int:
        """Where a pass to `target` begins.

        `delivered`: slurmctld has no records that slurmdbd lacks.
        """
        known = self.complete_until == self.counted_until
        # Later, after a time away; earlier, when the clock was set back.
        recently = self.counted_until <= target < self.searched_until + FAR_EVERY
        if delivered and not (known and recently):
            return self._horizon
        return max(self.since, self.counted_until - SHORT_OVERLAP)

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

    def advance(self, stop: int, *, begun: int, delivered: bool) -> None:
        """A pass that began at `begun` has come to `stop`."""
        far = begun <= self._horizon
        self.counted_until = max(self.counted_until, stop)
        if delivered:
            self.complete_until = max(self.complete_until, stop)
        if delivered and far:
            self.searched_until = max(self.searched_until, stop)
            self._forget()

    def stop_looking_back(self) -> None:
        """Take everything asked for as complete, so that no more need be remembered."""
        self.complete_until = self.searched_until = self.counted_until
        self._forget()

    @property
    def _horizon(self) -> int:
        """No later pass begins before this."""
        return max(self.since, self.searched_until - OVERLAP)

    def _forget(self) -> None:
        self.counted = {run: end for run, end in self.counted.items() if end >= self._horizon}
