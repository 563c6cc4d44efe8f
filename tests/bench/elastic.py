"""Many new nodes at once, for one job: seconds from submission to the job's start."""

from collections.abc import Iterator

from tests.bench.bench_cluster import say
from tests.bench.figure import Figure, median
from tests.bench.start import power_down, submit_to_start
from tests.bench.variants import slurms_own_loop, variant
from tests.cluster.running_cluster import RunningCluster

POOL = "wide"
TRIES = {1: 6, 8: 4, 32: 3, 64: 3}
GOALS = {1: 3.15, 8: 3.83, 32: 6.7, 64: 11.0}
"""Seconds; what was measured for the idea alone, plus one for all that a manager does besides."""
BASELINE_TRIES = {1: 3, 8: 2, 32: 1, 64: 1}


def figures(cluster: RunningCluster) -> Iterator[Figure]:
    """1, 8, 32 and 64 new nodes, Slurm's own loop beside them."""
    ours = {nodes: _tries(cluster, nodes, TRIES[nodes]) for nodes in TRIES}
    with variant(cluster, slurms_own_loop):
        loop = {nodes: _tries(cluster, nodes, BASELINE_TRIES[nodes]) for nodes in TRIES}
    power_down(cluster)
    for nodes in TRIES:
        yield Figure(
            name=f"elastic-{nodes}-new-nodes",
            value=median(ours[nodes]),
            unit="s",
            goal=GOALS[nodes],
            baseline=median(loop[nodes]),
            baseline_is="Slurm's own loop",
        )


def _tries(cluster: RunningCluster, nodes: int, count: int) -> list[float]:
    taken = []
    for _ in range(count):
        power_down(cluster)
        taken.append(submit_to_start(cluster, f"--partition={POOL} --nodes={nodes}"))
        say(f"{nodes} new nodes: {taken[-1]:.2f} s")
    return taken
