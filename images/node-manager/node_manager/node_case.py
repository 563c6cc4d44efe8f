"""What to do about one node, from what Slurm says of it and the machine that it has. Pure.

Slurm node                        machine    action
booting                           none       Launch; after several failures PutBack
booting, its bucket is closed     none       PutBack, so that its jobs wait in the queue
up                                none       ReplaceDead (its jobs are requeued) and Launch
up                                in trouble Leave
leaving, no jobs or machine gone  any        PowerDown
DOWN by ReplaceDead               live       wait until slurmd registers, else PutBack
DOWN/DRAIN by Slurm, no jobs      any        PutBack: a fresh machine after a while
DOWN/DRAIN by an admin            any        left alone
off, its bucket is closed         none       PutBack
put back, its jobs do not end     none       ReplaceDead
put back, its time is over        none       Undrain
put back, its time is over        live       left out until that machine is gone
"""

from collections.abc import Iterator, Sequence

from node_manager.actions import Launch, Leave, NodeAction, PowerDown, PutBack, ReplaceDead, Undrain
from node_manager.ahead import is_leaving
from node_manager.closures import Closures
from node_manager.failures import (
    LEAVING_PREFIX,
    REASON_PREFIX,
    PutBackReason,
    Step,
    backoff_seconds,
    death_message,
    read_put_back,
)
from node_manager.fleet import Capacity, Fleet, Pool
from node_manager.memory import Memory
from node_manager.provider import Instance, InstanceState, LaunchRequest
from node_manager.shortages import RETRY_SECONDS, capacity_now, has_fallback
from node_manager.slurm_state import RESUME_TIMEOUT, SLURM_REASONS, BaseState, Flag, SlurmNode

REPLACED = "; replaced"
NOT_REGISTERED = "its new machine did not register"


class Machines:
    """The instances by node: the one that counts, and the others."""

    def __init__(self, instances: Sequence[Instance]) -> None:
        self.live: dict[str, Instance] = {}
        self.surplus: set[str] = set()
        """Their provider's ids."""
        self.exited: dict[str, Instance] = {}
        # The oldest running one is the one that slurmd registered from.
        for instance in sorted(
            instances, key=lambda i: (i.state is not InstanceState.RUNNING, i.created_at)
        ):
            if instance.state is InstanceState.EXITED:
                self.exited[instance.node] = instance
            elif instance.state.live:
                if instance.node in self.live:
                    self.surplus.add(instance.provider_id)
                else:
                    self.live[instance.node] = instance


