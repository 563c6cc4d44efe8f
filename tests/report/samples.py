"""Panels and answers to try things with."""

from typing import Any

from config.panels.model import Colour, Dashboard, Kind, Needs, Panel, Query, Row, Step, Unit
from config.panels.sources import Source
from ops.report.data import Answer, Answers, Series
from ops.report.timeline import Timeline

END = 1_764_111_600.0
"""25 Nov 2025, 23:00 UTC."""
HOUR = Timeline(start=END - 3600, end=END, step=60, wanted="1h", scrape=15)
UP = (Step(value=None, colour=Colour.RED), Step(value=1, colour=Colour.GREEN))
RISING = (
    Step(value=None, colour=Colour.GREEN),
    Step(value=0.8, colour=Colour.YELLOW),
    Step(value=1, colour=Colour.RED),
)
EVIL = '<img src=x onerror="document.title=1"> & </script><script>document.title=2</script>'
"""What nobody should have as a name."""


def panel(kind: Kind = Kind.LINES, expr: str = "x", **changes: Any) -> Panel:
    """A panel with one query."""
    given = {"title": "Title", "about": "What it is about.", "queries": (Query(expr=expr),)}
    return Panel(**{**given, "kind": kind, **changes})


def dashboard(*panels: Panel, title: str = "Overview") -> Dashboard:
    """A dashboard with one row."""
    return Dashboard(
        uid=title.lower(),
        title=title,
        about="All of it.",
        rows=(Row(title="Row", panels=panels),),
    )


def series(name: str, value: float, **labels: str) -> Series:
    """A series with one sample, at the end of the hour."""
    return Series(name=name, labels=labels, samples=((END, float(value)),))


def row(name: str, *values: float | None) -> Series:
    """A series over the hour's last points, one for each value."""
    first = END - (len(values) - 1) * HOUR.step
    samples = tuple(
        (first + place * HOUR.step, float(value))
        for place, value in enumerate(values)
        if value is not None
    )
    return Series(name=name, labels={}, samples=samples)


def answers(
    by_panel: dict[Panel, Answer],
    has: frozenset[Needs] = frozenset(),
    silences: dict[Source, str] | None = None,
) -> Answers:
    """Answers in that hour."""
    return Answers(
        timeline=HOUR,
        has=has,
        queries=len(by_panel),
        failed=0,
        by_panel=by_panel,
        silences=silences or {},
    )


def shares(*values: tuple[str, float]) -> tuple[Panel, Answer]:
    """Bars of shares, coloured."""
    asked = panel(Kind.BARS, unit=Unit.SHARE, steps=RISING)
    return asked, Answer(series=tuple(series(name, value) for name, value in values))
