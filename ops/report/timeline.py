"""The time that a report is about, and the points at which it is looked at."""

import math
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ops.stack import StackProblem

MOST_POINTS = 300
"""Of a plot: about as many as it is wide."""
STEPS = (
    5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400,
    172_800, 604_800, 2_419_200,
)  # fmt: skip
"""Seconds between two points: those that people count in, up to four weeks."""
_UNITS = {"m": (60, "minute"), "h": (3_600, "hour"), "d": (86_400, "day"), "w": (604_800, "week")}
_RANGE = re.compile(r"(?P<count>[1-9][0-9]{0,2})(?P<unit>[mhdw])")


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Points from `start` to `end`, which is one of them; in seconds."""

    start: float
    end: float
    step: int
    wanted: str
    """The range that was asked for, as Prometheus writes it: "24h". `start` may be later."""
    scrape: int
    """Between two measurements."""
    is_shortened: bool = False
    """Whether it begins with the first measurement, and not where it was asked for."""

    @classmethod
    def before(cls, end: float, wanted: str, scrape: int) -> "Timeline":
        """The range before `end`. Raises StackProblem for one that is none."""
        match = _RANGE.fullmatch(wanted)
        if not match:
            raise StackProblem(
                f"--range {wanted} is no range.\n"
                "Allowed: a number up to 999 and m, h, d or w. Fix: for instance --range 24h"
            )
        seconds = int(match["count"]) * _UNITS[match["unit"]][0]
        return cls._of(end - seconds, end, wanted, scrape)

    @classmethod
    def _of(cls, start: float, end: float, wanted: str, scrape: int) -> "Timeline":
        finest = max(scrape, (end - start) / MOST_POINTS)
        step = next(step for step in STEPS if step >= finest)
        points = max(1, math.ceil((end - start) / step))
        return cls(start=end - points * step, end=end, step=step, wanted=wanted, scrape=scrape)

    def since(self, first: float) -> "Timeline":
        """Without the time before the first measurement, in which there is nothing to see."""
        if first <= self.start + self.step:
            return self
        shortened = self._of(first, self.end, self.wanted, self.scrape)
        return replace(shortened, is_shortened=True)

    @property
    def words(self) -> str:
        """How long it is."""
        if self.is_shortened:
            return "Since the first measurement"
        count, unit = int(self.wanted[:-1]), _UNITS[self.wanted[-1]][1]
        return f"Last {unit}" if count == 1 else f"Last {count} {unit}s"

    @property
    def points(self) -> int:
        """How many there are."""
        return round((self.end - self.start) / self.step) + 1

    def place(self, time: float) -> int:
        """Which point that is."""
        return round((time - self.start) / self.step)

    @property
    def rate_interval(self) -> str:
        """Over which rates are taken, as Grafana does: between two points nothing is lost."""
        return f"{max(4 * self.scrape, self.step + self.scrape)}s"


def moment(seconds: float) -> str:
    """A time for people: `25 Nov 2026, 23:03 UTC`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%-d %b %Y, %H:%M} UTC"
