"""What a value means: the colour of the step that it has reached."""

from collections.abc import Iterable

from config.panels.model import Colour, Panel

_BY_URGENCY = (Colour.RED, Colour.YELLOW, Colour.GREEN, Colour.BLUE)


def colour_of(panel: Panel, value: float) -> Colour | None:
    """The colour of the last step that the value reaches; None where the panel has no steps."""
    reached = [step for step in panel.steps if step.value is None or value >= step.value]
    return reached[-1].colour if reached else None


def most_urgent(colours: Iterable[Colour | None]) -> Colour | None:
    """The one to look at first; None where there is none."""
    found = set(colours)
    return next((colour for colour in _BY_URGENCY if colour in found), None)
