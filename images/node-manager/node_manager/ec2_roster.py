"""The machines as the manager knows them: what EC2 described, and what it does not show yet.

EC2 is eventually consistent: a machine may be missing from a description for a while after its
launch, and be described as running after its termination.
"""

from collections.abc import Iterable
from dataclasses import replace

from node_manager.ec2_machine import Machine
from node_manager.provider import InstanceState

BUSY_SECONDS, IDLE_SECONDS = 5.0, 60.0
"""Between two descriptions, while something happens and while nothing does."""
LOAD = 4
"""At least so many times a description's duration passes: thousands of machines take seconds."""
SETTLE_SECONDS = 60.0
"""After a launch or a termination EC2 may still say what was before."""
ENDED_SECONDS = 3600.0
"""So long an id is remembered as terminated: EC2 may name it again in answer to a known token."""


class Roster:
    """All machines of the cluster. Times are in seconds since the epoch."""

    def __init__(self) -> None:
        self._described: dict[str, Machine] = {}
        self._described_at: float | None = None
        self._took = 0.0
        self._launched: dict[str, Machine] = {}
        self._ended: dict[str, float] = {}
        self._stirred_at = float("-inf")
        self._first_at: float | None = None

    def due(self, now: float) -> bool:
        """Whether EC2 is to be asked again. Always, when the clock was set back."""
        if self._described_at is None:
            return True
        stirred = 0 <= now - self._stirred_at < SETTLE_SECONDS
        starting = any(m.state is InstanceState.STARTING for m in self._described.values())
        busy = min(max(BUSY_SECONDS, self._took * LOAD), IDLE_SECONDS)
        pace = busy if stirred or starting else IDLE_SECONDS
        return not 0 <= now - self._described_at < pace

    def settled(self, now: float) -> bool:
        """Whether what an earlier manager did is shown by now, so that absence means gone."""
        return self._first_at is not None and now >= self._first_at + SETTLE_SECONDS

    def stir(self, now: float) -> None:
        """Something is about to happen: look more often for a while."""
        self._stirred_at = now

    def describe(self, machines: Iterable[Machine], now: float, took: float = 0.0) -> None:
        """A complete answer of EC2, and how many seconds that took."""
        self._took = took
        self._described = {machine.instance_id: machine for machine in machines}
        self._described_at = now
        self._first_at = now if self._first_at is None else min(self._first_at, now)
        self._launched = {
            key: machine
            for key, machine in self._launched.items()
            if key not in self._described and self._recent(machine, now)
        }
        self._ended = {
            key: at
            for key, at in self._ended.items()
            if key in self._described or abs(now - at) < ENDED_SECONDS
        }

    def launch(self, machines: Iterable[Machine], now: float) -> None:
        """EC2 said that it started these."""
        self._launched |= {machine.instance_id: machine for machine in machines}
        self.stir(now)

    def end(self, ids: Iterable[str], now: float) -> None:
        """EC2 said that it terminates these."""
        self._ended |= dict.fromkeys(ids, now)
        self.stir(now)

    def has_ended(self, instance_id: str) -> bool:
        """Whether it was terminated by us, lately."""
        return instance_id in self._ended

    def machines(self, now: float) -> dict[str, Machine]:
        """By id."""
        launched = {k: m for k, m in self._launched.items() if self._recent(m, now)}
        found = {**launched, **self._described}
        for key in self._ended.keys() & found.keys():
            if found[key].state.live:
                found[key] = replace(found[key], state=InstanceState.STOPPING)
        return found

    @staticmethod
    def _recent(machine: Machine, now: float) -> bool:
        return abs(now - machine.launched_at) < SETTLE_SECONDS
