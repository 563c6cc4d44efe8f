"""The benchmarks' own cluster: a stack in a copy of the checkout, made by `make up`'s code."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from ops.up import up
from tests.cluster.own_stack import own_stack, running
from tests.cluster.running_cluster import RunningCluster

USER = "ada"
SETTINGS = Path(__file__).with_name("Pulumi.bench.yaml")


def say(text: str) -> None:
    """One line of progress: not on standard output, which has the figures alone."""
    print(f"[bench] {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def bench_cluster() -> Iterator[RunningCluster]:
    """The cluster, up and proved by its first job; removed at the end, also after a failure."""
    figures = sys.stdout
    with contextlib.redirect_stdout(sys.stderr), own_stack(SETTINGS) as stack:
        up(stack)
        with contextlib.redirect_stdout(figures):
            yield running(stack)
