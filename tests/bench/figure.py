"""One measured figure, and its line of output."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A value with its goal and, where there is one, its baseline from the same run."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    baseline: float | None = None
    baseline_is: str = ""
    more_is_better: bool = False
    goal_is_ratio: bool = False
    """Whether the goal is for value / baseline."""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Value over baseline."""
        return self.value / self.baseline if self.baseline else None

    @property
    def missed(self) -> bool:
        """Whether there is a goal that was not reached."""
        reached = self.ratio if self.goal_is_ratio else self.value
        if self.goal is None or reached is None:
            return False
        return reached < self.goal if self.more_is_better else reached > self.goal

    def line(self) -> str:
        """The line that a person reads, and a program can."""
        parts = [f"{self.name}: {self.value:.2f} {self.unit}"]
        if self.goal is not None:
            sign = ">=" if self.more_is_better else "<="
            what = "ratio " if self.goal_is_ratio else ""
            parts.append(f"goal {what}{sign} {self.goal:g}{' MISSED' if self.missed else ''}")
        if self.baseline:
            parts.append(
                f"baseline {self.baseline:.2f} {self.unit} ({self.baseline_is}), "
                f"ratio {self.ratio:.2f}"
            )
        return " | ".join([*parts, *([self.note] if self.note else [])])


def median(values: Sequence[float]) -> float:
    """The middle of the values."""
    return statistics.median(values)


def p95(values: Sequence[float]) -> float:
    """The value that 95 % do not exceed; of few values, the largest."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
