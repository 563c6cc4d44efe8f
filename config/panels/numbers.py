"""A cluster's own numbers in the steps of its pages. They are the same as in its alerts."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from config.panels.model import Dashboard, Panel, Step


def with_numbers(pages: Iterable[Dashboard], numbers: Mapping[str, float]) -> tuple[Dashboard, ...]:
    """The pages of the cluster whose settings say these numbers, by name."""

    def step(one: Step) -> Step:
        return replace(one, value=numbers[one.number]) if one.number else one

    def panel(one: Panel) -> Panel:
        return replace(one, steps=tuple(map(step, one.steps)))

    return tuple(
        replace(
            page,
            rows=tuple(replace(row, panels=tuple(map(panel, row.panels))) for row in page.rows),
        )
        for page in pages
    )
