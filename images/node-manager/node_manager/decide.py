"""What to do, from what Slurm wants and what exists. Pure functions: no clock, no I/O.

A node is *wanted* when Slurm says that it is booting or up. Wanted without a machine: launch. Not
wanted with a machine: terminate. The rest of this file is about nodes for which that went wrong.

    Slurm node                        machine    action
    booting                           none       Launch; after several failures PutBack
    up                                none       ReplaceDead (its jobs are requeued) and Launch
    DOWN by ReplaceDead               live       wait until slurmd registers, else PutBack
    DOWN/DRAIN by Slurm, no jobs      any        PutBack: a fresh machine after a while
    DOWN/DRAIN by an admin            any        left alone
    powered down or powering down     any        Terminate
    put back, its time is over        none       Undrain
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from node_manager.failures import (
    REASON_PREFIX,
    Memory,
    PutBackReason,
    Step,
    backoff_seconds,
    death_message,
    read_put_back,
)
from node_manager.fleet import Fleet, Pool
from node_manager.provider import Instance, InstanceState, LaunchRequest
from node_manager.slurm_state import SLURM_REASONS, BaseState, Flag, SlurmNode

REPLACED = "; replaced"


class Mark(StrEnum):
    """A directory of files, one a node, that slurmctld's scripts can test for free."""

    READY = "ready"
    """slurmd is registered: a job need not wait for this node."""
    FAILED = "failed"
    """Out of service and not registered: waiting for this node is in vain."""


