"""Pulumi's events as lines for a person: what begins, what ended and how long it took."""

import re
import time
from dataclasses import dataclass, field

from pulumi.automation import EngineEvent, OpType

_COLOURS = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")

STEPS = {
    "images": "images",
    "services": "cluster",
    "home-volume": "data volumes",
    "slurm-key": "secrets",
}
"""What a person is told of: the part of a cluster's resources, by the end of their names."""

_WORDS = {
    OpType.CREATE: "making",
    OpType.UPDATE: "changing",
    OpType.DELETE: "removing",
    OpType.REPLACE: "making again",
    OpType.CREATE_REPLACEMENT: "making again",
    OpType.DELETE_REPLACED: "removing the old one",
}


def say(text: str) -> None:
    """One line of progress."""
    print(text, flush=True)


@dataclass
class Progress:
    """Listens to a run of Pulumi. `problems` holds what it said when it failed."""

    problems: list[str] = field(default_factory=list)
    changed: bool = False
    _begun: dict[str, float] = field(default_factory=dict)

    def __call__(self, event: EngineEvent) -> None:
        """Take one event."""
        if event.resource_pre_event:
            metadata = event.resource_pre_event.metadata
            self._begin(metadata.urn, metadata.op)
        elif event.res_outputs_event:
            metadata = event.res_outputs_event.metadata
            self._end(metadata.urn, "done")
        elif event.res_op_failed_event:
            self._end(event.res_op_failed_event.metadata.urn, "failed")
        elif event.diagnostic_event and event.diagnostic_event.severity in ("error", "warning"):
            diagnostic = event.diagnostic_event
            text = _COLOURS.sub("", diagnostic.message).strip()
            if diagnostic.severity == "error":
                self.problems.append(text)
            elif "from $PATH" not in text:  # Pulumi names each plugin that it found on PATH
                say(f"[up] note: {text}")

    def _begin(self, urn: str, op: OpType) -> None:
        if op not in _WORDS:
            return
        self.changed = True
        if step := _step(urn):
            self._begun[urn] = time.monotonic()
            say(f"[up] {step}: {_WORDS[op]} ...")

    def _end(self, urn: str, how: str) -> None:
        if begun := self._begun.pop(urn, None):
            say(f"[up] {_step(urn)}: {how} {time.monotonic() - begun:.1f} s")


def _step(urn: str) -> str | None:
    name = urn.rpartition("::")[2]
    return next((words for end, words in STEPS.items() if name.endswith(f"-{end}")), None)
