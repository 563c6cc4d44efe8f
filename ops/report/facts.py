"""One line for whoever has a minute: what was done in this time, what it cost, and who spent most.

From answers to panels of the report. What nobody told is left out.
"""

from collections.abc import Iterator

from config.panels.cost import BY_USE, DEAREST, WASTE
from config.panels.jobs import COMPLETED_SHARE, ENDED
from config.panels.model import Panel, Unit
from config.panels.my_class import CLASS_COST, CLASS_ENDED
from ops.report import numbers
from ops.report.data import Answers, Series

_COMPLETED = "completed"
_OTHER = "other"
"""Those without measurements of their own, together."""


def facts(answers: Answers) -> str:
    """The line, without a full stop; empty where there is nothing to say."""
    found = _Found(answers)
    parts = [*found.jobs(), *found.cost(), *found.dearest()]
    if not parts:
        return ""
    return f"{answers.timeline.words}: {'; '.join(parts)}"


class _Found:
    """The parts. A report about an account has other panels than one about the cluster."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def jobs(self) -> Iterator[str]:
        """How many jobs ended, and how many of them completed."""
        ended = self._sum(ENDED)
        share = self._sum(COMPLETED_SHARE)
        if by_state := self._answers.by_panel.get(CLASS_ENDED):
            ended = self._sum(CLASS_ENDED) or (0.0 if by_state.nothing else None)
            states = {one.labels.get("state"): one.newest for one in by_state.series}
            share = states.get(_COMPLETED, 0) / ended if ended else None
        if ended is None:
            return
        if not ended:
            yield "no job ended"
            return
        jobs = f"{self._text(ended, Unit.COUNT)} {'job' if ended == 1 else 'jobs'} ended"
        if share is not None:
            completed = self._text(round(ended * share), Unit.COUNT)
            jobs += f", {completed} of them completed ({self._text(share, Unit.SHARE)})"
        yield jobs

    def cost(self) -> Iterator[str]:
        """What nodes cost, and how much of it was for none; of a class: what its jobs cost."""
        if nodes := self._sum(BY_USE):
            cost = f"nodes cost {self._text(nodes, Unit.DOLLARS)}"
            waste = self._sum(WASTE)
            if waste is not None:
                share = self._text(waste, Unit.SHARE)
                cost += f", {share} of it while they started, idled or were out of service"
            yield cost
        if jobs := self._sum(CLASS_COST):
            yield f"the jobs cost {self._text(jobs, Unit.DOLLARS)}"

    def dearest(self) -> Iterator[str]:
        """Who spent most."""
        series = (*self._series(DEAREST), *self._series(CLASS_COST))
        people = (one for one in series if one.name != _OTHER)
        first = max(people, key=lambda one: one.newest, default=None)
        if first and first.newest:
            yield f"{first.name} spent most ({self._text(first.newest, Unit.DOLLARS)})"

    def _series(self, panel: Panel) -> tuple[Series, ...]:
        answer = self._answers.by_panel.get(panel)
        return answer.series if answer else ()

    def _sum(self, panel: Panel) -> float | None:
        """Of what a panel shows; None where it shows nothing."""
        series = self._series(panel)
        return sum(one.newest for one in series) if series else None

    def _text(self, value: float, unit: Unit) -> str:
        return numbers.text(value, unit, self._answers.timeline.end)
