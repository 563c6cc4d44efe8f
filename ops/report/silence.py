"""Which sources of panels do not answer now, and since when: what was known before is old."""

from collections.abc import Sequence

from config.panels.sources import Source, state_of
from ops.report.prometheus import Sampled
from ops.report.timeline import Timeline, moment

_FINER = 20
"""Looks between two points of a plot: a day is looked at four times a minute."""


def is_silent(source: Source, found: Sequence[Sampled] | Exception) -> bool:
    """By what came for `state_of()` it. Whether that is not known, or nobody answers: silent."""
    if isinstance(found, Exception):
        return True
    values = [one.samples[-1][1] for one in found]
    return not source.may_be_absent if not values else min(values) < 1


def last_answer(source: Source, timeline: Timeline) -> str:
    """PromQL: when it was last seen to answer."""
    step = max(timeline.scrape, timeline.step // _FINER)
    seconds = round(timeline.end - timeline.start)
    return f"max_over_time(timestamp(({state_of([source])}) == 1)[{seconds}s:{step}s])"


def silence(source: Source, last: Sequence[Sampled] | Exception) -> str:
    """In words. `last`: what came for `last_answer()`."""
    if isinstance(last, Exception):
        return f"not known: Prometheus does not say how this source is: {source.name}"
    if not last:
        return f"not known: {source.silence} in this time"
    return f"not known: {source.silence} since {moment(last[0].samples[-1][1])}"
