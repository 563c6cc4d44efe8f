"""Launching for one pool: machines found or bought, given to nodes, and told their names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from node_manager.ec2_calls import CallFailed
from node_manager.ec2_names import Names, NamesBucket, NamesChanged, assign
from node_manager.ec2_purchase import Buyer, Order, Tries
from node_manager.ec2_roster import Roster
from node_manager.fleet import Capacity, Ec2Pool, Pool
from node_manager.provider import LaunchFailure, LaunchRequest, LaunchResult


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Nodes of one capacity, the machines for the first of them, and what the others lack."""

    nodes: Sequence[str]
    machines: Sequence[str]
    failure: LaunchFailure | None


class Launcher:
    """Gives each node a machine: its own, one that was left without a name, or a new one."""

    def __init__(self, *, buyer: Buyer, roster: Roster, names: NamesBucket) -> None:
        self._buyer = buyer
        self._roster = roster
        self._names = names

    def launch(
        self, pool: Pool, template: Ec2Pool, requests: Sequence[LaunchRequest], now: float
    ) -> dict[str, LaunchResult]:
        """By node. Never raises."""
        wanted = {request.node: request.capacity for request in requests}
        try:
            known = self._names.read(pool.name)
        except CallFailed as error:
            why = failure_of(error)
            return {node: LaunchResult(node=node, failure=why) for node in wanted}
        present = self._present(known, wanted, now)
        tries = Tries()
        parts = []
        for capacity in dict.fromkeys(wanted.values()):
            nodes = [n for n, kind in wanted.items() if kind is capacity and n not in present]
            found = self._unnamed(pool, capacity, known, now)[: len(nodes)]
            rest = nodes[len(found) :]
            order = Order(pool=pool, template=template, capacity=capacity, nodes=rest, names=known)
            bought = self._buyer.buy(order, tries, now)
            parts.append(
                _Part(nodes=nodes, machines=[*found, *bought.machines], failure=bought.failure)
            )
        results = {node: LaunchResult(node=node, provider_id=key) for node, key in present.items()}
        return results | self._give(pool, parts, now)

    def _present(self, known: Names, wanted: Mapping[str, Capacity], now: float) -> dict[str, str]:
        """The wanted nodes that have a machine. Of two, the older one: it may have a job."""
        machines = sorted(
            (
                machine
                for key, machine in self._roster.machines(now).items()
                if machine.state.live and known.names.get(key) in wanted
            ),
            key=lambda machine: (-machine.launched_at, machine.instance_id),
        )
        return {known.names[machine.instance_id]: machine.instance_id for machine in machines}

    def _unnamed(self, pool: Pool, capacity: Capacity, known: Names, now: float) -> list[str]:
        """What a launch left behind that did not come to the naming, oldest first.

        None from before names were lost: a machine that booted under one must not get another.
        """
        lost_at = self._names.lost_at.get(pool.name, float("-inf"))
        machines = [
            machine
            for key, machine in self._roster.machines(now).items()
            if (machine.pool, machine.capacity) == (pool.name, capacity)
            and machine.state.live
            and key not in known.names
            and machine.launched_at > lost_at
            and machine.waits_for_name(now)
        ]
        machines.sort(key=lambda machine: (machine.launched_at, machine.instance_id))
        return [machine.instance_id for machine in machines]

    def _give(self, pool: Pool, parts: Sequence[_Part], now: float) -> dict[str, LaunchResult]:
        given: dict[str, str] = {}
        unwritten = _NAMED_BY_ANOTHER
        try:
            if any(part.machines for part in parts):
                given = self._write(pool, parts, now)
                self._buyer.finished(pool.name)
        except CallFailed as error:
            unwritten = failure_of(error, "new machines could not be told their names: ")
        results = {}
        for part in parts:
            for number, node in enumerate(part.nodes):
                if node in given:
                    results[node] = LaunchResult(node=node, provider_id=given[node])
                else:
                    why = unwritten if number < len(part.machines) else part.failure
                    results[node] = LaunchResult(node=node, failure=why or _NAMED_BY_ANOTHER)
        return results

    def _write(self, pool: Pool, parts: Sequence[_Part], now: float) -> dict[str, str]:
        """Node to instance id, as the names object says it afterwards. Raises CallFailed."""
        for again in (False, True):
            known = self._names.read(pool.name)
            given: dict[str, str] = {}
            for part in parts:
                given |= assign(part.nodes, part.machines, known.names)
            if all(known.names.get(key) == node for node, key in given.items()):
                return given
            # Not after somebody else's write: what they launched may not be described yet.
            gone = () if again else self._gone(known, now)
            try:
                self._names.write(pool.name, known.after(given, gone))
            except NamesChanged:
                continue
            return given
        text = f"somebody else writes {self._names.url(pool.name)}"
        raise CallFailed("PutObject", "names_conflict", text, passing=True)

    def _gone(self, known: Names, now: float) -> Sequence[str]:
        """Machines that have a name and exist no longer."""
        if not self._roster.settled(now):
            return ()
        return sorted(known.names.keys() - self._roster.machines(now).keys())


_NAMED_BY_ANOTHER = LaunchFailure(
    code="names_conflict",
    message="somebody else gave the new machine to another node",
    retryable=True,
)


def failure_of(error: CallFailed, prefix: str = "") -> LaunchFailure:
    """For requests that are not about buying."""
    return LaunchFailure(code=error.code, message=f"{prefix}{error}", retryable=error.passing)
