"""The benchmarks' own cluster: a stack in a copy of the checkout, made by `make up`'s code."""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ops.down import remove
from ops.stack import open_stack
from ops.up import up
from tests.cluster.own_stack import copy_program, remove_leftovers, running
from tests.cluster.running_cluster import RunningCluster

NAME = "bench"
USER = "ada"
SETTINGS = Path(__file__).with_name(f"Pulumi.{NAME}.yaml")


def say(text: str) -> None:
    """One line of progress: not on standard output, which has the figures alone."""
    print(f"[bench] {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def bench_cluster() -> Iterator[RunningCluster]:
    """The cluster, up and proved by its first job; removed at the end, also after a failure."""
    with tempfile.TemporaryDirectory(prefix="hpc-bench-") as directory:
        checkout = Path(directory)
        copy_program(checkout)
        shutil.copy(SETTINGS, checkout)
        with contextlib.redirect_stdout(sys.stderr):
            remove_leftovers(NAME)
        stack = open_stack(NAME, checkout)
        try:
            with contextlib.redirect_stdout(sys.stderr):
                up(stack)
            yield running(stack)
        finally:
            with contextlib.redirect_stdout(sys.stderr):
                remove(stack)
