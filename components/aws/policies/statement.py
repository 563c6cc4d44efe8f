"""IAM statements as data, and the documents made of them. Pure.

What is easily too wide is refused here: a wildcard in an action always, and one for resources
unless the statement says why AWS has no narrower one.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

ANY = "*"

Conditions = Mapping[str, Mapping[str, str | Sequence[str]]]
"""Operator to key to value(s)."""

_ACTION = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+")
_WILD = re.compile(r"[*?]")


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
        if not (self.sid.isascii() and self.sid.isalnum()):
            raise ValueError(f"{self.sid}: a statement's id is letters and digits")
        for wrong in _malformed(self):
            raise ValueError(f"{self.sid}: {wrong}")
        for wide in _too_wide(self):
            raise TooWide(f"{self.sid}: {wide}")

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
    sids = [one.sid for one in statements]
    if not sids or len(set(sids)) < len(sids):
        raise ValueError(f"{sids}: a policy has statements, each with an id of its own")
    made = {"Version": "2012-10-17", "Statement": [one.document() for one in statements]}
    return json.dumps(made, sort_keys=True)


def _malformed(one: Statement) -> Iterator[str]:
    # A text is a sequence of texts, too: "s3:GetObject" would be twelve actions.
    if isinstance(one.actions, str) or isinstance(one.resources, str):
        yield "actions and resources are lists"
    if not one.actions:
        yield "no action"
    if not one.resources and not one.any_resource and one.principals is None:
        yield "no resource"
    if one.resources and one.any_resource:
        yield "some resources, and a reason for every one: which of the two?"
    if any(not value for keys in one.conditions.values() for value in keys.values()) or not all(
        one.conditions.values()
    ):
        yield "a condition without a value"


def _too_wide(one: Statement) -> Iterator[str]:
    if one.effect == "Allow":
        yield from (f"{a}; name the actions" for a in one.actions if not _ACTION.fullmatch(a))
        if any(ANY in _listed(value) for value in (one.principals or {}).values()):
            yield "everybody; name who"
    for resource in one.resources:
        # Region and account of an ARN may be empty, but never open.
        *place, thing = resource.split(":", 5)
        if len(place) < 5 or _WILD.search("".join(place)) or not thing.strip("*?/"):
            yield f"{resource}; say why with any_resource, or name them"


def _listed(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value
