"""One round: observe, decide, group, apply. The loop around it is in __main__.py.

What cannot be observed ends the round before anything is done. What cannot be applied is logged and
left to the next round, which sees the same difference again.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from node_manager.actions import Action, View
from node_manager.ahead import is_leaving
from node_manager.apply import Hands, apply
from node_manager.closures import closures
from node_manager.decide import decide
from node_manager.group import group
from node_manager.limits import usage
from node_manager.memory import Memory
from node_manager.months import period_start
from node_manager.pace import seconds_until_next
from node_manager.provider import ProviderUnavailable
from node_manager.report import report
from node_manager.slurm_client import SlurmUnavailable

RETRY_OBSERVING_SECONDS = 1.0
KEPT_SECONDS = 30.0
"""How long it is believed which nodes Slurm keeps. Restarted, slurmctld keeps none."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """What a round came to. `wait`: seconds until the next one, if nobody wakes the manager."""

    observed: bool
    actions: Sequence[Action] = ()
    wait: float = RETRY_OBSERVING_SECONDS


class Reconciler:
    """Holds what a round needs and the memory that goes from one to the next."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._silent: str | None = None  # why observing failed, logged once
        self._unwritten = ""  # why writing failed, logged once
        self._kept: frozenset[str] = frozenset()
        self._kept_at = float("-inf")
        self.memory = Memory()

    def run_once(self) -> Round:
        """One round. Never raises for what Slurm or the platform does."""
        begun = time.monotonic()
        try:
            view = self._observe()
            if view is None:
                return Round(observed=False)
            return self._act(view, begun)
        finally:
            self._hands.metrics.round_took(time.monotonic() - begun)

    def _act(self, view: View, begun: float) -> Round:
        hands, now = self._hands, self._hands.clock()
        if any(is_leaving(node) for node in view.nodes.values()):
            hands.provider.expect_changes()
        self._remember(view, now)
        actions = decide(hands.fleet, view, self.memory, now)
        looking = time.monotonic() - begun
        orders = group(actions, hands.provider.batch)
        outcome = apply(hands, orders, view, self.memory)
        self.memory = outcome.memory
        if outcome.kept is not None:
            self._kept = outcome.kept
        closed = closures(hands.fleet, view, self.memory, view.brakes, now)
        cost = usage(hands.fleet, view.instances).cost
        self._write_down(view, now)
        hands.metrics.round_ended(view, closed, cost, now)
        hands.metrics.spent(hands.ledger.spent(now))
        hands.report.write(report(hands.fleet, view, self.memory, closed, cost, now))
        wait = 0.0
        if orders.complete:
            wait = seconds_until_next(view, self.memory, actions, now, looking)
        return Round(observed=True, actions=actions, wait=wait)

    def _write_down(self, view: View, now: float) -> None:
        """For those who measure and who pay; that it fails, as on a full disk, stops no node."""
        try:
            self._hands.targets.write(self._hands.fleet, view)
            self._hands.ledger.note(view.instances, now)
        except OSError as error:
            if self._unwritten != str(error):
                self._hands.journal.write("not written", reason=str(error))
            self._unwritten = str(error)

    def _observe(self) -> View | None:
        hands = self._hands
        try:
            view = View(
                nodes=hands.slurm.nodes(),
                instances=hands.provider.list_instances(),
                marks=hands.marks.present(),
                brakes=hands.brakes.present(),
                kept=self._observe_kept(),
                budget_reached=self._budget_reached(),
            )
        except (SlurmUnavailable, ProviderUnavailable) as error:
            kind = "slurm" if isinstance(error, SlurmUnavailable) else "provider"
            if self._silent != kind:
                hands.journal.write("waiting", reason=f"{kind} does not answer: {error}")
            self._silent = kind
            return None
        if self._silent is not None:
            hands.journal.write("answers again", reason=self._silent)
        self._silent = None
        return view

    def _budget_reached(self) -> bool:
        budget, now = self._hands.fleet.budget, self._hands.clock()
        if budget is None:
            return False
        spent = self._hands.ledger.spent(now, period_start(budget.period, now))
        return spent >= budget.dollars

    def _observe_kept(self) -> frozenset[str]:
        now = self._hands.clock()
        if abs(now - self._kept_at) >= KEPT_SECONDS:
            self._kept = self._hands.slurm.kept_nodes()
            self._kept_at = now
        return self._kept

    def _remember(self, view: View, now: float) -> None:
        hands, before = self._hands, self.memory
        recalled = before.recall(view.nodes.values())
        self.memory = recalled.note_deaths(view.nodes, view.instances, now)
        machines = {instance.provider_id: instance for instance in view.instances}
        for node, failure in self.memory.failures.items():
            if failure is not recalled.failures.get(node) and failure.instance_id:
                machine = machines.get(failure.instance_id)
                words = hands.provider.last_words(machine) if machine else ""
                hands.journal.write(
                    "machine died",
                    node=node,
                    id=failure.instance_id,
                    reason=failure.message,
                    last_words=words or None,
                )
        self.memory = self.memory.forget_recovered(view.nodes, now)
