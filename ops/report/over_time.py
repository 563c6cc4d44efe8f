"""Plots of values over time: lines, and areas that add up. A time without a value is a gap."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from config.panels.model import Colour, Panel, Unit
from ops.report import numbers
from ops.report.data import Answer, Series
from ops.report.palette import BLUE, GREEN, ORANGE, OTHER, RED, Palette
from ops.report.plot import Figure, Key, layout, rounded, shown
from ops.report.timeline import Timeline

MOST_LINES = 12
"""Lines in one plot, the largest; people cannot follow more."""
MOST_AREAS = 8
"""Areas in one plot; the others are added up."""
_STEP_COLOURS = {
    Colour.GREEN: GREEN,
    Colour.YELLOW: ORANGE,
    Colour.RED: RED,
    Colour.BLUE: BLUE,
}
_DAY = 86_400_000
"""In plotly's milliseconds."""

Values = list[float | None]
"""One for each point of the timeline."""


def lines(panel: Panel, answer: Answer, timeline: Timeline, palette: Palette) -> Figure:
    """A line for each series."""
    largest = sorted(answer.series, key=_mean, reverse=True)[:MOST_LINES]
    drawn = [one for one in answer.series if one in largest]
    rows = [_placed(one, timeline) for one in drawn]
    scale = numbers.scale_of(panel.unit, _largest(rows))
    colours = palette.colours([one.name for one in drawn], answer.kind)
    traces: list[dict[str, Any]] = []
    legend: list[Key] = []
    for place, (one, row, colour) in enumerate(zip(drawn, rows, colours, strict=True)):
        dotted = colour in colours[:place]  # there are more lines than colours
        traces.append(
            {
                **_trace(one.name, row, scale, timeline),
                "mode": "lines+markers" if _has_lonely_points(row) else "lines",
                "line": {"color": colour, "width": 1.8, "dash": "dot" if dotted else "solid"},
                "marker": {"size": 4},
            }
        )
        newest = _newest(row, panel, timeline)
        legend.append(
            Key(name=one.name, colour=colour, dotted=dotted, value=newest, traces=(place,))
        )
    looks = _layout(panel, scale, rows, timeline)
    looks["shapes"] = list(_thresholds(panel, scale, _largest(rows)))
    left_out = len(answer.series) > len(drawn)
    return Figure(
        plot={"data": traces, "layout": looks},
        legend=tuple(legend),
        note=f"The {len(drawn)} largest of {len(answer.series)}." if left_out else "",
    )


def areas(panel: Panel, answer: Answer, timeline: Timeline, palette: Palette) -> Figure:
    """An area for each series, on top of those before it."""
    by_size = sorted(answer.series, key=_mean, reverse=True)
    kept = by_size if len(by_size) <= MOST_AREAS else by_size[: MOST_AREAS - 1]
    drawn = [one for one in answer.series if one in kept]
    rows = [_placed(one, timeline) for one in drawn]
    names = [one.name for one in drawn]
    if rest := [_placed(one, timeline) for one in by_size[len(kept) :]]:
        rows.append(_sums(rest))
        names.append(OTHER)
    # While a query says that there is nothing, there is: 0.
    totals = _sums([*rows, *(_placed(one, timeline) for one in answer.zeros)])
    scale = numbers.scale_of(panel.unit, _largest([totals]))
    traces: list[dict[str, Any]] = []
    legend: list[Key] = []
    colours = palette.colours(names, answer.kind)
    for name, row, colour in zip(names, rows, colours, strict=True):
        parts = list(_stacked(name, row, totals, scale, timeline, colour))
        places = tuple(range(len(traces), len(traces) + len(parts)))
        newest = _newest(row, panel, timeline)
        legend.append(Key(name=name, colour=colour, value=newest, traces=places))
        traces += parts
    return Figure(
        plot={"data": traces, "layout": _layout(panel, scale, [totals], timeline)},
        legend=tuple(legend),
        note=f"The {len(kept)} largest of {len(by_size)}; the others are added up." if rest else "",
    )


