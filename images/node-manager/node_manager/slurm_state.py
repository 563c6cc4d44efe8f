"""Slurm's words for a node's state, each named once, and how `scontrol show nodes` is read.

What the states mean for machines is decided in decide.py. Words: Slurm 26.05 (slurm/slurm.h,
NODE_STATE_*). The answer is read as text: for 5000 nodes scontrol makes it in 0.04 s, and the same
as JSON in 0.85 s (measured).
"""

import re
from dataclasses import dataclass
from enum import StrEnum


class BaseState(StrEnum):
    """Exactly one of these is in a node's state list."""

    ALLOCATED = "ALLOCATED"
    DOWN = "DOWN"
    ERROR = "ERROR"
    FUTURE = "FUTURE"
    IDLE = "IDLE"
    MIXED = "MIXED"
    UNKNOWN = "UNKNOWN"


class Flag(StrEnum):
    """Any number of these may be in a node's state list."""

    BLOCKED = "BLOCKED"
    CLOUD = "CLOUD"
    COMPLETING = "COMPLETING"
    DRAIN = "DRAIN"
    DYNAMIC_FUTURE = "DYNAMIC_FUTURE"
    DYNAMIC_NORM = "DYNAMIC_NORM"
    FAIL = "FAIL"
    INVALID_REG = "INVALID_REG"
    MAINTENANCE = "MAINTENANCE"
    NOT_RESPONDING = "NOT_RESPONDING"
    PLANNED = "PLANNED"
    POWER_DOWN = "POWER_DOWN"  # asked for, not begun
    POWER_DRAIN = "POWER_DRAIN"
    POWER_UP = "POWER_UP"  # asked for, not begun
    POWERED_DOWN = "POWERED_DOWN"
    POWERING_DOWN = "POWERING_DOWN"
    POWERING_UP = "POWERING_UP"
    REBOOT_CANCELED = "REBOOT_CANCELED"
    REBOOT_ISSUED = "REBOOT_ISSUED"
    REBOOT_REQUESTED = "REBOOT_REQUESTED"
    RESERVED = "RESERVED"


class NodeUpdate(StrEnum):
    """The values of `scontrol update nodename=... state=` that the manager uses."""

    DOWN = "DOWN"
    DRAIN = "DRAIN"
    POWER_DOWN_FORCE = "POWER_DOWN_FORCE"
    POWER_UP = "POWER_UP"
    RESUME = "RESUME"


# What slurmctld and slurmd write themselves when they take a node out of service. A fresh machine
# may cure each of them. Everything else is an admin's doing. (Who set a reason does not tell:
# `docker exec slurmctld scontrol` runs as user slurm, as slurmctld itself does.)
RESUME_TIMEOUT = "ResumeTimeout reached"
SLURM_REASONS = (
    "Not responding",
    RESUME_TIMEOUT,
    "Node unexpectedly rebooted",
    "Kill task failed",
    "Prolog error",
    "Epilog error",
    "Prolog/Epilog failure",
    "Job env setup error",
    "Job step not running",
    "Duplicate jobid",
    "batch job complete failure",
    "Low RealMemory",
    "Low socket*core*thread count",
    "Low CPUs",
    "Low TmpDisk",
    "gres/",
    "Could not unpack gres data",
    "SlurmdSpoolDir is full",
    "reboot timed out",
)

_BASE = {state.value: state for state in BaseState}
_FLAGS = {flag.value: flag for flag in Flag}


@dataclass(frozen=True, kw_only=True)
class SlurmNode:
    """One node as slurmctld sees it. `alloc_cpus` counts what jobs hold, also while it boots."""

    name: str
    base: BaseState
    flags: frozenset[Flag]
    reason: str = ""
    alloc_cpus: int = 0

    def has(self, *flags: Flag) -> bool:
        """Whether any of the flags is set."""
        return not self.flags.isdisjoint(flags)

    @property
    def off(self) -> bool:
        """No machine is wanted: powered down, on its way there, or not in use at all.

        A node that a job was just given is still off until slurmctld's power tick says POWERING_UP,
        up to a second later: the registration of a slurmd that came before the tick is forgotten by
        it, and the node then waits in vain until ResumeTimeout (26.05: measured).
        """
        if self.has(Flag.POWERING_DOWN) or self.base is BaseState.FUTURE:
            return True
        return self.has(Flag.POWERED_DOWN) and not self.has(Flag.POWERING_UP)

    @property
    def booting(self) -> bool:
        """slurmctld waits for this node to register."""
        return self.has(Flag.POWERING_UP, Flag.POWERED_DOWN) and not self.off

    @property
    def out_of_service(self) -> bool:
        """No job will be started here, by somebody's or Slurm's own decision."""
        return self.base is BaseState.DOWN or self.has(Flag.DRAIN, Flag.FAIL)

    @property
    def registered(self) -> bool:
        """slurmd is there and answers: a job that has this node need not wait for it."""
        return not (
            self.off
            or self.base is BaseState.DOWN
            or self.has(Flag.POWERING_UP, Flag.POWERED_DOWN, Flag.NOT_RESPONDING)
        )

    @property
    def busy(self) -> bool:
        """A job is here, or has not quite gone."""
        return self.alloc_cpus > 0 or self.has(Flag.COMPLETING)


_NODE = re.compile(
    r"^NodeName=(?P<name>\S+) .*? CPUAlloc=(?P<cpus>\d+) .*? State=(?P<state>\S+) (?P<rest>.*)$",
    re.MULTILINE,
)
# Who set a reason and when stands behind it.
_REASON = re.compile(r" Reason=(?P<reason>.*?)(?: \[[^\[\]@ ]+@[0-9T:.-]+\]| *$)")


class StateError(ValueError):
    """scontrol's answer is not what this module reads."""


def parse_nodes(text: str) -> dict[str, SlurmNode]:
    """Read `scontrol show nodes --oneliner`. Raises StateError.

    Unknown fields and state words are ignored: a newer Slurm may add some.
    """
    nodes = [_node(found) for found in _NODE.finditer(text)]
    if len(nodes) != text.count("NodeName=", 0, len("NodeName=")) + text.count("\nNodeName="):
        raise StateError("a node in scontrol's answer has no CPUAlloc or State")
    return {node.name: node for node in nodes}


def _node(found: "re.Match[str]") -> SlurmNode:
    words = found["state"].split("+")
    reason = _REASON.search(found["rest"]) if "Reason=" in found["rest"] else None
    return SlurmNode(
        name=found["name"],
        base=next((_BASE[word] for word in words if word in _BASE), BaseState.UNKNOWN),
        flags=frozenset(_FLAGS[word] for word in words if word in _FLAGS),
        reason=reason["reason"] if reason else "",
        alloc_cpus=int(found["cpus"]),
    )
