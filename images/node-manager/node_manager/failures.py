"""What is remembered about nodes that would not come, and when each may be tried again.

A failed launch is tried again soon, up to `TRIES_IN_PLACE` times. Then the node is put back: out of
service with a reason that `sinfo -R` shows, for a time that doubles with each put-back. That
reason's text holds the time and the count, so a restarted manager reads them back from Slurm.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from types import MappingProxyType

from node_manager.provider import Instance, InstanceState
from node_manager.slurm_state import SlurmNode

REASON_PREFIX = "hpc-stack: "

TRIES_IN_PLACE = 3
RETRY_PAUSE_SECONDS = (0.0, 2.0)
"""Before the second and the third try."""

BACKOFF_FIRST_SECONDS = 30
BACKOFF_CAP_SECONDS = 900
STABLE_SECONDS = 60
"""A node that has been up for so long after a failure counts as well again."""

MESSAGE_LENGTH = 160
_PUT_BACK = re.compile(r"^(?P<message>.*) \(try (?P<count>\d+), again at (?P<until>\S+)\)$")
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class Step(Enum):
    """What may be done now about a node that has no machine."""

    TRY = "try"
    WAIT = "wait"
    PUT_BACK = "put back"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The failures of one node in a row. Times are seconds since the epoch."""

    tries: int
    at: float
    message: str
    retryable: bool = True
    put_backs: int = 0
    put_back_until: float | None = None
    """Set while no failure has followed the last put-back: the next launch is a fresh trial."""
    instance_id: str | None = None
    """The exited machine that this failure stands for, so that it is counted once."""

    def step(self, now: float) -> Step:
        """What to do next."""
        if self.put_back_until is not None:
            return Step.TRY
        if not self.retryable or self.tries >= TRIES_IN_PLACE:
            return Step.PUT_BACK
        return Step.TRY if now >= self.retry_at else Step.WAIT

    @property
    def retry_at(self) -> float:
        """The earliest time of the next try in place."""
        return self.at + RETRY_PAUSE_SECONDS[min(self.tries, TRIES_IN_PLACE - 1) - 1]


@dataclass(frozen=True, kw_only=True)
class PutBackReason:
    """A put-back as it stands in a node's reason."""

    message: str
    count: int
    until: float

    def text(self) -> str:
        """The reason as Slurm stores it."""
        until = datetime.fromtimestamp(self.until, UTC).strftime(_TIME)
        message = " ".join(self.message.replace('"', "'").split())[:MESSAGE_LENGTH]
        return f"{REASON_PREFIX}{message} (try {self.count}, again at {until})"


def read_put_back(reason: str) -> PutBackReason | None:
    """The put-back that a node's reason tells of; None when it tells of none of ours."""
    if not reason.startswith(REASON_PREFIX):
        return None
    found = _PUT_BACK.match(reason.removeprefix(REASON_PREFIX))
    if found is None:
        return None
    try:
        until = datetime.strptime(found["until"], _TIME).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
    return PutBackReason(message=found["message"], count=int(found["count"]), until=until)


def backoff_seconds(put_backs: int) -> int:
    """How long the n-th put-back in a row (from 1) lasts."""
    doublings = min(max(put_backs, 1) - 1, 16)  # beyond the cap anyway; keeps the number small
    return min(BACKOFF_FIRST_SECONDS << doublings, BACKOFF_CAP_SECONDS)


@dataclass(frozen=True)
class Memory:
    """The failures by node. Never changed in place; each method gives a new one."""

    failures: Mapping[str, Failure] = field(default_factory=lambda: MappingProxyType({}))

    def failed(
        self,
        node: str,
        message: str,
        now: float,
        *,
        retryable: bool = True,
        instance_id: str | None = None,
    ) -> "Memory":
        """One more failure of a node."""
        before = self.failures.get(node)
        return self._with(
            node,
            Failure(
                tries=before.tries + 1 if before else 1,
                at=now,
                message=message,
                retryable=retryable,
                put_backs=before.put_backs if before else 0,
                instance_id=instance_id or (before.instance_id if before else None),
            ),
        )

    def put_back(self, node: str, reason: PutBackReason, now: float) -> "Memory":
        """A node has been put back."""
        before = self.failures.get(node) or Failure(tries=0, at=now, message=reason.message)
        return self._with(
            node, replace(before, put_backs=reason.count, put_back_until=reason.until)
        )

    def recall(self, nodes: Iterable[SlurmNode]) -> "Memory":
        """Learn from Slurm's reasons what an earlier manager knew."""
        memory = self
        for node in nodes:
            reason = read_put_back(node.reason)
            if reason is not None and node.name not in memory.failures:
                memory = memory.put_back(node.name, reason, reason.until)
        return memory

    def note_deaths(
        self, nodes: Mapping[str, SlurmNode], instances: Iterable[Instance], now: float
    ) -> "Memory":
        """Count each exited machine of a node that Slurm wants as one failure."""
        memory = self
        for instance in instances:
            node = nodes.get(instance.node)
            if node is None or node.off or instance.state is not InstanceState.EXITED:
                continue
            known = memory.failures.get(node.name)
            if known is None or known.instance_id != instance.provider_id:
                memory = memory.failed(
                    node.name, death_message(instance), now, instance_id=instance.provider_id
                )
        return memory

    def forget_recovered(self, nodes: Mapping[str, SlurmNode], now: float) -> "Memory":
        """Drop what is over: nodes that have been well for a while, and nodes that are no more."""
        kept = {
            name: failure
            for name, failure in self.failures.items()
            if name in nodes and not (nodes[name].registered and now - failure.at >= STABLE_SECONDS)
        }
        return self if len(kept) == len(self.failures) else Memory(MappingProxyType(kept))

    def _with(self, node: str, failure: Failure) -> "Memory":
        return Memory(MappingProxyType({**self.failures, node: failure}))


def death_message(instance: Instance | None) -> str:
    """How a machine's end is told to people."""
    if instance is None:
        return "its machine has vanished"
    return f"its machine has {instance.detail or 'exited'}"
