"""Which parts of the fleet launch nothing at the moment, and why. Pure.

The nodes of a closed bucket (a pool's nodes that are bought in one way) that are off are taken out
of service with this reason: jobs wait and say so, instead of being given nodes that do not come.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from node_manager.actions import View
from node_manager.failures import reason_text
from node_manager.fleet import Capacity, Fleet, Pool
from node_manager.limits import Usage, passed_limit, usage
from node_manager.memory import Memory
from node_manager.shortages import Bucket, Shortage, falls_back, has_fallback

Closures = Mapping[Bucket, str]


def closures(
    fleet: Fleet, view: View, memory: Memory, brakes: Mapping[str, str], now: float
) -> Closures:
    """The closed buckets, each with the reason for Slurm."""
    used = usage(fleet, view.instances)
    found: dict[Bucket, str] = {}
    for pool in fleet.pools:
        for capacity in buckets(pool):
            why = _why_closed(fleet, pool, capacity, used, memory, brakes, now)
            if why:
                found[(pool.name, capacity)] = why
    return found


def buckets(pool: Pool) -> tuple[Capacity, ...]:
    """The ways in which nodes of the pool are bought while nothing is short."""
    if pool.spot is None:
        return (Capacity.ON_DEMAND,)
    return (Capacity.ON_DEMAND, Capacity.SPOT) if pool.spot.on_demand_nodes else (Capacity.SPOT,)


def brake_reason(pool: str, why: str) -> str:
    """The reason of a braked pool's nodes."""
    return f"{reason_text(why)}; fix it, then: make resume POOL={pool}"


def _why_closed(
    fleet: Fleet,
    pool: Pool,
    capacity: Capacity,
    used: Usage,
    memory: Memory,
    brakes: Mapping[str, str],
    now: float,
) -> str:
    if pool.name in brakes:
        return brake_reason(pool.name, brakes[pool.name])
    shortage = memory.shortages.get((pool.name, capacity))
    if capacity is Capacity.SPOT and has_fallback(pool):
        if falls_back(pool, shortage, now):
            capacity = Capacity.ON_DEMAND
            shortage = memory.shortages.get((pool.name, capacity))
        else:
            shortage = None  # tried again soon, until the fallback is due
    if shortage is not None and shortage.lasts(now):
        return _shortage_reason(shortage)
    over = passed_limit(fleet, used.plus(pool, capacity))
    return reason_text(over) if over else ""


def _shortage_reason(shortage: Shortage) -> str:
    again = datetime.fromtimestamp(shortage.until, UTC).strftime("%H:%M:%SZ")
    return f"{reason_text(shortage.message)} (asked {shortage.count} times, again at {again})"
