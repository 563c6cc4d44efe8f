"""What the manager knows and does, in a few plain lines: for `make status`."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from node_manager.actions import View
from node_manager.failures import REASON_PREFIX
from node_manager.fleet import Fleet, Pool
from node_manager.hostlist import hostlist
from node_manager.limits import usage
from node_manager.node_state import word
from node_manager.provider import Instance
from node_manager.report import Report
from node_manager.slurm_state import SlurmNode


def status_lines(fleet: Fleet, view: View, report: Report | None) -> Iterator[str]:
    """A line for each pool, what is special about it, and the nodes that are out of service."""
    machines = {machine.node: machine for machine in view.instances if machine.state.live}
    for pool in fleet.pools:
        yield _pool_line(pool, view.nodes, machines)
        for note in report.notes.get(pool.name, []) if report else []:
            yield f"  {note}"
    yield from _usage_line(fleet, view)
    out: dict[str, list[str]] = defaultdict(list)
    for node in view.nodes.values():
        if node.out_of_service:
            who = "" if node.reason.startswith(REASON_PREFIX) else " (not by the node manager)"
            out[f"{node.reason or 'no reason given'}{who}"].append(node.name)
    for reason, names in sorted(out.items()):
        yield f"  {hostlist(names)}: {reason}"
    for machine in view.instances:
        if machine.node not in view.nodes:
            yield f"  {machine.node}: a machine that Slurm does not know; it will be removed"


def _usage_line(fleet: Fleet, view: View) -> Iterator[str]:
    used, limits = usage(fleet, view.instances), fleet.limits
    parts = [
        f"{used.instances} of at most {limits.max_instances} nodes"
        if limits.max_instances is not None
        else "",
        f"${used.cost:.2f} an hour"
        + (f" of at most ${limits.max_cost_per_hour:g}" if limits.max_cost_per_hour else "")
        if used.cost or limits.max_cost_per_hour
        else "",
        f"{used.memory_mb} of {limits.memory_mb} MiB" if limits.memory_mb is not None else "",
    ]
    if any(parts):
        yield f"in use: {', '.join(part for part in parts if part)}"


def _pool_line(pool: Pool, nodes: Mapping[str, SlurmNode], machines: Mapping[str, Instance]) -> str:
    counts = Counter(
        word(nodes[name], machines.get(name)).value for name in pool.node_names() if name in nodes
    )
    states = ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))
    return f"pool {pool.name}: {states or 'no nodes in Slurm'} (up to {pool.max_nodes})"
