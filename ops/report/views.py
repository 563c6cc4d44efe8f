"""What the page shows of each panel: the words, and which of them are alarming."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from config.panels.model import Colour, Dashboard, Kind, Needs, Panel, Row, Unit
from config.panels.sources import sources_of
from ops.report import numbers
from ops.report.data import Answer, Answers, Series
from ops.report.histogram import histogram
from ops.report.over_time import areas, lines
from ops.report.palette import Palette
from ops.report.plot import Figure, Key
from ops.report.verdict import colour_of, most_urgent

MOST_ITEMS = {Kind.LIGHT: 12, Kind.NUMBER: 8, Kind.BARS: 25, Kind.TABLE: 40}
"""Series that a panel shows."""
MOST_TILES = 6
"""Small panels side by side."""
_SMALL = frozenset({Kind.LIGHT, Kind.NUMBER})
_JUDGING = frozenset({"light", "number", "message"})
_AMOUNTS = frozenset({Unit.COUNT, Unit.DOLLARS})
"""Units in which a bar of zero is nothing: of a share or a time it says something."""
_LENGTHS = ((13, "longer"), (9, "long"))
"""Classes of style.css: how many letters fit beside each other in a small panel's own size."""
_HALF = 12
"""Of the 24ths in which a panel's width is given."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One series, as a light, a number, a bar or a row shows it."""

    name: str
    text: str
    colour: str
    share: float
    """Length of its bar: 0 to 1."""
    cells: tuple[str, ...]
    """Its labels, in the order of the columns."""

    @property
    def length(self) -> str:
        """A class of style.css by how long the text is: longer ones are smaller."""
        return next((name for letters, name in _LENGTHS if len(self.text) > letters), "")


@dataclass(frozen=True, kw_only=True)
class View:
    """A panel as the page shows it."""

    id: str
    title: str
    about: str
    kind: str
    """A macro of page.html: light, number, bars, table, plot, or message."""
    wide: bool = False
    colour: str = ""
    """The most urgent one of what it shows."""
    items: tuple[Item, ...] = ()
    headings: tuple[str, ...] = ()
    legend: tuple[Key, ...] = ()
    message: str = ""
    note: str = ""
    advises: bool = False
    silences: tuple[str, ...] = ()
    """Of those who tell what it shows: since when they do not."""

    @property
    def urgent(self) -> bool:
        """Whether somebody has to look at it: bars and tables advise, they do not judge."""
        # What has no answer is no advice.
        judges = self.kind == "message" or (self.kind in _JUDGING and not self.advises)
        return judges and self.colour in (Colour.RED, Colour.YELLOW)

    @property
    def tells_of_silence(self) -> bool:
        """Whether it is red because those who tell of it do not."""
        return bool(self.silences) and self.kind in ("light", "message") and self.urgent

    @property
    def summary(self) -> str:
        """What is the matter, in a few words."""
        worst = [item for item in self.items if item.colour == self.colour]
        if not worst:
            return self.message
        name = "" if len(self.items) == 1 else f"{worst[0].name} "
        return f"{name}{worst[0].text}" + (f", and {len(worst) - 1} more" if worst[1:] else "")


@dataclass(frozen=True, kw_only=True)
class RowView:
    """Panels under a heading: small ones side by side, large ones in two columns."""

    id: str
    title: str
    tiles: tuple[View, ...] = ()
    cards: tuple[View, ...] = ()
    silences: tuple[str, ...] = ()
    """Of its panels; it is red then, however much older data they show."""
    lacks: tuple[str, ...] = ()
    """In the place of panels, where all of them need what the cluster has not: what that is."""

    @property
    def views(self) -> tuple[View, ...]:
        """All its panels."""
        return (*self.tiles, *self.cards)

    @property
    def untold(self) -> tuple[str, ...]:
        """Its silences of which no panel says why it is red."""
        told = {text for view in self.views if view.tells_of_silence for text in view.silences}
        return tuple(text for text in self.silences if text not in told)

    @property
    def columns(self) -> int:
        """How many small panels stand side by side, so that lines are about equally long."""
        rows = math.ceil(len(self.tiles) / MOST_TILES)
        return max(4, math.ceil(len(self.tiles) / max(1, rows)))


@dataclass(frozen=True, kw_only=True)
class Section:
    """A dashboard."""

    id: str
    title: str
    about: str
    rows: tuple[RowView, ...]

    @property
    def views(self) -> Iterator[View]:
        """All its panels."""
        for row in self.rows:
            yield from row.views

    @property
    def colour(self) -> str:
        """The most urgent one of its rows and panels."""
        if any(row.silences for row in self.rows):
            return Colour.RED
        return _most_urgent(view.colour for view in self.views if view.urgent)

    @property
    def lacks(self) -> tuple[str, ...]:
        """What the cluster has not, and all panels need."""
        if any(not row.lacks for row in self.rows):
            return ()
        return tuple(dict.fromkeys(need for row in self.rows for need in row.lacks))


