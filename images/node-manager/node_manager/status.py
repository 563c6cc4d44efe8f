"""What the manager knows, in a few plain lines: for `make status`."""

from collections import Counter
from collections.abc import Iterator, Mapping

from node_manager.decide import View
from node_manager.failures import REASON_PREFIX
from node_manager.fleet import Fleet, Pool
from node_manager.provider import Instance
from node_manager.slurm_state import SlurmNode


def status_lines(fleet: Fleet, view: View) -> Iterator[str]:
    """A line for each pool, and one for each node that is out of service."""
    machines = {machine.node: machine for machine in view.instances if machine.state.live}
    for pool in fleet.pools:
        yield _pool_line(pool, view.nodes, machines)
    for node in sorted(view.nodes.values(), key=lambda node: node.name):
        if node.out_of_service:
            who = "" if node.reason.startswith(REASON_PREFIX) else " (not by the node manager)"
            yield f"  {node.name}: {node.reason or 'no reason given'}{who}"
    for machine in view.instances:
        if machine.node not in view.nodes:
            yield f"  {machine.node}: a machine that Slurm does not know; it will be removed"


def _pool_line(pool: Pool, nodes: Mapping[str, SlurmNode], machines: Mapping[str, Instance]) -> str:
    counts = Counter(
        _word(nodes[name], machines.get(name)) for name in pool.node_names() if name in nodes
    )
    states = ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))
    return f"pool {pool.name}: {states or 'no nodes in Slurm'} (up to {pool.max_nodes})"


def _word(node: SlurmNode, machine: Instance | None) -> str:
    if node.out_of_service:
        return "out of service"
    if node.off:
        return "off" if machine is None else "going"
    if node.booting or machine is None:
        return "coming"
    return "busy" if node.busy else "idle"
