"""Names of time zones, as the IANA database has them."""

from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field

from config.settings.mistakes import nearest
from config.settings.part import Text, refusal


def _known(name: str) -> str:
    zones = available_timezones()
    # A machine without the database cannot tell; the node manager has one of its own.
    if zones and name not in zones:
        near = nearest(name, {zone.lower(): zone for zone in zones})
        spelt = next((zone for zone in zones if zone.lower() == near), None)
        raise refusal(
            "a name of the IANA time zone database",
            f"did you mean {spelt}?" if spelt else "for instance Europe/Berlin",
        )
    return name


TimeZone = Annotated[
    Text,
    AfterValidator(_known),
    Field(json_schema_extra={"allowed": "a name of the IANA time zone database"}),
]
