"""Pulumi's events as lines for a person: what begins, what ended and how long it took."""

import re
import time
from dataclasses import dataclass, field
from typing import Any

_COLOURS = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")

STEPS = {
    "images": "images",
    "services": "cluster",
    "home-volume": "data volumes",
    "slurm-key": "secrets",
}
"""What a person is told of: the part of a cluster's resources, by the end of their names."""

# Operations in the engine's words: https://www.pulumi.com/docs/iac/concepts/how-pulumi-works/
_WORDS = {
    "create": "making",
    "update": "changing",
    "delete": "removing",
    "replace": "making again",
    "create-replacement": "making again",
    "delete-replaced": "removing the old one",
}


def say(text: str) -> None:
    """One line of progress."""
    print(text, flush=True)


@dataclass
class Progress:
    """Listens to an operation.

    `problems` holds what Pulumi said of what went wrong, `made` what was created or made again.
    """

    name: str
    problems: list[str] = field(default_factory=list)
    changed: bool = False
    made: set[str] = field(default_factory=set)
    _begun: dict[str, float] = field(default_factory=dict)

    def __call__(self, event: dict[str, Any]) -> None:
        """Take one event of the engine."""
        if before := event.get("resourcePreEvent"):
            self._begin(before["metadata"]["urn"], before["metadata"]["op"])
        elif after := event.get("resOutputsEvent"):
            self._end(after["metadata"]["urn"], "done")
        elif failure := event.get("resOpFailedEvent"):
            self._end(failure["metadata"]["urn"], "failed")
        elif diagnostic := event.get("diagnosticEvent"):
            self._diagnostic(diagnostic["severity"], diagnostic["message"])

    def _diagnostic(self, severity: str, message: str) -> None:
        text = _COLOURS.sub("", message).strip()
        if severity.startswith("error"):
            self.problems.append(text)
        elif severity == "warning" and "from $PATH" not in text:
            # The engine warns once for each plugin that it finds on PATH: that is how it is set up.
            say(f"[{self.name}] note: {text}")

    def _begin(self, urn: str, operation: str) -> None:
        if operation not in _WORDS:
            return
        self.changed = True
        if "create" in operation:
            self.made.add(urn)
        if step := _step(urn):
            self._begun[urn] = time.monotonic()
            say(f"[{self.name}] {step}: {_WORDS[operation]} ...")

    def _end(self, urn: str, how: str) -> None:
        if begun := self._begun.pop(urn, None):
            say(f"[{self.name}] {_step(urn)}: {how} {time.monotonic() - begun:.1f} s")


def _step(urn: str) -> str | None:
    name = urn.rpartition("::")[2]
    return next((words for end, words in STEPS.items() if name.endswith(f"-{end}")), None)
