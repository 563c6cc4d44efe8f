"""One word for what a node is to people: for `make status` and the metrics."""

from enum import StrEnum

from node_manager.provider import Instance
from node_manager.slurm_state import SlurmNode


class NodeWord(StrEnum):
    """What a node is doing."""

    OFF = "off"
    COMING = "coming"
    IDLE = "idle"
    BUSY = "busy"
    GOING = "going"
    OUT_OF_SERVICE = "out of service"


def word(node: SlurmNode, machine: Instance | None) -> NodeWord:
    """The word for a node with its live machine, if it has one."""
    if node.out_of_service:
        return NodeWord.OUT_OF_SERVICE
    if node.off:
        return NodeWord.OFF if machine is None else NodeWord.GOING
    if node.booting or machine is None:
        return NodeWord.COMING
    return NodeWord.BUSY if node.busy else NodeWord.IDLE
