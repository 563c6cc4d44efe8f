"""Colours and words that many panels share."""

from config.panels.absence import NOT_KNOWN
from config.panels.model import Colour, Step

GOOD_FROM_ONE = (Step(value=None, colour=Colour.RED), Step(value=1, colour=Colour.GREEN))
"""Red below 1."""
BAD_FROM_ONE = (
    Step(value=None, colour=Colour.RED),
    Step(value=0, colour=Colour.GREEN),
    Step(value=1, colour=Colour.RED),
)
"""Red from 1 on, and below 0, where the value is not known."""
WARN_FROM_ONE = (
    Step(value=None, colour=Colour.RED),
    Step(value=0, colour=Colour.GREEN),
    Step(value=1, colour=Colour.YELLOW),
)
"""Yellow from 1 on; red below 0, where the value is not known."""
FULL = (
    Step(value=None, colour=Colour.GREEN),
    Step(value=0.8, colour=Colour.YELLOW),
    Step(value=0.9, colour=Colour.RED),
)
"""A share of what there is: little is good."""
BUDGET = (
    Step(value=None, colour=Colour.GREEN),
    Step(value=0.8, colour=Colour.YELLOW, number="budget_warn_at"),
    Step(value=1, colour=Colour.RED),
)
"""A share of a budget: yellow as soon as the alert BudgetNear holds."""
COMPLETED = (
    Step(value=None, colour=Colour.RED),
    Step(value=0.8, colour=Colour.YELLOW),
    Step(value=0.95, colour=Colour.GREEN),
)
"""A share of jobs: nearly all of them should."""
MOSTLY_WASTE = (Step(value=None, colour=Colour.BLUE), Step(value=0.5, colour=Colour.YELLOW))
"""A share of a cost. Some waste is the price of nodes that come quickly."""
EFFICIENT = (
    Step(value=None, colour=Colour.RED),
    Step(value=0.25, colour=Colour.YELLOW),
    Step(value=0.6, colour=Colour.GREEN),
)
"""A share of what was asked for: much is good."""

UP_OR_DOWN = ((1.0, "up"), (0.0, "down"), (NOT_KNOWN, "not known"))
ANSWERS_OR_NOT = ((1.0, "answers"), (0.0, "does not answer"))
NEW_OR_LATE = ((1.0, "up to date"), (0.0, "late or down"))
UP_LATE_OR_DOWN = ((2.0, "up"), (1.0, "late"), (0.0, "down"))
UP_LATE_OR_DOWN_STEPS = (
    Step(value=None, colour=Colour.RED),
    Step(value=1, colour=Colour.YELLOW),
    Step(value=2, colour=Colour.GREEN),
)
"""Of a service that answers (1), and whose last result is new (1 more)."""
