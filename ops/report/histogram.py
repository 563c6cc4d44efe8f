"""Histograms: how much fell into each bucket, from how much was below each bound."""

import math
from collections.abc import Mapping, Sequence

from config.panels.model import Panel, Unit
from ops.report import numbers
from ops.report.data import Answer
from ops.report.palette import Palette
from ops.report.plot import Figure, Key, layout, rounded, shown

_UNITS = {"_seconds_bucket": Unit.SECONDS, "_bytes_bucket": Unit.BYTES}


def histogram(panel: Panel, answer: Answer, palette: Palette) -> Figure | None:
    """Bars by the buckets' upper bounds; None where nothing is in them."""
    cumulative: dict[str, dict[float, float]] = {}
    for one in answer.series:
        if math.isinf(one.newest):
            continue
        group = cumulative.setdefault(one.name, {})
        bound = float(one.labels.get("le", "inf"))
        group[bound] = group.get(bound, 0) + one.newest
    groups = {
        # Whole ones: Prometheus extrapolates.
        name: bucket_counts({bound: round(count) for bound, count in bounds.items()})
        for name, bounds in cumulative.items()
    }
    bounds = sorted({bound for counts in groups.values() for bound in counts})
    filled = [
        place
        for place, bound in enumerate(bounds)
        if any(counts.get(bound) for counts in groups.values())
    ]
    if not filled:
        return None
    # With one empty bucket on either side, where there is one: that it ends there is seen.
    bounds = bounds[max(0, filled[0] - 1) : filled[-1] + 2]
    colours = palette.colours(list(groups))
    bars = [
        {
            "type": "bar",
            "name": shown(name),
            "x": _words(bounds, _unit_of_bounds(panel)),
            "y": [rounded(counts.get(bound, 0)) for bound in bounds],
            "marker": {"color": colour},
            "hovertemplate": "%{x}: %{y:,.3~r}<extra></extra>",
        }
        for (name, counts), colour in zip(groups.items(), colours, strict=True)
    ]
    legend = tuple(
        Key(
            name=name,
            colour=colour,
            value=numbers.text(sum(counts.values()), Unit.COUNT, 0),
            traces=(place,),
        )
        for place, ((name, counts), colour) in enumerate(zip(groups.items(), colours, strict=True))
    )
    looks = layout(numbers.Scale()) | {"bargap": 0.08, "hovermode": "closest"}
    small = looks["xaxis"]["tickfont"] | {"size": 11}
    looks["xaxis"] |= {
        "type": "category",
        "showgrid": False,
        "tickangle": 0,
        "tickfont": small,
        "title": {"text": "up to", "standoff": 6, "font": small},
    }
    return Figure(plot={"data": bars, "layout": looks}, legend=legend)


def bucket_counts(cumulative: Mapping[float, float]) -> dict[float, float]:
    """How much is in each bucket, by its upper bound.

    Prometheus extrapolates each bucket by itself, so one may be a little below the one before it.
    """
    counts: dict[float, float] = {}
    below = 0.0
    for bound in sorted(cumulative):
        counts[bound] = max(0.0, cumulative[bound] - below)
        below = max(below, cumulative[bound])
    return counts


def _words(bounds: Sequence[float], unit: Unit) -> list[str]:
    return ["more" if math.isinf(bound) else numbers.text(bound, unit, 0) for bound in bounds]


def _unit_of_bounds(panel: Panel) -> Unit:
    """By the name of the metric, which ends in its unit: the panel's unit is that of the counts."""
    asked = " ".join(query.expr for query in panel.queries)
    return next((unit for name, unit in _UNITS.items() if name in asked), Unit.NONE)
