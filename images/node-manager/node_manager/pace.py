"""How soon to look again. Pure. A look costs about 30 ms of CPU, and jobs run here too."""

from collections.abc import Iterator, Sequence

from node_manager.decide import Action, Launch, SetMark, View
from node_manager.failures import Memory, Step, read_put_back
from node_manager.provider import Instance
from node_manager.slurm_state import BaseState, Flag, SlurmNode

IDLE_SECONDS = 5.0
FAST_SECONDS = 0.1
"""While a machine of ours boots: this is what a waiting job loses at most."""
SLOW_SECONDS = 0.5
FAST_FOR_SECONDS = 15.0
"""A machine that has not registered by then is not helped by looking often."""


def seconds_until_next(view: View, memory: Memory, actions: Sequence[Action], now: float) -> float:
    """Seconds until the next round, if nobody wakes the manager before."""
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
    return max(min([IDLE_SECONDS, *waits]), FAST_SECONDS)


def _waits(
    node: SlurmNode, machine: Instance | None, memory: Memory, now: float
) -> Iterator[float]:
    if machine is not None and (node.booting or (node.base is BaseState.DOWN and not node.off)):
        yield FAST_SECONDS if now - machine.created_at < FAST_FOR_SECONDS else SLOW_SECONDS
    failure = memory.failures.get(node.name)
    if machine is None and not node.off and failure and failure.step(now) is Step.WAIT:
        yield failure.retry_at - now
    held = read_put_back(node.reason)
    if held is not None:
        # Slurm's power saving is about to take our DRAIN away.
        yield SLOW_SECONDS if node.has(Flag.POWER_DOWN) else max(held.until - now, SLOW_SECONDS)
