"""What every part of the settings is made of: base model, strict scalars, refusals with a fix.

A type that belongs to one part lives with that part; a notation of Slurm's own has its own module.
"""

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, Strict
from pydantic_core import PydanticCustomError

REFUSED = "setting_refused"
"""Error type of a refusal made here, as opposed to pydantic's own."""


class Part(BaseModel):
    """A frozen group of settings that refuses keys it does not know."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        # A pasted private key must not reach a log through pydantic's own message.
        hide_input_in_errors=True,
    )


T = TypeVar("T")

Text = Annotated[str, Strict()]
Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Switch = Annotated[bool, Strict()]
Whole = Annotated[int, Strict()]  # strict: YAML's `yes` and "8" are mistakes, not numbers
Count = Annotated[int, Strict(), Field(ge=0, le=2**31 - 1)]
Many = Annotated[tuple[T, ...], Strict(False)]  # a list in YAML


def refusal(allowed: str, fix: str, *, secret: bool = False) -> PydanticCustomError:
    """The error to raise from a validator: what is allowed and what to do instead.

    `secret` keeps the value out of every message.
    """
    # The texts go in as context: a brace inside them must not be read as a placeholder.
    return PydanticCustomError(
        REFUSED, "allowed: {allowed}", {"allowed": allowed, "fix": fix, "secret": secret}
    )


def without_duplicates(values: tuple[T, ...]) -> tuple[T, ...]:
    """The same values; raises when one is listed twice."""
    seen: list[T] = []
    for value in values:
        if value in seen:
            raise refusal("a list without duplicates", f"remove the second {value!r}")
        seen.append(value)
    return values
