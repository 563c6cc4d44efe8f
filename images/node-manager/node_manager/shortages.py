"""What is remembered about capacity that the platform did not have, and what follows from it. Pure.

A bucket is what is short as a whole: the nodes of one pool that are bought in one way.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from node_manager.failures import backoff_seconds
from node_manager.fleet import Capacity, Pool

Bucket = tuple[str, Capacity]

RETRY_SECONDS = 2.0
"""Between two launches for spot capacity while the fallback is not due yet."""
FORGET_SECONDS = 600
"""A shortage this long after the last one was over is a new one."""


@dataclass(frozen=True, kw_only=True)
class Shortage:
    """Launches of one bucket in a row that found no capacity. Times: seconds since the epoch."""

    count: int
    since: float
    at: float
    message: str

    @property
    def until(self) -> float:
        """Until when nothing is launched, or a fallback is used instead. Whole seconds."""
        return float(int(self.at) + backoff_seconds(self.count))

    def lasts(self, now: float) -> bool:
        """Whether it still counts. A clock that was set back ends it, too."""
        return self.at <= now < self.until


def one_more(before: Shortage | None, message: str, now: float) -> Shortage:
    """The shortage after one more launch without capacity."""
    if before is None or now > before.until + FORGET_SECONDS:
        return Shortage(count=1, since=now, at=now, message=message)
    return Shortage(count=before.count + 1, since=before.since, at=now, message=message)


def has_fallback(pool: Pool) -> bool:
    """Whether on-demand machines may take the place of spot ones."""
    spot = pool.spot
    return spot is not None and (
        spot.fallback_after_failures is not None or spot.fallback_after_seconds is not None
    )


def falls_back(pool: Pool, shortage: Shortage | None, now: float) -> bool:
    """Whether on-demand machines are due for the pool's spot nodes now."""
    if pool.spot is None or shortage is None or not shortage.lasts(now):
        return False
    failures, seconds = pool.spot.fallback_after_failures, pool.spot.fallback_after_seconds
    return (failures is not None and shortage.count >= failures) or (
        seconds is not None and now - shortage.since >= seconds
    )


def capacity_now(
    pool: Pool, node: str, shortages: Mapping[Bucket, Shortage], now: float
) -> Capacity:
    """How a machine for the node is to be bought at this moment."""
    usual = pool.capacity(node)
    if usual is Capacity.SPOT and falls_back(pool, shortages.get((pool.name, usual)), now):
        return Capacity.ON_DEMAND
    return usual
