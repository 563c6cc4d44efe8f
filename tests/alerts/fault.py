"""A fault: what is measured while it lasts, and what a person is told."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.alerts.cluster import Signal, healthy

BEGIN = 5
"""Minute in which a fault begins, if it says nothing else."""
EVALUATION = 5
"""Minutes between two looks at the rules: all times here are multiples of it."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Times are minutes since the beginning of the measurements."""

    alert: str
    shows: Mapping[str, Signal]
    """What is other than in a healthy cluster, from `begins` until `ends`, by series."""
    says: str
    """The alert's description."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """The alert's labels, besides its name and severity."""
    begins: int = BEGIN
    fires: int
    """By when the alert fires."""
    ends: int
    over: int
    """By when nothing fires but the watchdog."""
    also: frozenset[str] = frozenset()
    """Other alerts that fire at `fires`: consequences, of which nobody is told."""
    beside: frozenset[str] = frozenset()
    """Other alerts that fire at `fires`, by themselves."""
    step: int = 1
    """Minutes between two measurements. More than EVALUATION: also between two looks."""

    @property
    def evaluation(self) -> int:
        """Minutes between two looks at the rules."""
        return max(EVALUATION, self.step)

    def series(self) -> Iterator[tuple[str, list[float | None]]]:
        """Each series with its values, one a step."""
        well = healthy()
        times = range(0, self.over + 1, self.step)
        for name in {**well, **self.shows}:
            yield name, [self._value(name, well, minute) for minute in times]

    def _value(self, name: str, well: Mapping[str, Signal], minute: int) -> float | None:
        faulty = name in self.shows and self.begins <= minute < self.ends
        signal = self.shows[name] if faulty else well.get(name)
        return signal(minute * 60.0) if callable(signal) else signal
