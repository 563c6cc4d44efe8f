"""A node that would not come: when it may be tried again, and how its reason in Slurm says so.

A failed launch is tried again soon, up to `TRIES_IN_PLACE` times. Then the node is put back: out of
service with a reason that `sinfo -R` shows, for a time that doubles with each put-back. That
reason's text holds the time and the count, so a restarted manager reads them back from Slurm.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from node_manager.provider import Instance

REASON_PREFIX = "hpc-stack: "
LEAVING_PREFIX = f"{REASON_PREFIX}leaving: "
"""Of a node whose machine has to go. Nodes write it themselves, too (spot_watcher.py)."""

TRIES_IN_PLACE = 3
RETRY_PAUSE_SECONDS = (0.0, 2.0)
"""Before the second and the third try."""

BACKOFF_FIRST_SECONDS = 30
BACKOFF_CAP_SECONDS = 900
STABLE_SECONDS = 60
"""A node that has been up for so long after a failure counts as well again."""

MESSAGE_LENGTH = 160
_PUT_BACK = re.compile(
    r"^(?P<message>.*) \(try (?P<count>\d+), again at (?P<until>[^\s)]+)\)"
    r"(?: : .*)?$"  # Slurm's own word on the same node, as in " : Not responding"
)
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
        return Step.WAIT if self.at <= now < self.retry_at else Step.TRY

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

    def holds(self, now: float) -> bool:
        """Whether the node stays out of service. A clock that was set back ends it, too."""
        return now < self.until <= now + BACKOFF_CAP_SECONDS + 1

    def text(self) -> str:
        """The reason as Slurm stores it."""
        until = datetime.fromtimestamp(self.until, UTC).strftime(_TIME)
        return f"{reason_text(self.message)} (try {self.count}, again at {until})"


def reason_text(message: str) -> str:
    """A message as a reason that Slurm stores and people can tell is ours."""
    return REASON_PREFIX + " ".join(message.replace('"', "'").split())[:MESSAGE_LENGTH]


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


def death_message(instance: Instance | None) -> str:
    """How a machine's end is told to people."""
    if instance is None:
        return "its machine has vanished"
    return f"its machine has {instance.detail or 'exited'}"