@dataclass
class Drawing:
    """Makes views of panels; collects their plots, by the ids of the elements for them."""

    answers: Answers
    plots: dict[str, dict[str, Any]] = field(default_factory=dict)
    _palette: Palette = field(default_factory=Palette)

    def section(self, dashboard: Dashboard) -> Section:
        """A dashboard with its panels."""
        name = re.sub(r"[^a-z0-9]+", "-", dashboard.uid.lower())
        rows = enumerate(dashboard.rows)
        return Section(
            id=name,
            title=dashboard.title,
            about=dashboard.about,
            rows=tuple(self._row(f"{name}-{number}", row) for number, row in rows),
        )

    def _row(self, name: str, row: Row) -> RowView:
        panels = [panel for panel in row.panels if not panel.tells_of_sources]
        if panels and all(self._lacks(panel) for panel in panels):
            lacks = dict.fromkeys(panel.needs.value for panel in panels)
            return RowView(id=name, title=row.title, lacks=tuple(lacks))
        small = [panel for panel in panels if panel.kind in _SMALL]
        large = [panel for panel in panels if panel.kind not in _SMALL]
        return RowView(
            id=name,
            title=row.title,
            silences=self._silences(panel for panel in panels if not self._lacks(panel)),
            tiles=tuple(self._view(f"{name}-t{n}", panel) for n, panel in enumerate(small)),
            cards=tuple(
                self._view(f"{name}-c{n}", panel, wide=wide)
                for n, (panel, wide) in enumerate(zip(large, widths(large), strict=True))
            ),
        )

    def _silences(self, panels: Iterable[Panel]) -> tuple[str, ...]:
        """Of who tells what they show, each once."""
        silent = self.answers.silences
        return tuple(dict.fromkeys(silent[one] for one in sources_of(panels) if one in silent))

    def _lacks(self, panel: Panel) -> bool:
        return panel.needs not in (Needs.NOTHING, *self.answers.has)

    def _view(self, name: str, panel: Panel, *, wide: bool = False) -> View:
        about: dict[str, Any] = {
            "id": name, "title": panel.title, "about": panel.about, "wide": wide,
            "advises": panel.advises,
        }  # fmt: skip
        if self._lacks(panel):
            return View(**about, kind="message", message=f"needs {panel.needs.value}")
        answer = self.answers.by_panel[panel]
        about["silences"] = silences = self._silences([panel])
        if answer.failures:
            return View(**about, kind="message", colour="red", message=" ".join(answer.failures))
        if answer.series and panel.kind in MOST_ITEMS:
            return View(**about, **self._items(panel, answer.series))
        if answer.series and (drawn := self._figure(panel, answer)):
            self.plots[f"{name}-plot"] = drawn.plot
            return View(**about, kind="plot", legend=drawn.legend, note=drawn.note)
        is_fault = panel.kind is Kind.LIGHT or not panel.empty_is_fine
        if silences and (answer.nothing or not is_fault):
            # That there was nothing says nothing while nobody tells.
            return View(**about, kind="message", colour="red", message="; ".join(silences))
        if answer.nothing and not answer.series:
            return View(**about, kind="message", message=answer.nothing)
        return View(**about, kind="message", colour="red" if is_fault else "", message=panel.empty)

    def _figure(self, panel: Panel, answer: Answer) -> Figure | None:
        match panel.kind:
            case Kind.BUCKETS:
                return histogram(panel, answer, self._palette)
            case Kind.AREAS:
                return areas(panel, answer, self.answers.timeline, self._palette)
            case _:
                return lines(panel, answer, self.answers.timeline, self._palette)

    def _items(self, panel: Panel, series: Sequence[Series]) -> dict[str, Any]:
        """What panels without a plot show."""
        if panel.kind in (Kind.BARS, Kind.TABLE):
            series = sorted(_there(panel, series), key=lambda one: one.newest, reverse=True)
        finite = [one.newest for one in series if math.isfinite(one.newest)]
        longest = max(1.0 if panel.unit is Unit.SHARE else 0.0, *finite, 0.0)
        columns = panel.columns or _all_labels(series)
        items = tuple(
            Item(
                name=one.name,
                text=self._text(panel, one.newest),
                colour=_word(colour_of(panel, one.newest)),
                share=min(1.0, max(0.0, one.newest / longest)) if longest else 0.0,
                cells=tuple(one.labels.get(label, "") for label, _ in columns),
            )
            for one in series
        )
        colour = _most_urgent(item.colour for item in items)
        if panel.kind is Kind.LIGHT:
            items = tuple(sorted(items, key=lambda item: item.colour != colour))
        most = MOST_ITEMS[panel.kind]
        which = "largest" if panel.kind in (Kind.BARS, Kind.TABLE) else "first"
        return {
            "kind": panel.kind.value,
            "items": items[:most],
            "colour": colour,
            "headings": (*(heading for _, heading in columns), panel.value_heading),
            "note": f"The {most} {which} of {len(items)}." if len(items) > most else "",
        }

    def _text(self, panel: Panel, value: float) -> str:
        known = dict(panel.words).get(value)
        return known or numbers.text(value, panel.unit, self.answers.timeline.end)


def widths(panels: Sequence[Panel]) -> list[bool]:
    """Which panels take a whole line of the page, so that no line has a hole."""
    wide = [panel.width > _HALF for panel in panels]
    alone: int | None = None
    for place, is_wide in enumerate([*wide, True]):
        if is_wide and alone is not None:
            wide[alone] = True
        alone = place if alone is None and not is_wide else None
    return wide


def _there(panel: Panel, series: Sequence[Series]) -> Sequence[Series]:
    """Without bars of zero, unless there are no others."""
    if panel.kind is not Kind.BARS or panel.unit not in _AMOUNTS:
        return series
    return [one for one in series if one.newest] or series


def _word(colour: Colour | None) -> str:
    return colour.value if colour else ""


def _most_urgent(colours: Iterable[str]) -> str:
    return _word(most_urgent(Colour(colour) for colour in colours if colour))


def _all_labels(series: Sequence[Series]) -> tuple[tuple[str, str], ...]:
    names = dict.fromkeys(name for one in series for name in one.labels if name != "__name__")
    return tuple((name, name) for name in names)
