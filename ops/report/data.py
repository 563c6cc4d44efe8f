"""Panels with their answers: every query asked once, a few at a time."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

from config.panels.model import Dashboard, Kind, Needs, Panel, Query
from config.panels.queries import Choice, promql
from config.panels.sources import Source, sources_of, state_of
from ops.report.prometheus import NoAnswer, Prometheus, Refused, Sampled
from ops.report.silence import is_silent, last_answer, silence
from ops.report.timeline import Timeline

THREADS = 4
"""Queries at a time: Prometheus has alerts to evaluate meanwhile (it takes 20 itself)."""
PATIENCE = 3
"""Queries without an answer, after which the others are not asked."""
OVER_TIME = frozenset({Kind.LINES, Kind.AREAS})
_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True, kw_only=True)
class Series:
    """One series of a panel. Values that are not numbers are left out: they say nothing."""

    name: str
    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]
    """Times in seconds, and values; one, unless the panel is over time."""

    @property
    def newest(self) -> float:
        """The last value."""
        return self.samples[-1][1]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came for a panel."""

    series: tuple[Series, ...]
    kind: str = ""
    """What its series are, such as "{{pool}}": panels with the same kind show the same things."""
    failures: tuple[str, ...] = ()
    """Why queries of it have no answer."""
    nothing: str = ""
    """What a series that stands for none says, where one came."""
    zeros: tuple[Series, ...] = ()
    """Such series. They are no part of `series`, and tell when there was nothing."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What came for all panels of which the cluster has what they need."""

    timeline: Timeline
    has: frozenset[Needs]
    queries: int
    failed: int
    by_panel: Mapping[Panel, Answer]
    silences: Mapping[Source, str]
    """In words, of the panels' sources that do not answer now."""


@dataclass(frozen=True)
class _Question:
    """Two panels may ask the same."""

    expr: str
    over_time: bool


_Outcome = tuple[Sampled, ...] | Exception


def began(prometheus: Prometheus, timeline: Timeline) -> float:
    """When the first measurement in this time was made. Raises NoAnswer and Refused."""
    found = prometheus.over("count(up)", timeline)
    return found[0].samples[0][0] if found else timeline.start


def ask(
    dashboards: Iterable[Dashboard],
    prometheus: Prometheus,
    timeline: Timeline,
    has: frozenset[Needs],
    choice: Choice | None = None,
) -> Answers:
    """Ask for all panels of which a cluster that `has` these things can have data."""
    panels = [
        panel
        for dashboard in dashboards
        for panel in dashboard.panels
        if panel.needs in (Needs.NOTHING, *has) and not panel.tells_of_sources
    ]
    by_panel = {
        panel: [_question(panel, query, timeline, choice) for query in panel.queries]
        for panel in panels
    }
    states = {source: _Question(state_of([source]), False) for source in sources_of(panels)}
    questions = list(dict.fromkeys(chain(*by_panel.values(), states.values())))
    asker = _Asker(prometheus, timeline)
    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = dict(zip(questions, pool.map(asker, questions), strict=True))
        silent = {
            source: _Question(last_answer(source, timeline), False)
            for source, asked in states.items()
            if is_silent(source, outcomes[asked])
        }
        outcomes |= zip(silent.values(), pool.map(asker, silent.values()), strict=True)
    return Answers(
        timeline=timeline,
        has=has,
        queries=len(outcomes),
        failed=sum(isinstance(outcome, Exception) for outcome in outcomes.values()),
        by_panel={
            panel: _answer(panel, [outcomes[question] for question in asked])
            for panel, asked in by_panel.items()
        },
        silences={source: silence(source, outcomes[asked]) for source, asked in silent.items()},
    )


class _Asker:
    """Asks, until Prometheus has been silent too often."""

    def __init__(self, prometheus: Prometheus, timeline: Timeline) -> None:
        self._prometheus = prometheus
        self._timeline = timeline
        self._silent: list[str] = []

    def __call__(self, question: _Question) -> _Outcome:
        if len(self._silent) >= PATIENCE:
            return NoAnswer("not asked: Prometheus did not answer other queries")
        try:
            if question.over_time:
                return self._prometheus.over(question.expr, self._timeline)
            return self._prometheus.now(question.expr, self._timeline.end)
        except Refused as refusal:
            return Refused(f"Prometheus refuses: {refusal}")
        except NoAnswer as silence:
            self._silent.append(str(silence))
            return NoAnswer(f"Prometheus does not answer: {silence}")


def _question(panel: Panel, query: Query, timeline: Timeline, choice: Choice | None) -> _Question:
    expr = promql(
        query.expr,
        rate_interval=timeline.rate_interval,
        time_range=timeline.wanted,
        choice=choice,
    )
    return _Question(expr, panel.kind in OVER_TIME)


def _answer(panel: Panel, outcomes: Sequence[_Outcome]) -> Answer:
    series: list[Series] = []
    zeros: dict[str, list[Series]] = {}
    failures: dict[str, None] = {}
    for query, outcome in zip(panel.queries, outcomes, strict=True):
        if isinstance(outcome, Exception):
            failures[str(outcome)] = None
            continue
        for one in _series(panel, query, outcome):
            if query.nothing and query.nothing in one.labels.values():
                zeros.setdefault(query.nothing, []).append(one)
            else:
                series.append(one)
    legends = {query.legend for query in panel.queries}
    kind = legends.pop() if len(legends) == 1 else ""
    return Answer(
        series=tuple(series),
        kind=kind if _PLACEHOLDER.search(kind) else "",
        failures=tuple(failures),
        nothing=", ".join(zeros),
        zeros=tuple(chain.from_iterable(zeros.values())),
    )


def _series(panel: Panel, query: Query, found: Sequence[Sampled]) -> Iterable[Series]:
    for one in found:
        samples = tuple(sample for sample in one.samples if not math.isnan(sample[1]))
        if samples:
            yield Series(
                name=_name(panel, query.legend, one.labels) or panel.title,
                labels=one.labels,
                samples=samples,
            )


def _name(panel: Panel, legend: str, labels: Mapping[str, str]) -> str:
    """The legend with its labels filled in; without one, all labels but the metric's name."""
    if legend and panel.kind is not Kind.BUCKETS:
        return _PLACEHOLDER.sub(lambda match: labels.get(match[1], ""), legend).strip()
    # All buckets of a histogram have one name; their legend may speak of the bound.
    return ", ".join(value for name, value in labels.items() if name not in ("__name__", "le"))
