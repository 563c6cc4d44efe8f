"""Carries out a round's orders. What fails is logged and remembered; the next round sees the same
difference again.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from node_manager.actions import Mark, PutBack, SetMark, Terminate, View
from node_manager.brakes import BrakeFiles
from node_manager.failures import read_put_back
from node_manager.fleet import Fleet
from node_manager.group import Orders, Update
from node_manager.hostlist import hostlist
from node_manager.journal import Journal
from node_manager.ledger import Ledger
from node_manager.limits import admit
from node_manager.memory import Memory
from node_manager.metrics import Metrics
from node_manager.provider import LaunchRequest, LaunchResult, NodeProvider
from node_manager.ready_files import MarkFiles
from node_manager.report import ReportFile
from node_manager.shortages import Bucket
from node_manager.slurm_client import SlurmClient
from node_manager.targets import Targets

CONSOLES_PER_ROUND = 4
"""Each is a request; nodes that fail together say the same."""


@dataclass(frozen=True, kw_only=True)
class Hands:
    """Everything that an order may touch."""

    fleet: Fleet
    slurm: SlurmClient
    provider: NodeProvider
    marks: MarkFiles
    brakes: BrakeFiles
    journal: Journal
    metrics: Metrics
    report: ReportFile
    targets: Targets
    ledger: Ledger
    clock: Callable[[], float] = time.time


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What is remembered afterwards, and the nodes that Slurm keeps, where that was changed."""

    memory: Memory
    kept: frozenset[str] | None = None


def apply(hands: Hands, orders: Orders, view: View, memory: Memory) -> Outcome:
    """Do it all, in the orders' order. Never raises for what Slurm or the platform does."""
    work = _Work(hands, view, memory)
    work.marks(orders.marks)
    work.brakes(orders)
    refused: set[str] = set()
    for replacement in orders.replacements:
        refused |= work.update(replacement)
    work.launch([request for request in orders.launches if request.node not in refused])
    work.keep_consoles(orders.put_backs)
    refused = set()
    for update in orders.updates:
        refused |= work.update(update)
    work.remember_put_backs([a for a in orders.put_backs if a.node not in refused])
    kept = work.keep(orders)
    work.terminate(orders.terminations)
    return Outcome(memory=work.memory, kept=kept)


