"""`status` tells people what is there, and why something is not."""

from node_manager.actions import View
from node_manager.report import Report
from node_manager.status import status_lines

from tests.node_manager.builders import NOW, make_fleet, make_instance, make_node


def test_status_counts_by_pool_and_names_what_is_out_of_service() -> None:
    nodes = [
        make_node("cpu-1", "ALLOCATED", alloc_cpus=1),
        make_node("cpu-2", "IDLE+POWERING_UP"),
        make_node("cpu-3", "IDLE+DRAIN", "broken fan"),
        make_node("cpu-4", "IDLE+DRAIN+POWERED_DOWN", "hpc-stack: no room (try 1, again at x)"),
    ]
    machines = [make_instance(name) for name in ("cpu-1", "cpu-2", "cpu-3", "old-1")]
    view = View(nodes={node.name: node for node in nodes}, instances=machines)
    report = Report(at=NOW, cost=0.0, notes={"cpu": ["the schedule wants 3 nodes now"]})
    assert list(status_lines(make_fleet(), view, report)) == [
        "pool cpu: 1 busy, 1 coming, 2 out of service (up to 4)",
        "  the schedule wants 3 nodes now",
        "  cpu-3: broken fan (not by the node manager)",
        "  cpu-4: hpc-stack: no room (try 1, again at x)",
        "  old-1: a machine that Slurm does not know; it will be removed",
    ]
