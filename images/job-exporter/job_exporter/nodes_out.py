"""The nodes on which no job starts: DOWN, DRAIN or FAIL, and the reason that Slurm holds for it."""

import re
from dataclasses import dataclass

from job_accounting.command import Runner

from job_exporter.unreadable import Unreadable

TIMEOUT = 10.0
COMMAND = ("scontrol", "show", "nodes", "--oneliner")
NO_REASON = "none given"

_OUT = ("DOWN", "DRAIN", "FAIL")
_NODE = re.compile(r"^NodeName=(?P<name>\S+) .*? State=(?P<state>\S+)(?P<rest>.*)$")
# Who set a reason and when stands behind it; the node manager adds a time in brackets.
_REASON = re.compile(r" Reason=(?P<text>.*?)(?: \(| \[[^\[\]@ ]+@[0-9T:.-]+\]|$)")
_LONGEST_REASON = 60


@dataclass(frozen=True, kw_only=True)
class NodeOut:
    """`state`: those of DOWN, DRAIN and FAIL that hold, with "+" between them."""

    name: str
    state: str
    reason: str


def read_nodes_out(run: Runner) -> list[NodeOut]:
    """Ask slurmctld once. Raises CommandFailed; Unreadable where it answered."""
    return parse_nodes_out(run(COMMAND, TIMEOUT))


def parse_nodes_out(text: str) -> list[NodeOut]:
    """Read scontrol's answer to COMMAND. Raises Unreadable."""
    found = []
    for line in text.splitlines():
        if not line.startswith("NodeName="):
            continue
        node = _NODE.match(line)
        if node is None:
            raise Unreadable(f"scontrol: a node without a state: {line[:80]}")
        words = [word for word in _OUT if word in node["state"].split("+")]
        if words:
            state = "+".join(words)
            found.append(NodeOut(name=node["name"], state=state, reason=_reason(node["rest"])))
    return found


def _reason(rest: str) -> str:
    match = _REASON.search(rest)
    text = match["text"].strip() if match else ""
    return text[:_LONGEST_REASON].strip() or NO_REASON