@dataclass(frozen=True, kw_only=True)
class View:
    """Everything that was observed in one round."""

    nodes: Mapping[str, SlurmNode]
    instances: Sequence[Instance]
    marks: Mapping[Mark, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Make a machine for a node."""

    request: LaunchRequest

    @property
    def node(self) -> str:
        return self.request.node


@dataclass(frozen=True, kw_only=True)
class Terminate:
    """End a machine."""

    instance: Instance
    why: str

    @property
    def node(self) -> str:
        return self.instance.node


@dataclass(frozen=True, kw_only=True)
class PutBack:
    """Take a node out of service until a time, requeue its jobs, and power it down if it is not."""

    node: str
    reason: PutBackReason
    power_down: bool


@dataclass(frozen=True, kw_only=True)
class Undrain:
    """The time of a put-back is over: Slurm may use the node again."""

    node: str


@dataclass(frozen=True, kw_only=True)
class PowerUp:
    """Ask Slurm to power a node up, so that the pool has its minimum."""

    node: str


@dataclass(frozen=True, kw_only=True)
class ReplaceDead:
    """Tell Slurm that a node is gone, so that its jobs are requeued."""

    node: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class SetMark:
    """Write or remove a node's file."""

    node: str
    mark: Mark
    present: bool


Action = Launch | Terminate | PutBack | Undrain | PowerUp | ReplaceDead | SetMark


def decide(fleet: Fleet, view: View, memory: Memory, now: float) -> list[Action]:
    """Everything to do now. Same input, same list; at most one of each kind for a node."""
    pools = fleet.pool_of_node()
    machines = _Machines(view.instances)
    actions: list[Action] = list(_unwanted_machines(view, machines))
    for name, node in view.nodes.items():
        if name in pools:
            actions += _NodeCase(node, pools[name], machines, memory, fleet, now).actions()
    for pool in fleet.pools:
        actions += _minimum(pool, view.nodes, now)
    actions += _marks(view, pools, machines, actions)
    return actions


class _Machines:
    """The instances by node: the one that counts, and the others."""

    def __init__(self, instances: Sequence[Instance]) -> None:
        self.live: dict[str, Instance] = {}
        self.surplus: list[Instance] = []
        self.exited: dict[str, Instance] = {}
        # The oldest running one is the one that slurmd registered from.
        for instance in sorted(
            instances, key=lambda i: (i.state is not InstanceState.RUNNING, i.created_at)
        ):
            if instance.state is InstanceState.EXITED:
                self.exited[instance.node] = instance
            elif instance.state.live:
                if instance.node in self.live:
                    self.surplus.append(instance)
                else:
                    self.live[instance.node] = instance


def _unwanted_machines(view: View, machines: _Machines) -> Iterator[Terminate]:
    for instance in view.instances:
        if instance.state is InstanceState.STOPPING:
            continue
        node = view.nodes.get(instance.node)
        if node is None:
            yield Terminate(instance=instance, why="Slurm has no such node")
        elif node.off:
            yield Terminate(instance=instance, why="Slurm has powered the node down")
        elif instance in machines.surplus:
            yield Terminate(instance=instance, why="the node has another machine")
        elif instance.state is InstanceState.EXITED and instance.node in machines.live:
            yield Terminate(instance=instance, why="exited and replaced")


class _NodeCase:
    """The cases of one node that is in Slurm and in the fleet."""

    def __init__(
        self,
        node: SlurmNode,
        pool: Pool,
        machines: _Machines,
        memory: Memory,
        fleet: Fleet,
        now: float,
    ) -> None:
        self.node = node
        self.pool = pool
        self.live = machines.live.get(node.name)
        self.exited = machines.exited.get(node.name)
        self.failure = memory.failures.get(node.name)
        self.fleet = fleet
        self.now = now
        self.held = read_put_back(node.reason)

    def actions(self) -> Iterator[Action]:
        if self.node.off:
            return self._off()
        if self.held is not None and self.node.out_of_service:
            return self._put_back_unfinished(self.held)
        return self._up_with_machine(self.live) if self.live else self._up_without_machine()

    def _off(self) -> Iterator[Action]:
        node, held = self.node, self.held
        if not node.out_of_service:
            # Slurm's power saving takes DRAIN and DOWN away when it begins to power a node down.
            if held is not None and self.now < held.until and not node.busy:
                yield PutBack(node=node.name, reason=held, power_down=False)
        elif held is not None:
            if self.now >= held.until and not node.has(Flag.POWERING_DOWN):
                yield Undrain(node=node.name)
        elif self._ours():
            if not node.has(Flag.POWERING_DOWN):
                yield Undrain(node=node.name)
        elif self._slurms():
            yield self._put_back(node.reason, power_down=False)

    def _put_back_unfinished(self, held: PutBackReason) -> Iterator[Action]:
        # The manager died between the two commands of a put-back.
        if not self.node.has(Flag.POWER_DOWN):
            yield PutBack(node=self.node.name, reason=held, power_down=True)

    def _up_with_machine(self, live: Instance) -> Iterator[Action]:
        node = self.node
        if not node.out_of_service or node.booting:
            return
        late = self.now > live.created_at + self.fleet.resume_timeout_seconds
        if self._slurms() and not node.busy:
            yield self._put_back(node.reason, power_down=True)
        elif self._ours() and late:
            yield self._put_back("its new machine did not register", power_down=True)

    def _up_without_machine(self) -> Iterator[Action]:
        node = self.node
        lost = node.base is not BaseState.DOWN and not node.booting
        if node.out_of_service and not node.booting and not self._ours():
            if self._slurms():
                yield self._put_back(node.reason, power_down=True)
            elif lost and node.busy:
                # An admin's drain stays as it is, but its jobs must not wait for a dead machine.
                yield ReplaceDead(node=node.name, reason=node.reason)
            return
        step = self.failure.step(self.now) if self.failure else Step.TRY
        leaving = node.has(Flag.POWER_DOWN)
        if step is Step.PUT_BACK and self.failure and not leaving:
            yield self._put_back(self.failure.message, power_down=True)
            return
        if lost and not (leaving and not node.busy):
            text = f"{REASON_PREFIX}{death_message(self.exited)}{REPLACED}"
            yield ReplaceDead(node=node.name, reason=text)
        if step is Step.TRY and not leaving:
            yield Launch(request=LaunchRequest(node=node.name, pool=self.pool))

    def _put_back(self, message: str, *, power_down: bool) -> PutBack:
        count = (self.failure.put_backs if self.failure else 0) + 1
        # Whole seconds, as the reason's text has them: nodes that fail together are one command.
        until = float(int(self.now) + backoff_seconds(count))
        reason = PutBackReason(message=message, count=count, until=until)
        return PutBack(node=self.node.name, reason=reason, power_down=power_down)

    def _ours(self) -> bool:
        return self.node.reason.startswith(REASON_PREFIX)

    def _slurms(self) -> bool:
        return self.node.reason.startswith(SLURM_REASONS)


def _minimum(pool: Pool, nodes: Mapping[str, SlurmNode], now: float) -> Iterator[PowerUp]:
    known = [nodes[name] for name in pool.node_names() if name in nodes]
    usable = [node for node in known if not node.out_of_service]
    replaced = sum(_being_replaced(node) for node in known)
    missing = pool.min_nodes - sum(_up_or_coming(node) for node in usable) - replaced
    if missing <= 0:
        return
    idle = (
        node
        for node in usable
        if not _up_or_coming(node)
        and not node.has(Flag.POWERING_DOWN, Flag.POWER_DOWN)
        and not _held(node, now)
    )
    for node, _ in zip(idle, range(missing), strict=False):
        yield PowerUp(node=node.name)


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
    return reason is not None and now < reason.until


def _marks(
    view: View, pools: Mapping[str, Pool], machines: _Machines, actions: Iterable[Action]
) -> Iterator[SetMark]:
    taken_out = {a.node for a in actions if isinstance(a, ReplaceDead | PutBack)}
    let_in = {a.node for a in actions if isinstance(a, Undrain)}
    ours = [node for name, node in view.nodes.items() if name in pools]
    wanted = {
        Mark.READY: {
            node.name
            for node in ours
            if node.registered and node.name in machines.live and node.name not in taken_out
        },
        Mark.FAILED: {
            node.name
            for node in ours
            if node.name not in let_in
            and (node.name in taken_out or (node.out_of_service and not node.registered))
        },
    }
    for mark, names in wanted.items():
        present = view.marks.get(mark, frozenset())
        for name in sorted(present - names):
            yield SetMark(node=name, mark=mark, present=False)
        for name in sorted(names - present):
            yield SetMark(node=name, mark=mark, present=True)
