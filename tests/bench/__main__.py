"""`make bench`: the benchmarks on a cluster of their own, one line a figure.

python -m tests.bench [start] [throughput] [make_up] [footprint]
"""

import sys
from collections.abc import Callable, Iterator

from tests.bench import footprint, make_up, start, throughput
from tests.bench.bench_cluster import bench_cluster
from tests.bench.figure import Figure
from tests.cluster.running_cluster import RunningCluster

FAMILIES: dict[str, Callable[[RunningCluster], Iterator[Figure]]] = {
    "footprint": footprint.figures,
    "start": start.figures,
    "throughput": throughput.figures,
    "make_up": make_up.figures,
}


def main(chosen: list[str]) -> None:
    """Run the chosen families, or all."""
    if unknown := set(chosen) - FAMILIES.keys():
        sys.exit(f"unknown: {', '.join(sorted(unknown))}. Allowed: {', '.join(FAMILIES)}")
    with bench_cluster() as cluster:
        for name in chosen or FAMILIES:
            for figure in FAMILIES[name](cluster):
                print(figure.line(), flush=True)
    print("make-up-fresh-machine: not measured here, see docs/development.md | goal <= 600 s")


if __name__ == "__main__":
    main(sys.argv[1:])
