"""The ceiling of instances, cost and memory that no launch may pass. Pure.

Used twice: by the decisions, which close a pool that has no room left, and right before each call
of the provider, where it holds whatever the decisions were.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from node_manager.fleet import Capacity, Fleet, Pool
from node_manager.provider import Instance, LaunchRequest

_CENT = 1e-9
"""Sums of prices are not exact: nobody is refused for less than this."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a number of machines take: their count, dollars an hour, and MiB."""

    instances: int = 0
    cost: float = 0.0
    memory_mb: int = 0

    def plus(self, pool: Pool, capacity: Capacity) -> "Usage":
        """With one more node of a pool, at the most that it may cost."""
        return Usage(
            instances=self.instances + 1,
            cost=self.cost + pool.prices[capacity],
            memory_mb=self.memory_mb + pool.memory_mb,
        )


def usage(fleet: Fleet, instances: Iterable[Instance]) -> Usage:
    """What the live machines take."""
    memory = {pool.name: pool.memory_mb for pool in fleet.pools}
    live = [instance for instance in instances if instance.state.live]
    return Usage(
        instances=len(live),
        cost=sum(instance.price_per_hour for instance in live),
        memory_mb=sum(memory.get(instance.pool, 0) for instance in live),
    )


def passed_limit(fleet: Fleet, used: Usage) -> str:
    """The limit that this usage would pass, in words for people; empty: none."""
    limits = fleet.limits
    if limits.max_instances is not None and used.instances > limits.max_instances:
        return f"limits.max_nodes is reached: {limits.max_instances} nodes"
    if limits.max_cost_per_hour is not None and used.cost > limits.max_cost_per_hour + _CENT:
        return f"limits.max_cost_per_hour is reached: ${limits.max_cost_per_hour:g}"
    if limits.memory_mb is not None and used.memory_mb > limits.memory_mb:
        return f"limits.memory_mb is reached: {limits.memory_mb} MiB for all nodes together"
    return ""


@dataclass(frozen=True, kw_only=True)
class Admission:
    """Which requests may be launched, and for the others why not."""

    admitted: Sequence[LaunchRequest]
    refused: Sequence[tuple[LaunchRequest, str]]


def admit(
    fleet: Fleet, instances: Iterable[Instance], requests: Iterable[LaunchRequest]
) -> Admission:
    """As many of the requests, in their order, as the limits leave room for."""
    used = usage(fleet, instances)
    admitted: list[LaunchRequest] = []
    refused: list[tuple[LaunchRequest, str]] = []
    for request in requests:
        then = used.plus(request.pool, request.capacity)
        why = passed_limit(fleet, then)
        if why:
            refused.append((request, why))
        else:
            admitted.append(request)
            used = then
    return Admission(admitted=admitted, refused=refused)