class _Work:
    """The orders of one round, with the memory as it changes."""

    def __init__(self, hands: Hands, view: View, memory: Memory) -> None:
        self._hands = hands
        self._journal = hands.journal
        self._view = view
        self._pools = hands.fleet.pool_of_node
        self.memory = memory

    def marks(self, marks: Sequence[SetMark]) -> None:
        for mark in marks:
            self._hands.marks.set(mark.node, mark.mark, present=mark.present)
            if mark.mark is not Mark.READY:
                continue
            self._journal.write("ready" if mark.present else "not ready", node=mark.node)
            if mark.present and mark.node in self._pools:
                self.memory = self.memory.starts_forgotten(self._pools[mark.node].name)

    def brakes(self, orders: Orders) -> None:
        for brake in orders.brakes:
            self._hands.brakes.set(brake.pool, brake.reason)
            self.memory = self.memory.starts_forgotten(brake.pool)
            self._journal.write(
                "alert",
                action="brake",
                pool=brake.pool,
                reason=brake.reason,
                fix=f"find out why, then: make resume POOL={brake.pool}",
            )

    def launch(self, requests: Sequence[LaunchRequest]) -> None:
        if not requests:
            return
        # The decisions keep to the limits, too. This is for the day when they do not.
        admission = admit(self._hands.fleet, self._view.instances, requests)
        for request, why in admission.refused:
            self._journal.write("refused", action="launch", node=request.node, reason=why)
        if not admission.admitted:
            return
        begun = time.monotonic()
        results = self._hands.provider.launch(admission.admitted)
        took = _milliseconds_since(begun)
        jobs = self._hands.slurm.jobs_of_nodes()
        asked = {request.node: request for request in admission.admitted}
        self._launched([result for result in results if result.failure is None], asked, jobs, took)
        self._not_launched([result for result in results if result.failure], asked, jobs, took)

    def _launched(
        self,
        results: Sequence[LaunchResult],
        asked: Mapping[str, LaunchRequest],
        jobs: Mapping[str, Sequence[str]],
        took: int,
    ) -> None:
        machines = {result.node: result.provider_id or "" for result in results}
        buckets = {(asked[node].pool.name, asked[node].capacity) for node in machines}
        self.memory = self.memory.launches_done(machines, buckets)
        for node, provider_id in machines.items():
            request = asked[node]
            self._hands.metrics.launched(request.pool.name, request.capacity)
            self._journal.write(
                "done",
                action="launch",
                node=node,
                id=provider_id,
                capacity=request.capacity.value,
                jobs=jobs.get(node),
                ms=took,
            )

    def _not_launched(
        self,
        results: Sequence[LaunchResult],
        asked: Mapping[str, LaunchRequest],
        jobs: Mapping[str, Sequence[str]],
        took: int,
    ) -> None:
        now = self._hands.clock()
        short: dict[Bucket, str] = {}
        for result in results:
            failure, request = result.failure, asked[result.node]
            if failure is None:
                continue
            self._hands.metrics.launch_failed(request.pool.name, failure.code)
            if failure.shortage:
                # Of the bucket, not of the node, and once for the whole launch.
                short.setdefault((request.pool.name, request.capacity), failure.message)
            else:
                self.memory = self.memory.failed(
                    result.node, failure.message, now, retryable=failure.retryable
                )
            self._journal.write(
                "failed",
                action="launch",
                node=result.node,
                code=failure.code,
                reason=failure.message,
                capacity=request.capacity.value,
                jobs=jobs.get(result.node),
                ms=took,
            )
        for bucket, message in short.items():
            self.memory = self.memory.short(bucket, message, now)

    def keep_consoles(self, put_backs: Sequence[PutBack]) -> None:
        """The last words of machines that never registered, before they are ended."""
        silent = [a.unregistered for a in put_backs if a.unregistered is not None]
        for number, machine in enumerate(silent):
            self.memory = self.memory.start_failed(machine.pool)
            words = self._hands.provider.last_words(machine) if number < CONSOLES_PER_ROUND else ""
            self._journal.write(
                "did not register",
                node=machine.node,
                id=machine.provider_id,
                last_words=words or None,
            )

    def update(self, update: Update) -> set[str]:
        """Set a state on nodes; the nodes for which Slurm refused."""
        begun = time.monotonic()
        refused = self._hands.slurm.update(update.nodes, update.state, update.reason)
        took = _milliseconds_since(begun)
        done = [node for node in update.nodes if node not in refused]
        if done:
            self._journal.write(
                "done", action=update.name, node=hostlist(done), reason=update.reason, ms=took
            )
        for node, error in refused.items():
            self._journal.write(
                "failed",
                action=update.name,
                node=node,
                reason=update.reason,
                error=error,
                ms=took,
            )
        return set(refused)

    def remember_put_backs(self, put_backs: Sequence[PutBack]) -> None:
        for action in put_backs:
            reason = read_put_back(action.reason)
            if reason is not None:
                self.memory = self.memory.put_back(action.node, reason)

    def keep(self, orders: Orders) -> frozenset[str] | None:
        if orders.keep is None:
            return None
        error = self._hands.slurm.keep_nodes(orders.keep.nodes)
        self._journal.write(
            "failed" if error else "done",
            action="keep",
            node=hostlist(orders.keep.nodes),
            error=error,
        )
        return None if error else orders.keep.nodes

    def terminate(self, terminations: Sequence[Terminate]) -> None:
        if not terminations:
            return
        begun = time.monotonic()
        why = {action.instance.provider_id: action.why for action in terminations}
        machines = [action.instance for action in terminations]
        results = self._hands.provider.terminate(machines)
        tried = {result.instance.provider_id: bool(result.error) for result in results}
        self.memory = self.memory.terminations_done(tried, self._hands.clock())
        for result in results:
            machine = result.instance
            self._hands.metrics.terminated(machine.pool, failed=bool(result.error))
            self._journal.write(
                "failed" if result.error else "done",
                action="terminate",
                node=machine.node,
                id=machine.provider_id,
                reason=why[machine.provider_id],
                error=result.error or None,
                ms=_milliseconds_since(begun),
            )


def _milliseconds_since(begun: float) -> int:
    return round((time.monotonic() - begun) * 1000)
