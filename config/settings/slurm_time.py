"""Slurm's notation of a time span: `30`, `30:00`, `1:30:00`, `2-12`, `2-12:30:00`, `UNLIMITED`."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from config.settings.part import Text, refusal

UNLIMITED = "UNLIMITED"
SPAN = (
    "a time span as Slurm writes it: minutes (30), hours:minutes:seconds (1:30:00), "
    "or days-hours:minutes:seconds (2-12:00:00)"
)

SPAN_OR_UNLIMITED = SPAN + "; or UNLIMITED"

_FORMS = re.compile(
    r"(?:(?P<days>\d{1,5})-(?P<day_hours>\d{1,4})(?::(?P<day_minutes>\d{1,4})(?::(?P<day_seconds>\d{1,4}))?)?"
    r"|(?P<hours>\d{1,5}):(?P<hour_minutes>\d{1,4}):(?P<hour_seconds>\d{1,4})"
    r"|(?P<minutes>\d{1,7})(?::(?P<seconds>\d{1,4}))?)",
    re.ASCII,
)


def span_seconds(text: str) -> int | None:
    """Length of a time span in seconds; None for UNLIMITED or INFINITE.

    Raises ValueError when `text` is not in Slurm's notation.
    """
    if text.upper() in (UNLIMITED, "INFINITE"):
        return None
    match = _FORMS.fullmatch(text)
    if match is None:
        raise ValueError(f"not a time span: {text!r}")
    part = {name: int(value or 0) for name, value in match.groupdict().items()}
    hours = 24 * part["days"] + part["day_hours"] + part["hours"]
    minutes = part["day_minutes"] + part["hour_minutes"] + part["minutes"]
    return (
        3600 * hours + 60 * minutes + part["day_seconds"] + part["hour_seconds"] + part["seconds"]
    )


def span_minutes(text: str) -> int | None:
    """The same in whole minutes, rounded up as Slurm does; None for UNLIMITED."""
    seconds = span_seconds(text)
    return None if seconds is None else -(-seconds // 60)


def _text_of_minutes(value: object) -> object:
    # `time_limit: 30` is a number in YAML and minutes in Slurm.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _positive(text: str, allowed: str = SPAN) -> str:
    try:
        seconds = span_seconds(text)
    except ValueError:
        raise refusal(allowed, 'write for instance "30" or "1-00:00:00", in quotes') from None
    if seconds is None:
        raise refusal(allowed, "give a length; UNLIMITED cannot be used here")
    if seconds == 0:
        raise refusal(allowed + "; longer than zero", 'write for instance "30"')
    return text


def _positive_or_unlimited(text: str) -> str:
    if text.upper() in (UNLIMITED, "INFINITE"):
        return UNLIMITED
    return _positive(text, SPAN_OR_UNLIMITED)


def _schema(allowed: str) -> WithJsonSchema:
    return WithJsonSchema({"type": ["string", "integer"], "allowed": allowed})


TimeSpan = Annotated[
    Text, BeforeValidator(_text_of_minutes), AfterValidator(_positive), _schema(SPAN)
]
"""A span with an end."""

TimeLimit = Annotated[
    Text,
    BeforeValidator(_text_of_minutes),
    AfterValidator(_positive_or_unlimited),
    _schema(SPAN_OR_UNLIMITED),
]
"""A span, or UNLIMITED."""
