"""Times of the week at which nodes are to be there: a class, a working day."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from config.settings.part import Many, Part, Text, Whole, without_duplicates

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ClockTime = Annotated[
    Text,
    Field(
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
        json_schema_extra={"allowed": "a time from 00:00 to 23:59, in quotes"},
    ),
]


class Window(Part):
    """One time of the week. It ends on the next day where `end` is not after `start`."""

    days: Annotated[Many[Day], Field(min_length=1), AfterValidator(without_duplicates)]
    """Days on which it begins."""
    start: ClockTime
    """When the nodes are to be there, in the cluster's `time_zone`; they boot before."""
    end: ClockTime
    """Until when they are kept."""
    nodes: Annotated[Whole, Field(ge=1, le=10000)]
    """How many nodes are there, busy or not."""
