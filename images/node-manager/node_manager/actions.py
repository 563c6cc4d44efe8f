"""What a round sees, and what it may decide on. Data only; decide.py makes the decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from node_manager.provider import Instance, LaunchRequest
from node_manager.slurm_state import SlurmNode


class Mark(StrEnum):
    """A directory of files, one a node, that slurmctld's scripts can test for free."""

    READY = "ready"
    """slurmd is registered: a job need not wait for this node."""
    FAILED = "failed"
    """Out of service and not registered: waiting for this node is in vain."""


@dataclass(frozen=True, kw_only=True)
class View:
    """Everything that was observed in one round."""

    nodes: Mapping[str, SlurmNode]
    instances: Sequence[Instance]
    marks: Mapping[Mark, frozenset[str]] = field(default_factory=dict)
    brakes: Mapping[str, str] = field(default_factory=dict)
    """Pools that launch nothing until somebody resumes them, and why."""
    kept: frozenset[str] = frozenset()
    """Nodes that Slurm does not power down when they are idle (SuspendExcNodes)."""
    budget_reached: bool = False
    """The money is spent: no node is there but for a job."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Make a machine for a node."""

    request: LaunchRequest

    @property
    def node(self) -> str:
        return self.request.node


@dataclass(frozen=True, kw_only=True)
class Terminate:
    """End a machine."""

    instance: Instance
    why: str

    @property
    def node(self) -> str:
        return self.instance.node


@dataclass(frozen=True, kw_only=True)
class PutBack:
    """Take a node out of service with a reason, requeue its jobs, and power it down if it is not.

    The reason's text says for how long (failures.PutBackReason), or it holds while the node's pool
    is closed (closures.py).
    """

    node: str
    reason: str
    power_down: bool
    unregistered: Instance | None = None
    """The machine that came and never registered, if that is why."""


@dataclass(frozen=True, kw_only=True)
class Leave:
    """Give a node no further jobs: its machine has to go. The jobs that are there go on."""

    node: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class PowerDown:
    """Have Slurm power a node down now; jobs that are still there are requeued."""

    node: str


@dataclass(frozen=True, kw_only=True)
class Undrain:
    """What kept a node out of service is over: Slurm may use it again."""

    node: str


@dataclass(frozen=True, kw_only=True)
class PowerUp:
    """Ask Slurm to power a node up although no job needs it yet."""

    node: str


@dataclass(frozen=True, kw_only=True)
class ReplaceDead:
    """Tell Slurm that a node is gone, so that its jobs are requeued."""

    node: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Keep:
    """Tell Slurm which idle nodes it must not power down: these and no others."""

    nodes: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Brake:
    """Stop a pool from launching until somebody resumes it."""

    pool: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class SetMark:
    """Write or remove a node's file."""

    node: str
    mark: Mark
    present: bool


NodeAction = Launch | PutBack | Leave | PowerDown | Undrain | PowerUp | ReplaceDead
Action = NodeAction | Terminate | Keep | Brake | SetMark
