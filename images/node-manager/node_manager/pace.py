"""How soon to look again. Pure.

A look takes about 20 ms, 12 ms of it CPU (measured), on a machine that also runs jobs.
"""

from collections.abc import Iterator, Sequence

from node_manager.actions import Action, Launch, SetMark, View
from node_manager.failures import Step, read_put_back
from node_manager.memory import Memory
from node_manager.provider import Instance
from node_manager.shortages import RETRY_SECONDS
from node_manager.slurm_state import BaseState, Flag, SlurmNode

IDLE_SECONDS = 5.0
FAST_SECONDS = 0.05
"""While a machine of ours boots: this is what a waiting job loses at most."""
SLOW_SECONDS = 0.5
LOOKS_PER_AGE = 20
"""A booting machine is looked at every 5 % of its age, between fast and slow."""


LOAD = 2
"""At least so many times the duration of a look passes: a third of one CPU at most."""


def seconds_until_next(
    view: View, memory: Memory, actions: Sequence[Action], now: float, looking: float
) -> float:
    """Seconds until the next round, if nobody wakes the manager before.

    `looking`: seconds that this round took to observe and to decide.
    """
    return max(_wanted(view, memory, actions, now), looking * LOAD)


def _wanted(view: View, memory: Memory, actions: Sequence[Action], now: float) -> float:
    if any(isinstance(action, Launch) for action in actions):
        return FAST_SECONDS
    if any(not isinstance(action, SetMark) for action in actions):
        return SLOW_SECONDS  # see what came of it; a refused action must not become a busy loop
    machines = {machine.node: machine for machine in view.instances if machine.state.live}
    waits = [
        wait
        for node in view.nodes.values()
        for wait in _waits(node, machines.get(node.name), memory, now)
    ]
    return max(min([IDLE_SECONDS, *waits, *_shortages(memory, now)]), FAST_SECONDS)


def _shortages(memory: Memory, now: float) -> Iterator[float]:
    for shortage in memory.shortages.values():
        # Two times matter: the next try before a fallback is due, and the end of the pause.
        yield from (
            max(time - now, SLOW_SECONDS)
            for time in (shortage.at + RETRY_SECONDS, shortage.until)
            if time > now
        )


def _waits(
    node: SlurmNode, machine: Instance | None, memory: Memory, now: float
) -> Iterator[float]:
    if machine is not None and (node.booting or (node.base is BaseState.DOWN and not node.off)):
        yield min((now - machine.created_at) / LOOKS_PER_AGE, SLOW_SECONDS)
    failure = memory.failures.get(node.name)
    if machine is None and not node.off and failure and failure.step(now) is Step.WAIT:
        yield failure.retry_at - now
    held = read_put_back(node.reason)
    if held is not None and node.out_of_service:
        # Slurm's power saving is about to take our DRAIN away.
        yield SLOW_SECONDS if node.has(Flag.POWER_DOWN) else max(held.until - now, SLOW_SECONDS)
