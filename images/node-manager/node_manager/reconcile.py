"""One round: observe, decide, group, apply. The loop around it is in __main__.py.

What cannot be observed ends the round before anything is done. What cannot be applied is logged and
left to the next round, which sees the same difference again.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from node_manager.decide import (
    Action,
    Launch,
    Mark,
    PowerUp,
    PutBack,
    ReplaceDead,
    SetMark,
    Terminate,
    Undrain,
    View,
    decide,
)
from node_manager.failures import Memory, read_put_back
from node_manager.fleet import Fleet
from node_manager.journal import Journal
from node_manager.pace import seconds_until_next
from node_manager.provider import NodeProvider, ProviderUnavailable
from node_manager.ready_files import MarkFiles
from node_manager.slurm_client import SlurmClient, SlurmUnavailable
from node_manager.slurm_state import NodeUpdate

RETRY_OBSERVING_SECONDS = 1.0

A = TypeVar("A")


@dataclass(frozen=True, kw_only=True)
class Round:
    """What a round came to. `wait`: seconds until the next one, if nobody wakes the manager."""

    observed: bool
    actions: Sequence[Action] = ()
    wait: float = RETRY_OBSERVING_SECONDS


class Reconciler:
    """Holds what a round needs and the memory that goes from one to the next."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        slurm: SlurmClient,
        provider: NodeProvider,
        marks: MarkFiles,
        journal: Journal,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._fleet = fleet
        self._slurm = slurm
        self._provider = provider
        self._marks = marks
        self._journal = journal
        self._clock = clock
        self._silent: str | None = None  # why observing failed, logged once
        self.memory = Memory()

    def run_once(self) -> Round:
        """One round. Never raises for what Slurm or the platform does."""
        view = self._observe()
        if view is None:
            return Round(observed=False)
        now = self._clock()
        self._remember(view, now)
        actions = decide(self._fleet, view, self.memory, now)
        complete = self._apply(actions)
        wait = seconds_until_next(view, self.memory, actions, now) if complete else 0.0
        return Round(observed=True, actions=actions, wait=wait)

    def _observe(self) -> View | None:
        try:
            view = View(
                nodes=self._slurm.nodes(),
                instances=self._provider.list_instances(),
                marks=self._marks.present(),
            )
        except (SlurmUnavailable, ProviderUnavailable) as error:
            kind = "slurm" if isinstance(error, SlurmUnavailable) else "provider"
            if self._silent != kind:
                self._journal.write("waiting", reason=f"{kind} does not answer: {error}")
            self._silent = kind
            return None
        if self._silent is not None:
            self._journal.write("answers again", reason=self._silent)
        self._silent = None
        return view

    def _remember(self, view: View, now: float) -> None:
        before = self.memory
        recalled = before.recall(view.nodes.values())
        self.memory = recalled.note_deaths(view.nodes, view.instances, now)
        machines = {instance.provider_id: instance for instance in view.instances}
        for node, failure in self.memory.failures.items():
            if failure is not recalled.failures.get(node) and failure.instance_id in machines:
                words = self._provider.last_words(machines[failure.instance_id])
                self._journal.write(
                    "machine died", node=node, reason=failure.message, last_words=words or None
                )
        self.memory = self.memory.forget_recovered(view.nodes, now)

    def _apply(self, actions: Sequence[Action]) -> bool:
        """Apply in the order in which people wait for it. False when a batch limit left some over.

        Marks come first, since a prolog waits for them; machines that go come last.
        """
        for mark in _only(actions, SetMark):
            self._marks.set(mark.node, mark.mark, present=mark.present)
            if mark.mark is Mark.READY:
                self._journal.write("ready" if mark.present else "not ready", node=mark.node)
        not_requeued = self._replace_dead(_only(actions, ReplaceDead))
        launches = [a for a in _only(actions, Launch) if a.node not in not_requeued]
        self._launch(launches[: self._provider.batch])
        self._put_back(_only(actions, PutBack))
        self._update(_only(actions, Undrain), NodeUpdate.RESUME, "undrain")
        self._update(_only(actions, PowerUp), NodeUpdate.POWER_UP, "power up")
        terminations = _only(actions, Terminate)
        self._terminate(terminations[: self._provider.batch])
        return max(len(launches), len(terminations)) <= self._provider.batch

    def _launch(self, launches: Sequence[Launch]) -> None:
        if not launches:
            return
        begun = time.monotonic()
        for result in self._provider.launch([launch.request for launch in launches]):
            took = _milliseconds_since(begun)
            failure = result.failure
            if failure is None:
                self._journal.write(
                    "done", action="launch", node=result.node, id=result.provider_id, ms=took
                )
                continue
            self.memory = self.memory.failed(
                result.node, failure.message, self._clock(), retryable=failure.retryable
            )
            self._journal.write(
                "failed",
                action="launch",
                node=result.node,
                code=failure.code,
                reason=failure.message,
                ms=took,
            )

    def _terminate(self, terminations: Sequence[Terminate]) -> None:
        if not terminations:
            return
        begun = time.monotonic()
        why = {action.instance.provider_id: action.why for action in terminations}
        for result in self._provider.terminate([action.instance for action in terminations]):
            self._journal.write(
                "failed" if result.error else "done",
                action="terminate",
                node=result.instance.node,
                id=result.instance.provider_id,
                reason=why[result.instance.provider_id],
                error=result.error or None,
                ms=_milliseconds_since(begun),
            )

    def _replace_dead(self, actions: Sequence[ReplaceDead]) -> set[str]:
        """The nodes for which Slurm refused. They get no new machine before it knows."""
        refused: set[str] = set()
        for reason, group in _grouped(actions, lambda action: action.reason).items():
            refused |= self._update(group, NodeUpdate.DOWN, "replace", reason)
        return refused

    def _put_back(self, actions: Sequence[PutBack]) -> None:
        # DRAIN first: it requeues the jobs that wait for a booting node without Slurm's delay for
        # requeued jobs, and keeps the node from being chosen again. POWER_DOWN_FORCE then ends
        # the boot. It takes the DRAIN away; the next rounds give it back (decide._off).
        for text, group in _grouped(actions, lambda action: action.reason.text()).items():
            refused = self._update(group, NodeUpdate.DRAIN, "put back", text)
            begun = [action for action in group if action.power_down]
            self._update(begun, NodeUpdate.POWER_DOWN_FORCE, "power down")
            reason = read_put_back(text)
            for action in group:
                if reason is not None and action.node not in refused:
                    self.memory = self.memory.put_back(action.node, reason, self._clock())

    def _update(
        self,
        actions: Sequence[Launch | PutBack | Undrain | PowerUp | ReplaceDead],
        state: NodeUpdate,
        name: str,
        reason: str | None = None,
    ) -> set[str]:
        """Set a state on the actions' nodes; the nodes for which Slurm refused."""
        if not actions:
            return set()
        begun = time.monotonic()
        refused = self._slurm.update([action.node for action in actions], state, reason)
        took = _milliseconds_since(begun)
        for action in actions:
            error = refused.get(action.node)
            self._journal.write(
                "failed" if error else "done",
                action=name,
                node=action.node,
                reason=reason,
                error=error,
                ms=took,
            )
        return set(refused)


def _only(actions: Iterable[Action], kind: type[A]) -> list[A]:
    return [action for action in actions if isinstance(action, kind)]


def _grouped(actions: Iterable[A], key: Callable[[A], str]) -> dict[str, list[A]]:
    groups: dict[str, list[A]] = defaultdict(list)
    for action in actions:
        groups[key(action)].append(action)
    return groups


def _milliseconds_since(begun: float) -> int:
    return round((time.monotonic() - begun) * 1000)
