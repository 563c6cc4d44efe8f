"""A mistake in the settings, and the error that carries all of them at once."""

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from config.settings.users import looks_private

ROOT_PATH = "cluster"
"""The Pulumi configuration key that holds the settings, first part of every path."""

NOT_SET = "(not set)"
HIDDEN = "(not shown)"
_LONGEST_VALUE = 80
_SECRET_NAME = re.compile(r"passw|secret|token|private|credential", re.IGNORECASE)


@dataclass(frozen=True)
class Mistake:
    """One mistake: where, what was written, what is allowed, and what to do."""

    path: str
    """As a user writes it, for instance `cluster.pools.cpu.max_nodes`."""
    value: str
    """What was written, shortened; never a secret."""
    allowed: str
    fix: str

    def __str__(self) -> str:
        return f"{self.path}: {self.value}\n    allowed: {self.allowed}\n    fix:     {self.fix}"


class SettingsError(Exception):
    """The settings cannot be used.

    `mistakes` has every mistake found, by path; the text is the whole report.
    """

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(set(mistakes), key=lambda mistake: mistake.path))
        super().__init__(self.mistakes)

    def __str__(self) -> str:
        count = len(self.mistakes)
        title = f"{count} mistake{'s' if count > 1 else ''} in the settings; nothing was changed."
        return "\n".join([title, *(f"\n  {mistake}" for mistake in self.mistakes)])

    def without_values(self) -> "SettingsError":
        """The same error for settings that Pulumi keeps encrypted."""
        return SettingsError(replace(mistake, value=HIDDEN) for mistake in self.mistakes)


def path_text(location: Sequence[object]) -> str:
    """`("pools", "cpu", "features", 0)` as `cluster.pools.cpu.features[0]`."""
    text = ROOT_PATH
    for step in location:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = str(step)
            text += f".{name}" if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f".{_quoted(name)}"
    return text


def shown(value: object, location: Sequence[object] = ()) -> str:
    """A value as the report shows it: one short line, and nothing that looks like a secret."""
    text = _quoted(value)
    if looks_private(text) or any(_SECRET_NAME.search(str(step)) for step in location):
        return HIDDEN
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` is most likely meant to be, or None."""
    matches = difflib.get_close_matches(name.lower(), sorted(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def one_of(names: Iterable[str]) -> str:
    """The names as a phrase of what is allowed."""
    return "one of " + (", ".join(sorted(names)) or "(none exist)")


def pick(name: str, known: Sequence[str]) -> str:
    """The fix for a name that must be one of `known`."""
    near = nearest(name, known)
    return f"did you mean {near}?" if near else "choose one of these"


def _quoted(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        text = f"a value of type {type(value).__name__}"
    # A lone surrogate could not be printed.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
