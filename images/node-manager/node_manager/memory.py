"""What goes from one round to the next: failures of nodes, shortages, failed starts of pools.

Nothing here is needed for correctness after a restart: what an earlier manager knew is in Slurm's
reasons (`recall`) and in the brakes' files.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeVar

from node_manager.failures import (
    STABLE_SECONDS,
    Failure,
    PutBackReason,
    death_message,
    read_put_back,
)
from node_manager.provider import Instance, InstanceState
from node_manager.shortages import Bucket, Shortage, one_more
from node_manager.slurm_state import SlurmNode

K = TypeVar("K")
V = TypeVar("V")
_Map = MappingProxyType

END_AGAIN_SECONDS = 30.0
"""Until a machine that could not be ended is tried again."""


@dataclass(frozen=True)
class Memory:
    """Never changed in place; each method gives a new one."""

    failures: Mapping[str, Failure] = field(default_factory=lambda: _Map({}))
    """By node."""
    shortages: Mapping[Bucket, Shortage] = field(default_factory=lambda: _Map({}))
    failed_starts: Mapping[str, int] = field(default_factory=lambda: _Map({}))
    """Machines of a pool in a row that came and never registered."""
    launched: Mapping[str, str] = field(default_factory=lambda: _Map({}))
    """Nodes that have not registered since their launch, and what was launched for them."""
    not_ended: Mapping[str, float] = field(default_factory=lambda: _Map({}))
    """Machines, by the provider's id, that could not be ended, and when that was tried."""

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
        failure = Failure(
            tries=before.tries + 1 if before else 1,
            at=now,
            message=message,
            retryable=retryable,
            put_backs=before.put_backs if before else 0,
            instance_id=instance_id or (before.instance_id if before else None),
        )
        return replace(self, failures=_with(self.failures, node, failure))

    def put_back(self, node: str, reason: PutBackReason) -> "Memory":
        """A node has been put back. Whether it is well afterwards is timed from the end of that."""
        until = reason.until
        before = self.failures.get(node) or Failure(tries=0, at=until, message=reason.message)
        failure = replace(before, at=until, put_backs=reason.count, put_back_until=until)
        return replace(self, failures=_with(self.failures, node, failure))

    def launches_done(self, machines: Mapping[str, str], buckets: set[Bucket]) -> "Memory":
        """Machines were launched (node to provider's id); these buckets have capacity."""
        return replace(
            self,
            launched=_Map({**self.launched, **machines}),
            shortages=_without(self.shortages, buckets),
        )

    def short(self, bucket: Bucket, message: str, now: float) -> "Memory":
        """One more launch of a bucket that found no capacity."""
        shortage = one_more(self.shortages.get(bucket), message, now)
        return replace(self, shortages=_with(self.shortages, bucket, shortage))

    def start_failed(self, pool: str) -> "Memory":
        """A machine of a pool came and did not register."""
        count = self.failed_starts.get(pool, 0) + 1
        return replace(self, failed_starts=_with(self.failed_starts, pool, count))

    def starts_forgotten(self, pool: str) -> "Memory":
        """A node of the pool has registered, or the pool's brake is on and is counted from anew."""
        return replace(self, failed_starts=_without(self.failed_starts, {pool}))

    def terminations_done(self, tried: Mapping[str, bool], now: float) -> "Memory":
        """Machines, by the provider's id, were to be ended: whether that failed."""
        others = {
            machine: at
            for machine, at in self.not_ended.items()
            if machine not in tried and 0 <= now - at < END_AGAIN_SECONDS
        }
        failed = {machine: now for machine, failed in tried.items() if failed}
        return replace(self, not_ended=_Map({**others, **failed}))

    def may_end(self, machine: str, now: float) -> bool:
        """Whether it is time to end a machine; one that refuses is not asked all the time."""
        at = self.not_ended.get(machine)
        return at is None or not 0 <= now - at < END_AGAIN_SECONDS

    def recall(self, nodes: Iterable[SlurmNode]) -> "Memory":
        """Learn from Slurm's reasons what an earlier manager knew."""
        memory = self
        for node in nodes:
            reason = read_put_back(node.reason)
            if reason is not None and node.name not in memory.failures:
                memory = memory.put_back(node.name, reason)
        return memory

    def note_deaths(
        self, nodes: Mapping[str, SlurmNode], instances: Iterable[Instance], now: float
    ) -> "Memory":
        """Count each exited machine of a node that Slurm wants, and each that has vanished."""
        memory = self
        present = set()
        for instance in instances:
            present.add(instance.node)
            node = nodes.get(instance.node)
            if node is None or node.off or instance.state is not InstanceState.EXITED:
                continue
            known = memory.failures.get(node.name)
            if known is None or known.instance_id != instance.provider_id:
                memory = memory.failed(
                    node.name, death_message(instance), now, instance_id=instance.provider_id
                )
                if not node.registered:
                    memory = memory.start_failed(instance.pool)
        for name, provider_id in self.launched.items():
            if name in nodes and nodes[name].booting and name not in present:
                memory = memory.failed(name, death_message(None), now, instance_id=provider_id)
                memory = memory.start_failed(name.rpartition("-")[0])
                memory = replace(memory, launched=_without(memory.launched, {name}))
        return memory

    def forget_recovered(self, nodes: Mapping[str, SlurmNode], now: float) -> "Memory":
        """Drop nodes that have been well for a while, nodes that are no more, ended launches."""
        well = {
            name
            for name, failure in self.failures.items()
            if name not in nodes
            or (_well(nodes[name]) and not 0 <= now - failure.at < STABLE_SECONDS)
        }
        arrived = {
            name
            for name in self.launched
            if name not in nodes or nodes[name].off or nodes[name].registered
        }
        if not well and not arrived:
            return self
        return replace(
            self,
            failures=_without(self.failures, well),
            launched=_without(self.launched, arrived),
        )


def _well(node: SlurmNode) -> bool:
    # Slurm may take a node out of service in the moment in which it registers.
    return node.registered and not node.out_of_service


def _with(mapping: Mapping[K, V], key: K, value: V) -> Mapping[K, V]:
    return _Map({**mapping, key: value})


def _without(mapping: Mapping[K, V], keys: set[K]) -> Mapping[K, V]:
    if keys.isdisjoint(mapping):
        return mapping
    return _Map({key: value for key, value in mapping.items() if key not in keys})
