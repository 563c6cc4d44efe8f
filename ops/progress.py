"""Pulumi's events as lines for a person: what begins, what ended and how long it took."""

import re
import time
from dataclasses import dataclass, field
from threading import Lock, Timer
from typing import Any

_COLOURS = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")

STEPS = {
    "images": "images",
    "services": "cluster",
    "home-volume": "data volumes",
    "slurm-key": "secrets",
}
"""What a person is told of on this machine: the part of a cluster's resources, by the end of their
names."""

AWS_STEPS = {
    "Network": "network",
    "SecurityGroups": "network",
    "Storage": "storage",
    "Bucket": "storage",
    "Registry": "registry",
    "Images": "images",
    "Parameters": "secrets",
    "Identities": "roles",
    "Controller": "controller",
    "ComputePool": "templates of nodes",
    "Delivery": "delivery",
}
"""What a person is told of on AWS: the part of a cluster, by the component (`hpcstack:aws:...`)
that its resources belong to."""
WAIT_FOR_CONTROLLER = "waiting for the controller, up to 10 minutes"
"""components/aws/await_controller.py waits no longer."""

SETTLE_SECONDS = 5.0
"""A part of many resources is over when none of them was at work for so long: how many there are is
not known before. Where they wait for each other, the next one begins within a second."""

# Operations in the engine's words: https://www.pulumi.com/docs/iac/concepts/how-pulumi-works/
_WORDS = {
    "create": "making",
    "update": "changing",
    "delete": "removing",
    "replace": "making again",
    "create-replacement": "making again",
    "delete-replaced": "removing the old one",
}
_COMPONENT = "hpcstack:aws:"
_IMAGE = re.compile(r"-(arm64|x86-64)$")


def say(text: str) -> None:
    """One line of progress."""
    print(text, flush=True)


@dataclass(frozen=True, kw_only=True)
class Step:
    """A part of a cluster that a person is told of, as far as one resource belongs to it."""

    name: str
    making: str | None = None
    """What is said instead of that it is made, or changed."""
    settles: float = 0.0
    """Seconds after which it is over, where none of its resources is at work."""
    only_removal: bool = False
    """Whether nothing happens to it before it is removed."""


@dataclass(kw_only=True)
class _Work:
    """A step that has begun."""

    step: Step
    begun: float
    ended: float
    at_work: set[str] = field(default_factory=set)
    """URNs."""
    failed: bool = False
    over: Timer | None = None


@dataclass
class Progress:
    """Listens to an operation.

    `problems` holds what Pulumi said of what went wrong, `made` what was created or made again.
    """

    name: str
    problems: list[str] = field(default_factory=list)
    changed: bool = False
    made: set[str] = field(default_factory=set)
    _works: dict[str, _Work] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def __call__(self, event: dict[str, Any]) -> None:
        """Take one event of the engine."""
        with self._lock:
            if before := event.get("resourcePreEvent"):
                self._begin(before["metadata"]["urn"], before["metadata"]["op"])
            elif after := event.get("resOutputsEvent"):
                self._end(after["metadata"]["urn"])
            elif failure := event.get("resOpFailedEvent"):
                self._end(failure["metadata"]["urn"], failed=True)
            elif diagnostic := event.get("diagnosticEvent"):
                self._diagnostic(diagnostic["severity"], diagnostic["message"])
            elif "summaryEvent" in event:
                for work in [*self._works.values()]:
                    self._close(work)

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
        step, removed = step_of(urn), operation.startswith("delete")
        if step is None or (step.only_removal and not removed):
            return
        work = self._works.get(step.name)
        if work is None:
            now = time.monotonic()
            work = self._works[step.name] = _Work(step=step, begun=now, ended=now)
            words = _WORDS[operation] if removed or not step.making else step.making
            say(f"[{self.name}] {step.name}: {words} ...")
        work.at_work.add(urn)
        if work.over:
            work.over.cancel()

    def _end(self, urn: str, *, failed: bool = False) -> None:
        work = next((work for work in self._works.values() if urn in work.at_work), None)
        if work is None:
            return
        work.at_work.remove(urn)
        work.ended = time.monotonic()
        work.failed |= failed
        if work.at_work:
            return
        if work.step.settles:
            work.over = Timer(work.step.settles, self._settle, [work])
            work.over.daemon = True
            work.over.start()
        else:
            self._close(work)

    def _settle(self, work: _Work) -> None:
        """Runs in a thread of its own: while the engine waits for something, no event comes."""
        with self._lock:
            if self._works.get(work.step.name) is work:
                self._close(work)

    def _close(self, work: _Work) -> None:
        if work.at_work:
            return
        if work.over:
            work.over.cancel()
        del self._works[work.step.name]
        how = "failed" if work.failed else "done"
        say(f"[{self.name}] {work.step.name}: {how} {work.ended - work.begun:.1f} s")


def step_of(urn: str) -> Step | None:
    """The step that a resource belongs to; None for one that nobody is told of."""
    _, _, kinds, name = urn.split("::", 3)
    *parents, kind = kinds.split("$")
    owner = parents[-1] if parents else ""
    if kind.startswith("hpcstack:"):
        return None  # a component is made at once, its resources are not
    if owner.startswith(_COMPONENT):
        return _aws_step(owner.removeprefix(_COMPONENT), kind, name)
    words = next((words for end, words in STEPS.items() if name.endswith(f"-{end}")), None)
    return None if words is None else Step(name=words)


def _aws_step(component: str, kind: str, name: str) -> Step | None:
    step = AWS_STEPS.get(component)
    if component == "Cluster" and kind.startswith("aws:ec2/route:"):
        step = AWS_STEPS["Controller"]  # nodes' way out, which leads through it
    elif component == "Cluster" and kind == "command:local:Command":
        if name.endswith("-nodes"):
            # What the node manager has launched: the engine does not make it, and removes it.
            return Step(name="nodes", only_removal=True)
        step = AWS_STEPS["Parameters"]
    if step is None:
        return None
    if component == "Delivery":
        # The object itself is there at once.
        waits = kind == "command:local:Command"
        return Step(name=step, making=WAIT_FOR_CONTROLLER) if waits else None
    if component == "Images" and (processor := _IMAGE.search(name)):
        step = f"{step} for {processor[1].replace('-', '_')}"
    return Step(name=step, settles=SETTLE_SECONDS)
