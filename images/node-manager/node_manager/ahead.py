"""Nodes that are there before a job needs them: the minimum, the warm ones, the schedule. Pure.

What is missing is powered up. Which idle nodes stay is told to Slurm (SuspendExcNodes), which
powers the others down when their time is over. A node whose machine has to go while jobs run there
counts as one more that is missing: its replacement boots before it is gone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from node_manager.actions import Keep, PowerUp, View
from node_manager.closures import Closures
from node_manager.failures import LEAVING_PREFIX, REASON_PREFIX, read_put_back
from node_manager.fleet import Fleet, Pool
from node_manager.schedule import scheduled_nodes
from node_manager.slurm_state import BaseState, Flag, SlurmNode


def prepare_ahead(
    fleet: Fleet, view: View, closed: Closures, now: float
) -> Iterator[PowerUp | Keep]:
    """What to power up now, and which nodes to keep if that has changed."""
    kept: set[str] = set()
    prices = {machine.node: machine.price_per_hour for machine in view.instances}
    for pool in fleet.pools:
        need = _Need.of(pool, fleet, view, now)
        yield from _missing(pool, need, closed, now)
        kept.update(_kept(need, prices, view.kept))
    if kept != view.kept:
        yield Keep(nodes=frozenset(kept))


def is_leaving(node: SlurmNode) -> bool:
    """Whether its machine has to go: no further jobs, and a replacement for those it has."""
    return node.has(Flag.DRAIN) and node.reason.startswith(LEAVING_PREFIX)


@dataclass(frozen=True, kw_only=True)
class _Need:
    """A pool's nodes as far as they can be of use, and how many there ought to be."""

    nodes: Sequence[SlurmNode]
    up: Sequence[SlurmNode]
    total: int
    idle: int
    replaced: int

    @classmethod
    def of(cls, pool: Pool, fleet: Fleet, view: View, now: float) -> "_Need":
        known = [view.nodes[name] for name in pool.node_names() if name in view.nodes]
        usable = [node for node in known if not node.out_of_service]
        scheduled = scheduled_nodes(pool, now, fleet.time_zone, fleet.resume_timeout_seconds)
        leaving = sum(is_leaving(node) and node.busy for node in known)
        return cls(
            nodes=usable,
            up=[node for node in usable if _up_or_coming(node)],
            total=0 if view.budget_reached else max(pool.min_nodes, scheduled),
            idle=leaving + (0 if view.budget_reached else pool.warm_nodes),
            replaced=sum(_being_replaced(node) for node in known),
        )

    @property
    def unused(self) -> list[SlurmNode]:
        """Up or coming, and no job has them."""
        return [node for node in self.up if not node.busy]

    @property
    def to_keep(self) -> int:
        """How many unused nodes are wanted."""
        return max(self.idle, self.total - (len(self.up) - len(self.unused)))


def _missing(pool: Pool, need: _Need, closed: Closures, now: float) -> Iterator[PowerUp]:
    missing = need.to_keep - len(need.unused) - need.replaced
    off = [
        node
        for node in need.nodes
        if not _up_or_coming(node)
        and not node.has(Flag.POWERING_DOWN, Flag.POWER_DOWN)
        and not _held(node, now)
        and (pool.name, pool.capacity(node.name)) not in closed
    ]
    off.sort(key=lambda node: pool.prices[pool.capacity(node.name)])
    for node in off[: max(missing, 0)]:
        yield PowerUp(node=node.name)


def _kept(need: _Need, prices: Mapping[str, float], before: frozenset[str]) -> Sequence[str]:
    """The cheapest unused nodes: the most expensive go first."""
    unused = sorted(
        need.unused, key=lambda node: (prices.get(node.name, 0.0), node.name not in before)
    )
    return [node.name for node in unused[: max(need.to_keep, 0)]]


def _up_or_coming(node: SlurmNode) -> bool:
    if node.has(Flag.POWERING_DOWN, Flag.POWER_DOWN):
        return False
    return not node.off or node.has(Flag.POWER_UP) or node.alloc_cpus > 0


def _being_replaced(node: SlurmNode) -> bool:
    """ReplaceDead set it DOWN, and its new machine will bring it back."""
    return (
        node.base is BaseState.DOWN
        and not node.off
        and node.reason.startswith(REASON_PREFIX)
        and read_put_back(node.reason) is None
    )


def _held(node: SlurmNode, now: float) -> bool:
    reason = read_put_back(node.reason)
    return reason is not None and reason.holds(now)