class NodeCase:
    """The cases of one node that is in Slurm and in the fleet."""

    def __init__(
        self,
        node: SlurmNode,
        pool: Pool,
        machines: Machines,
        memory: Memory,
        closed: Closures,
        fleet: Fleet,
        now: float,
    ) -> None:
        self.node = node
        self.pool = pool
        self.live = machines.live.get(node.name)
        self.exited = machines.exited.get(node.name)
        self.failure = memory.failures.get(node.name)
        self.memory = memory
        self.closed = closed.get((pool.name, pool.capacity(node.name)))
        self.fleet = fleet
        self.now = now
        self.held = read_put_back(node.reason)

    def actions(self) -> Iterator[NodeAction]:
        """What to do now; nothing, most of the time."""
        if self.node.off:
            return self._off()
        if self.held is not None and self.node.out_of_service:
            return self._put_back_unfinished()
        return self._up_with_machine(self.live) if self.live else self._up_without_machine()

    def _off(self) -> Iterator[NodeAction]:
        node, held = self.node, self.held
        going = node.has(Flag.POWERING_DOWN)
        if not node.out_of_service:
            if node.busy:
                return
            # Slurm takes the DRAIN away when it begins to power down a node because it was told to.
            # Later than that, somebody has resumed the node.
            if going and held is not None and held.holds(self.now):
                yield PutBack(node=node.name, reason=node.reason, power_down=False)
            elif self.closed is not None:
                yield PutBack(node=node.name, reason=self.closed, power_down=False)
        elif held is not None or self._ours():
            over = self.closed is None if held is None else not held.holds(self.now)
            # A machine that cannot be ended would be taken for the one that the next job waits for.
            if over and not going and self.live is None:
                yield Undrain(node=node.name)
        elif self._slurms():
            late = node.reason.startswith(RESUME_TIMEOUT)
            yield self._put_back(node.reason, False, unregistered=self.live if late else None)

    def _put_back_unfinished(self) -> Iterator[NodeAction]:
        node = self.node
        if self.live is None and node.has(Flag.COMPLETING) and node.base is not BaseState.DOWN:
            # Nobody is there to say that its jobs have ended. Slurm gives up after SlurmdTimeout,
            # or never, where another node's slurmd has got the address and answers.
            yield ReplaceDead(node=node.name, reason=node.reason)
        # The manager died between the two commands of a put-back.
        if not node.has(Flag.POWER_DOWN):
            yield PutBack(node=node.name, reason=node.reason, power_down=True)

    def _up_with_machine(self, live: Instance) -> Iterator[NodeAction]:
        node = self.node
        if is_leaving(node):
            if not node.busy and not node.has(Flag.POWER_DOWN):
                yield PowerDown(node=node.name)
            return
        if not node.out_of_service or node.booting:
            if live.trouble and node.registered and not node.out_of_service:
                yield Leave(node=node.name, reason=f"{LEAVING_PREFIX}{live.trouble}")
            return
        late = self.now > live.created_at + self.fleet.resume_timeout_seconds
        if self._slurms() and not node.busy:
            yield self._put_back(node.reason, True)
        elif self._ours() and node.registered:
            # Whatever it was, it is over: the machine is there and answers.
            yield Undrain(node=node.name)
        elif self._ours() and late:
            yield self._put_back(NOT_REGISTERED, True, unregistered=live)

    def _up_without_machine(self) -> Iterator[NodeAction]:
        node = self.node
        lost = node.base is not BaseState.DOWN and not node.booting
        if is_leaving(node) and not node.booting:
            if not node.has(Flag.POWER_DOWN) or node.busy:
                yield PowerDown(node=node.name)
            return
        if node.out_of_service and not node.booting and not self._ours():
            if self._slurms():
                yield self._put_back(node.reason, True)
            elif lost and node.busy:
                # An admin's drain stays as it is, but its jobs must not wait for a dead machine.
                yield ReplaceDead(node=node.name, reason=node.reason)
            return
        leaving = node.has(Flag.POWER_DOWN)
        if self.closed is not None and not leaving:
            yield PutBack(node=node.name, reason=self.closed, power_down=True)
            return
        step = self.failure.step(self.now) if self.failure else Step.TRY
        if step is Step.PUT_BACK and self.failure and not leaving:
            yield self._put_back(self.failure.message, True)
            return
        if lost and not (leaving and not node.busy):
            text = f"{REASON_PREFIX}{death_message(self.exited)}{REPLACED}"
            yield ReplaceDead(node=node.name, reason=text)
        if step is Step.TRY and not leaving and not self._waits_for_spot():
            capacity = capacity_now(self.pool, node.name, self.memory.shortages, self.now)
            request = LaunchRequest(node=node.name, pool=self.pool, capacity=capacity)
            yield Launch(request=request)

    def _waits_for_spot(self) -> bool:
        """Spot capacity is short, the fallback not due yet, and the last launch a moment ago."""
        shortage = self.memory.shortages.get((self.pool.name, Capacity.SPOT))
        return (
            shortage is not None
            and has_fallback(self.pool)
            and capacity_now(self.pool, self.node.name, self.memory.shortages, self.now)
            is Capacity.SPOT
            and shortage.at <= self.now < shortage.at + RETRY_SECONDS
        )

    def _put_back(
        self, message: str, power_down: bool, *, unregistered: Instance | None = None
    ) -> PutBack:
        count = (self.failure.put_backs if self.failure else 0) + 1
        # Whole seconds, as the reason's text has them: nodes that fail together are one command.
        until = float(int(self.now) + backoff_seconds(count))
        reason = PutBackReason(message=message, count=count, until=until)
        return PutBack(
            node=self.node.name,
            reason=reason.text(),
            power_down=power_down,
            unregistered=unregistered,
        )

    def _ours(self) -> bool:
        return self.node.reason.startswith(REASON_PREFIX)

    def _slurms(self) -> bool:
        return self.node.reason.startswith(SLURM_REASONS)