def _stacked(
    name: str, row: Values, totals: Values, scale: numbers.Scale, timeline: Timeline, colour: str
) -> Iterator[dict[str, Any]]:
    """A trace for each time without a gap: plotly would stack zeros into one."""
    for number, (begin, end) in enumerate(_unbroken(totals)):
        part: Values = [value or 0.0 for value in row[begin:end]]
        yield {
            **_trace(name, part, scale, timeline, begin),
            "mode": "lines",
            "stackgroup": str(number),
            "line": {"color": colour, "width": 0},
            "fillcolor": _faint(colour),
        }


def _trace(
    name: str, row: Values, scale: numbers.Scale, timeline: Timeline, first: int = 0
) -> dict[str, Any]:
    """`first` is the point that the row begins at."""
    return {
        "type": "scatter",
        "name": shown(name),
        "x0": round((timeline.start + first * timeline.step) * 1000),
        "dx": timeline.step * 1000,
        "y": [None if value is None else rounded(value / scale.factor) for value in row],
    }


def _layout(
    panel: Panel, scale: numbers.Scale, rows: Sequence[Values], timeline: Timeline
) -> dict[str, Any]:
    looks = layout(scale) | {"hovermode": "x unified"}
    looks["xaxis"] |= {
        "type": "date",
        "range": [round(timeline.start * 1000), round(timeline.end * 1000)],
        "nticks": 7,
        "tickformatstops": [
            {"dtickrange": [None, _DAY - 1], "value": "%H:%M\n%-d %b"},
            {"dtickrange": [_DAY, None], "value": "%-d %b"},
        ],
        "hoverformat": "%-d %b, %H:%M",
    }
    if panel.unit is Unit.SHARE and _largest(rows) <= 1:
        looks["yaxis"] |= {"range": [0, 102], "dtick": 25}
    elif panel.unit is Unit.COUNT and _are_few_things(rows):
        looks["yaxis"]["dtick"] = 1
    return looks


def _thresholds(panel: Panel, scale: numbers.Scale, largest: float) -> Iterator[dict[str, Any]]:
    """A line where a step begins, unless it is so far up that the values would be flattened."""
    for step in panel.steps:
        if step.value is not None and 0 < step.value <= 1.5 * largest:
            place = rounded(step.value / scale.factor)
            yield {
                "type": "line",
                "xref": "paper",
                "x0": 0,
                "x1": 1,
                "y0": place,
                "y1": place,
                "layer": "below",
                "line": {"color": _STEP_COLOURS[step.colour], "width": 1, "dash": "dash"},
            }


def _placed(series: Series, timeline: Timeline) -> Values:
    """The values at the timeline's points, None where there is none."""
    row: Values = [None] * timeline.points
    for time, value in series.samples:
        if 0 <= (place := timeline.place(time)) < len(row) and math.isfinite(value):
            row[place] = value
    return row


def _sums(rows: Iterable[Values]) -> Values:
    """Added up point by point; None where no row has a value."""
    sums: Values = []
    for point in zip(*rows, strict=True):
        there = [value for value in point if value is not None]
        sums.append(sum(there) if there else None)
    return sums


def _unbroken(row: Values) -> Iterator[tuple[int, int]]:
    """From which point to before which there are values."""
    begin: int | None = None
    for place, value in enumerate([*row, None]):
        if value is not None and begin is None:
            begin = place
        elif value is None and begin is not None:
            yield begin, place
            begin = None


def _has_lonely_points(row: Values) -> bool:
    """Whether a value has no neighbour that a line could lead to."""
    return any(end - begin == 1 for begin, end in _unbroken(row))


def _are_few_things(rows: Iterable[Values]) -> bool:
    """Whether a half between two numbers would make no sense."""
    values = [value for row in rows for value in row if value is not None]
    return all(value.is_integer() and value <= 5 for value in values)


def _newest(row: Values, panel: Panel, timeline: Timeline) -> str:
    value = row[-1]
    return "" if value is None else numbers.text(value, panel.unit, timeline.end)


def _mean(series: Series) -> float:
    return sum(value for _, value in series.samples) / len(series.samples)


def _largest(rows: Iterable[Values]) -> float:
    return max((value for row in rows for value in row if value is not None), default=0.0)


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.72)"
