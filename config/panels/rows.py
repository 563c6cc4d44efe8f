"""Rows, each with a light for those of its sources of which no panel tells that they are silent."""

from collections.abc import Sequence
from itertools import accumulate

from config.panels.model import Kind, Needs, Panel, Query, Row, Unit
from config.panels.sources import Source, sources_of, state_of, tells_at_once
from config.panels.steps import ANSWERS_OR_NOT, GOOD_FROM_ONE, NEW_OR_LATE

_LIGHT_WIDTH = 3
"""Of the 24ths of a line; the panels of the row's first line leave it."""


def row(title: str, panels: Sequence[Panel]) -> Row:
    """The panels under this heading; the light, if there is one, ends the first line."""
    dark = [
        source
        for source in sources_of(panels)
        if not any(tells_at_once(panel, source) for panel in panels)
    ]
    if not dark:
        return Row(title=title, panels=tuple(panels))
    ends = accumulate(panel.width for panel in panels)
    place = sum(end <= 24 - _LIGHT_WIDTH for end in ends)
    light = _light(dark, _common_need(panels, dark), panels[0].height)
    return Row(title=title, panels=(*panels[:place], light, *panels[place:]))


def _light(sources: Sequence[Source], needs: Needs, height: int) -> Panel:
    by_name: dict[str, list[Source]] = {}
    for source in sources:
        by_name.setdefault(source.name, []).append(source)
    alone = next(iter(by_name)) if len(by_name) == 1 else ""
    may_be_absent = all(source.may_be_absent for source in sources)
    return Panel(
        title=alone[:1].upper() + alone[1:] or "Sources",
        about="Whether those answer who tell what this row shows. While one does not, the row "
        "shows what was known before, or nothing, which then means nothing.",
        kind=Kind.NUMBER,
        queries=tuple(Query(expr=state_of(same), legend=name) for name, same in by_name.items()),
        unit=Unit.NONE,
        steps=GOOD_FROM_ONE,
        words=NEW_OR_LATE if all(source.keeps for source in sources) else ANSWERS_OR_NOT,
        tells_of_sources=True,
        empty="none is there" if may_be_absent else "does not answer",
        empty_is_fine=may_be_absent,
        needs=needs,
        width=_LIGHT_WIDTH,
        height=height,
    )


def _common_need(panels: Sequence[Panel], sources: Sequence[Source]) -> Needs:
    """What all panels need that read these sources; nothing if they differ."""
    needs = {panel.needs for panel in panels if set(sources_of([panel])) & set(sources)}
    return needs.pop() if len(needs) == 1 else Needs.NOTHING
