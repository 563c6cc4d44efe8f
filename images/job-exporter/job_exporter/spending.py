"""What accounts have spent by jobs that have ended. Pure.

It is kept by UTC month, since every period begins with one: so another period in the settings needs
no new sums.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from job_accounting.cost import job_cost
from job_accounting.ledger import Lives
from job_accounting.records import Job

from job_exporter.period import month_start, next_month

Span = tuple[int, int]
"""From a second on, and before another, since the epoch."""


@dataclass(kw_only=True)
class Spending:
    """`start`: jobs that ended from then on are in the sums, or those of a span that is `missing`.

    `months`: by the month's first second, dollars by account, without the accounts below it.
    `unpriced`: by the month in which they ended, jobs whose cost nobody knows.
    """

    start: int
    missing: list[Span] = field(default_factory=list)
    months: dict[int, dict[str, float]] = field(default_factory=dict)
    unpriced: dict[int, int] = field(default_factory=dict)

    def reach_back(self, start: int) -> None:
        """Jobs that ended from then on are asked for as well."""
        if start < self.start:
            self.missing.append((start, self.start))
            self.start = start

    def found(self, until: int) -> None:
        """Of the first span that was missing, all that ended before `until` has been added."""
        _, stop = self.missing.pop(0)
        if until < stop:
            self.missing.insert(0, (until, stop))

    def add(self, job: Job, lives: Lives, now: float) -> None:
        """Add a finished job: to each month what it cost within it, or that nobody knows."""
        if job.start is None or job.end is None:
            return
        if job_cost(job, lives, now).dollars is None:
            ended = month_start(job.end)
            self.unpriced[ended] = self.unpriced.get(ended, 0) + 1
            return
        month, last = month_start(job.start), max(job.start, job.end)
        while month <= last:
            following = next_month(month)
            dollars = job_cost(job, lives, now, since=month, until=following).dollars
            if dollars:
                spent = self.months.setdefault(month, {})
                spent[job.account] = spent.get(job.account, 0.0) + dollars
            month = following

    def since(self, start: int) -> dict[str, float]:
        """Dollars by account since the first second of a month."""
        return added(*(spent for month, spent in self.months.items() if month >= start))

    def unpriced_since(self, start: int) -> int:
        """Jobs without a known cost that ended since the first second of a month."""
        return sum(jobs for month, jobs in self.unpriced.items() if month >= start)

    def copy(self) -> "Spending":
        """One that may grow without this one."""
        months = {month: dict(spent) for month, spent in self.months.items()}
        return Spending(
            start=self.start,
            missing=list(self.missing),
            months=months,
            unpriced=dict(self.unpriced),
        )


def added(*amounts: Mapping[str, float]) -> dict[str, float]:
    """Sums by key."""
    total: dict[str, float] = {}
    for part in amounts:
        for name, value in part.items():
            total[name] = total.get(name, 0.0) + value
    return total
