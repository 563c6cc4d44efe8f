"""The benchmarks' own cluster: a stack in a copy of the checkout, made by `make up`'s code."""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ops.down import clean
from ops.environment import CHECKOUT
from ops.stack import Stack, open_stack
from ops.up import up
from tests.cluster.conftest import PROGRAM
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
        stack = open_stack(NAME, checkout)
        try:
            with contextlib.redirect_stdout(sys.stderr):
                up(stack)
            yield running(stack)
        finally:
            with contextlib.redirect_stdout(sys.stderr):
                clean(stack)


def running(stack: Stack) -> RunningCluster:
    """The stack's cluster as it runs now."""
    outputs = stack.outputs()
    return RunningCluster(name=outputs["cluster"], stack=stack, rest=outputs["rest"])


def copy_program(checkout: Path) -> None:
    """What Pulumi needs, so that its state and settings are the benchmarks' own."""
    for name in PROGRAM:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, checkout)
    (checkout / ".venv").symlink_to(CHECKOUT / ".venv")
    shutil.copy(SETTINGS, checkout)
