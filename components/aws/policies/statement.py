"""IAM statements as data, and the documents made of them. Pure.

What is easily too wide is refused here: a wildcard in an action always, and one for resources
unless the statement says why AWS has no narrower one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

ANY = "*"

Conditions = Mapping[str, Mapping[str, str | Sequence[str]]]
"""Operator to key to value(s)."""


class TooWide(ValueError):
    """A statement that would allow more than somebody has thought of."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One permission. `principals` is for trust and resource policies alone."""

    sid: str
    actions: Sequence[str]
    resources: Sequence[str] = ()
    any_resource: str = ""
    """Why the statement is about every resource: what of the actions AWS cannot narrow."""
    conditions: Conditions = field(default_factory=dict)
    effect: Literal["Allow", "Deny"] = "Allow"
    principals: Mapping[str, str | Sequence[str]] | None = None

    def __post_init__(self) -> None:
        if not self.sid.isalnum():
            raise ValueError(f"{self.sid}: a statement's id is letters and digits")
        if not self.actions or (
            not self.resources and not self.any_resource and self.principals is None
        ):
            raise ValueError(f"{self.sid}: no action or no resource")
        wide = [action for action in self.actions if ANY in action]
        if wide and self.effect == "Allow":
            raise TooWide(f"{self.sid}: {wide[0]}; name the actions")
        if ANY in self.resources:
            raise TooWide(f"{self.sid}: every resource; say why with any_resource, or name them")

    def document(self) -> dict[str, Any]:
        """As IAM reads it."""
        made: dict[str, Any] = {
            "Sid": self.sid,
            "Effect": self.effect,
            "Action": sorted(self.actions),
        }
        if self.principals is not None:
            made["Principal"] = dict(self.principals)
        if self.resources or self.any_resource:
            made["Resource"] = sorted(self.resources) or ANY
        if self.conditions:
            made["Condition"] = {key: dict(value) for key, value in self.conditions.items()}
        return made


def document(*statements: Statement) -> str:
    """A policy's text: same statements, same bytes."""
    made = {"Version": "2012-10-17", "Statement": [one.document() for one in statements]}
    return json.dumps(made, sort_keys=True)
