"""`make bench`: the benchmarks on a cluster of their own, one line a figure.

make bench BENCH="[rounds] [ec2] [aws] [boot] [footprint] [start] [elastic] [throughput]
                  [monitoring] [make_up]"
"""

import sys
from collections.abc import Callable, Iterator

from tests.bench import (
    aws,
    boot,
    ec2,
    elastic,
    footprint,
    make_up,
    monitoring,
    rounds,
    start,
    throughput,
)
from tests.bench.bench_cluster import bench_cluster
from tests.bench.figure import Figure
from tests.cluster.running_cluster import RunningCluster

ALONE: dict[str, Callable[[], Iterator[Figure]]] = {
    "rounds": rounds.figures,
    "ec2": ec2.figures,
    "aws": aws.figures,
    "boot": boot.figures,
}
"""Families that need no cluster."""
FAMILIES: dict[str, Callable[[RunningCluster], Iterator[Figure]]] = {
    "footprint": footprint.figures,
    "start": start.figures,
    "elastic": elastic.figures,
    "throughput": throughput.figures,
    "monitoring": monitoring.figures,
    "make_up": make_up.figures,
}


def main(chosen: list[str]) -> None:
    """Run the chosen families, or all."""
    known = [*ALONE, *FAMILIES]
    if unknown := set(chosen) - set(known):
        sys.exit(f"unknown: {', '.join(sorted(unknown))}. Allowed: {', '.join(known)}")
    chosen = chosen or known
    for name in (name for name in ALONE if name in chosen):
        _print(ALONE[name]())
    on_cluster = [name for name in chosen if name in FAMILIES]
    if on_cluster:
        with bench_cluster() as cluster:
            for name in on_cluster:
                _print(FAMILIES[name](cluster))
    print("make-up-fresh-machine: not measured here, see README.md | goal <= 600 s")


def _print(figures: Iterator[Figure]) -> None:
    for figure in figures:
        print(figure.line(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
