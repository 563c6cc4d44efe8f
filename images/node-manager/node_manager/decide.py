"""What to do, from what Slurm wants and what exists. Pure functions: no clock, no I/O.

A node is *wanted* when Slurm says that it is booting or up. Wanted without a machine: launch. Not
wanted with a machine: terminate. What can go wrong with one node is in node_case.py, what closes a
whole pool in closures.py, and what is wanted ahead of the jobs in ahead.py.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from node_manager.actions import (
    Action,
    Brake,
    Launch,
    Mark,
    PutBack,
    ReplaceDead,
    SetMark,
    Terminate,
    Undrain,
    View,
)
from node_manager.ahead import prepare_ahead
from node_manager.closures import closures
from node_manager.failures import reason_text
from node_manager.fleet import Fleet, Pool
from node_manager.limits import admit
from node_manager.memory import Memory
from node_manager.node_case import Machines, NodeCase
from node_manager.provider import InstanceState


def decide(fleet: Fleet, view: View, memory: Memory, now: float) -> list[Action]:
    """Everything to do now. Same input, same list; at most one of each kind for a node."""
    pools = fleet.pool_of_node
    machines = Machines(view.instances)
    brakes = list(_new_brakes(fleet, view, memory))
    braked = {**view.brakes, **{brake.pool: brake.reason for brake in brakes}}
    closed = closures(fleet, view, memory, braked, now)
    unwanted = (
        action
        for action in _unwanted_machines(view, machines)
        if memory.may_end(action.instance.provider_id, now)
    )
    actions: list[Action] = [*brakes, *unwanted]
    for name, node in view.nodes.items():
        if name in pools:
            case = NodeCase(node, pools[name], machines, memory, closed, fleet, now)
            actions += case.actions()
    actions = _within_limits(fleet, view, actions)
    actions += prepare_ahead(fleet, view, closed, now)
    actions += _marks(view, pools, machines, actions)
    return actions


def _new_brakes(fleet: Fleet, view: View, memory: Memory) -> Iterator[Brake]:
    for pool, count in memory.failed_starts.items():
        if count >= fleet.limits.brake_after and pool not in view.brakes:
            yield Brake(pool=pool, reason=f"pool {pool} is stopped: {count} starts in a row failed")


def _unwanted_machines(view: View, machines: Machines) -> Iterator[Terminate]:
    for instance in view.instances:
        if instance.state is InstanceState.STOPPING:
            continue
        node = view.nodes.get(instance.node)
        if node is None:
            yield Terminate(instance=instance, why="Slurm has no such node")
        elif node.off:
            yield Terminate(instance=instance, why="Slurm has powered the node down")
        elif instance.provider_id in machines.surplus:
            yield Terminate(instance=instance, why="the node has another machine")
        elif instance.state is InstanceState.EXITED and instance.node in machines.live:
            yield Terminate(instance=instance, why="exited and replaced")


def _within_limits(fleet: Fleet, view: View, actions: Sequence[Action]) -> list[Action]:
    """The actions with launches beyond the limits turned into put-backs that say why."""
    requests = [action.request for action in actions if isinstance(action, Launch)]
    refused = {request.node: why for request, why in admit(fleet, view.instances, requests).refused}
    return [
        PutBack(node=action.node, reason=reason_text(refused[action.node]), power_down=True)
        if isinstance(action, Launch) and action.node in refused
        else action
        for action in actions
    ]


def _marks(
    view: View, pools: Mapping[str, Pool], machines: Machines, actions: Iterable[Action]
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
