"""What a live cluster measured while faults were done to it (`make test-alerts`), for promtool."""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from config.alerts import ALERTS
from config.settings import ClusterSettings, load_cluster
from tests.alerts.promtool import minutes, notation

FILE = Path(__file__).with_name("recorded.json")
SETTINGS = Path(__file__).parents[1] / "live_alerts" / "Pulumi.alerts.yaml"
OF_MACHINES = Path(__file__).with_name("recorded_of_machines.json")
"""One moment of a cluster on rehearsed machines of AWS (tests/rehearsal/measured.py)."""

Course = Callable[[float], float]
"""A value by the seconds since the beginning."""

STEP = 30
"""Seconds between two measurements, and between two looks at the rules."""

LOW_LIMIT = 0.6
"""Dollars an hour: what the cluster's limit was while its nodes cost more."""

# Times since 1970, which are told as seconds since the recording began: promtool begins at zero.
_TIMES = ("_timestamp_seconds", "node_time_seconds")
_A_TIME = 1e9

# Our counters tell when they were born, and Prometheus knows that they were 0 then.
_COUNTERS = ("_total", "_sum", "_count")
_BORN = re.compile(r"_(?: _x(\d+))? (?=\d)")


_KEPT = {alert.name: 60 * minutes(alert.keeps) for alert in ALERTS}

# Its limit was raised at the end; here the rules are the same all the time.
_ENDED_BY_SETTINGS = ("CostAboveLimit",)
# Prometheus had just been started again, and what it had read before stood for five minutes.
_TOLD_LATE = ("NothingScraped",)


@dataclass(frozen=True, kw_only=True)
class Times:
    """When, in seconds since the recording began, an alert was so on the live cluster."""

    began: float | None
    fired: float | None
    ended: float | None


class Recording:
    """A file's content."""

    def __init__(self, file: Path = FILE) -> None:
        self._file = file

    @cached_property
    def _document(self) -> dict[str, Any]:
        return dict(json.loads(self._file.read_text()))

    @cached_property
    def alerts(self) -> dict[str, Times]:
        """What was seen of each alert, by name."""
        return {name: Times(**times) for name, times in self._document["alerts"].items()}

    @property
    def calm(self) -> float:
        """Seconds since its beginning: a moment in which all was well, and had been for a while."""
        began = (seen.began for seen in self.alerts.values() if seen.began)
        return max(min(began, default=0.0) - STEP, 0.0)

    def moment(self, seconds: float) -> dict[str, Course]:
        """What was measured next after a moment, by series: times go on, values stay."""
        index = math.ceil(seconds / STEP)
        found: dict[str, Course] = {}
        for name, values in self._document["series"].items():
            value = next(islice(_expanded(values), index, None), None)
            if value is None:
                continue
            if name.partition("{")[0].endswith(_TIMES) and value > _A_TIME:
                found[name] = _clock(value - self._document["start"] - index * STEP)
            else:
                found[name] = _steady(value)
        return found

    def series(self) -> Iterator[dict[str, str]]:
        """Input of promtool."""
        for name, values in self._document["series"].items():
            metric = name.partition("{")[0]
            if metric.startswith("hpc_stack_") and metric.endswith(_COUNTERS):
                values = _with_birth(values)
            if metric.endswith(_TIMES):
                values = " ".join(map(self._since_the_beginning, values.split()))
            yield {"series": name, "values": values}

    def _since_the_beginning(self, token: str) -> str:
        value, x, times = token.partition("x")
        if not value or value in ("stale", "_") or float(value) < _A_TIME:
            return token
        return f"{float(value) - self._document['start']:.12g}{x}{times}"


def _expanded(values: str) -> Iterator[float | None]:
    """Promtool's shorthand: `1x2` is three times 1, but `_x2` two times none."""
    for token in values.split():
        value, _, more = token.partition("x")
        if value in ("_", "stale"):
            yield from [None] * int(more or 1)
        else:
            yield from [float(value)] * (int(more or 0) + 1)


def _steady(value: float) -> Course:
    return lambda _: value


def _clock(ahead: float) -> Course:
    return lambda seconds: seconds + ahead


def _with_birth(values: str) -> str:
    """A series that comes later begins at 0, one measurement before."""
    gap = _BORN.match(values)
    if gap is None:
        return values
    before = " ".join(notation([None] * int(gap[1] or 0)))
    return f"{before} 0 {values[gap.end() :]}".lstrip()


def series_name(metric: Mapping[str, str]) -> str:
    """As promtool reads it."""
    labels = ",".join(
        f"{name}={json.dumps(value)}"
        for name, value in sorted(metric.items())
        if name != "__name__"
    )
    return f"{metric['__name__']}{{{labels}}}"


def value_at(metric: str, value: float, at: float, now: float) -> str:
    """What was measured at a time, as it would have been now: only times go on."""
    goes_on = metric.endswith(_TIMES) and value > _A_TIME
    return f"{value + now - at if goes_on else value:.12g}"


def recorded_settings() -> ClusterSettings:
    """Of the cluster, with the limit that it had while it was too low."""
    document = yaml.safe_load(SETTINGS.read_text())["config"]["hpc-stack:cluster"]
    return load_cluster({**document, "limits": {"max_cost_per_hour": LOW_LIMIT}})


def promtool_tests(recording: Recording, rules: Iterable[str]) -> str:
    """Promtool's test, for files of rules: what fired there fires here, and ends."""
    looks = [
        {"expr": expr, "eval_time": f"{time}s", "exp_samples": [{"labels": "{}", "value": value}]}
        for name, seen in recording.alerts.items()
        if seen.fired is not None
        for expr, time, value in _looks(name, seen)
    ]
    return json.dumps(
        {
            "rule_files": list(rules),
            "evaluation_interval": f"{STEP}s",
            "tests": [
                {
                    "name": "recorded",
                    "interval": f"{STEP}s",
                    "input_series": list(recording.series()),
                    "promql_expr_test": looks,
                }
            ],
        }
    )


def _looks(name: str, seen: Times) -> Iterator[tuple[str, int, int]]:
    """Expressions, each with its time and value: 0 while it does not fire."""
    firing = f'ALERTS{{alertname="{name}",alertstate="firing"}}'
    assert seen.began is not None
    assert seen.fired is not None
    if seen.fired - seen.began > 4 * STEP and name not in _TOLD_LATE:
        yield _any(firing), _at((seen.began + seen.fired) / 2), 0
    # A measurement is some seconds older here.
    around = f"last_over_time({firing}[{6 * STEP}s])"
    yield _any(around), _at(seen.fired + 3 * STEP), 1
    if seen.ended is not None and name not in _ENDED_BY_SETTINGS:
        # Here it is kept for as long as its rule says; there Prometheus may have begun anew.
        yield _any(firing), _at(seen.ended + _KEPT[name] + 3 * STEP), 0


def _any(expr: str) -> str:
    return f"count({expr}) > bool 0 or vector(0)"


def _at(seconds: float) -> int:
    return round(seconds / STEP) * STEP
