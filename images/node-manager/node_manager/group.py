"""From single decisions to few calls: what goes together, and in which order. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from node_manager.actions import (
    Action,
    Brake,
    Keep,
    Launch,
    Leave,
    PowerDown,
    PowerUp,
    PutBack,
    ReplaceDead,
    SetMark,
    Terminate,
    Undrain,
)
from node_manager.provider import LaunchRequest
from node_manager.slurm_state import NodeUpdate

A = TypeVar("A")


@dataclass(frozen=True, kw_only=True)
class Update:
    """One state for many nodes: one call of scontrol. `name` is the action's, for the log."""

    name: str
    state: NodeUpdate
    nodes: Sequence[str]
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Orders:
    """A round's calls, in the order of the fields: first what people wait for."""

    marks: Sequence[SetMark]
    brakes: Sequence[Brake]
    replacements: Sequence[Update]
    """A node for which one of these is refused gets no new machine before Slurm knows."""
    launches: Sequence[LaunchRequest]
    put_backs: Sequence[PutBack]
    """What `updates` does about them is there; here for what is remembered."""
    updates: Sequence[Update]
    keep: Keep | None
    terminations: Sequence[Terminate]
    complete: bool
    """False when the provider's batch left some launches or terminations for the next round."""


def group(actions: Iterable[Action], batch: int) -> Orders:
    """The orders for these actions, with at most `batch` machines started and ended."""
    actions = list(actions)
    launches = [action.request for action in _only(actions, Launch)]
    terminations = _only(actions, Terminate)
    put_backs = _only(actions, PutBack)
    keeps = _only(actions, Keep)
    return Orders(
        marks=_only(actions, SetMark),
        brakes=_only(actions, Brake),
        replacements=_with_reason("replace", NodeUpdate.DOWN, _only(actions, ReplaceDead)),
        launches=launches[:batch],
        put_backs=put_backs,
        updates=[
            # DRAIN first: it requeues the jobs that wait for a booting node without Slurm's delay
            # for requeued jobs, and keeps the node from being chosen again. POWER_DOWN_FORCE then
            # ends the boot. It takes the DRAIN away; the next rounds give it back (NodeCase._off).
            *_with_reason("put back", NodeUpdate.DRAIN, put_backs),
            *_with_reason("leave", NodeUpdate.DRAIN, _only(actions, Leave)),
            *_plain(
                "power down",
                NodeUpdate.POWER_DOWN_FORCE,
                [a.node for a in put_backs if a.power_down]
                + [a.node for a in _only(actions, PowerDown)],
            ),
            *_plain("undrain", NodeUpdate.RESUME, [a.node for a in _only(actions, Undrain)]),
            *_plain("power up", NodeUpdate.POWER_UP, [a.node for a in _only(actions, PowerUp)]),
        ],
        keep=keeps[0] if keeps else None,
        terminations=terminations[:batch],
        complete=max(len(launches), len(terminations)) <= batch,
    )


def _with_reason(
    name: str, state: NodeUpdate, actions: Iterable[PutBack | Leave | ReplaceDead]
) -> list[Update]:
    nodes: dict[str, list[str]] = defaultdict(list)
    for action in actions:
        nodes[action.reason].append(action.node)
    return [
        Update(name=name, state=state, nodes=names, reason=reason)
        for reason, names in nodes.items()
    ]


def _plain(name: str, state: NodeUpdate, nodes: Sequence[str]) -> list[Update]:
    return [Update(name=name, state=state, nodes=nodes)] if nodes else []


def _only(actions: Iterable[Action], kind: type[A]) -> list[A]:
    return [action for action in actions if isinstance(action, kind)]
