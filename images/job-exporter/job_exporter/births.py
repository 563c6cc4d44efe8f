"""When each series was born: from then on it counts, and then it was 0. Pure.

Prometheus learns it with the first value, which otherwise would be no increase: a user's first job
would not show. It must be told the same as long as the series lasts, or it would count the same
jobs again.
"""

from dataclasses import dataclass, field

from job_exporter.totals import Labels, Totals

BEFORE = 30.0
"""Seconds by which a series is older than its first value.

A scrape that sees the value may have begun before it was counted. Less than the 60 s that panels
look back at the least (four scrapes of 15 s), else the 0 and the value would not be seen together.
"""


@dataclass(kw_only=True)
class Births:
    """`times`: seconds since the epoch, by the name in Totals and the labels."""

    times: dict[str, dict[Labels, float]] = field(default_factory=dict)

    def note(self, totals: Totals, now: float) -> None:
        """All series that are new were born just now; those that have ended are forgotten."""
        for name, labels in totals.series():
            known = self.times.get(name, {})
            self.times[name] = {values: known.get(values, now - BEFORE) for values in labels}

    def copy(self) -> "Births":
        """Ones to which more may come."""
        return Births(times={name: dict(times) for name, times in self.times.items()})
