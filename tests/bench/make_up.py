"""How long `make up` takes, by the command itself."""

import subprocess
import time
from collections.abc import Iterator

from ops.environment import CHECKOUT
from tests.bench.bench_cluster import say
from tests.bench.figure import Figure, median
from tests.cluster.running_cluster import RunningCluster

ROUNDS = 3


def figures(cluster: RunningCluster) -> Iterator[Figure]:
    """Warm: images are there, data is there. Unchanged: the cluster runs."""
    warm, unchanged = [], []
    for _ in range(ROUNDS):
        _timed(cluster, "down")
        warm.append(_timed(cluster, "up"))
        unchanged.append(_timed(cluster, "up"))
        say(f"make up: warm {warm[-1]:.1f} s, unchanged {unchanged[-1]:.1f} s")
    yield Figure(name="make-up-warm-to-first-job", value=median(warm), unit="s", goal=15.0)
    yield Figure(name="make-up-unchanged", value=median(unchanged), unit="s", goal=5.0)


def _timed(cluster: RunningCluster, command: str) -> float:
    program = (
        "import pathlib, sys; from ops.stack import open_stack;"
        f"from ops.{command} import {command};"
        f"{command}(open_stack(sys.argv[1], pathlib.Path(sys.argv[2])))"
    )
    begun = time.monotonic()
    # As the Makefile does it: the preparation, then the command.
    for words in (
        ["python3", "-m", "ops.prepare"],
        [".venv/bin/python", "-c", program, cluster.stack.name, str(cluster.stack.checkout)],
    ):
        subprocess.run(words, cwd=CHECKOUT, check=True, capture_output=True)
    return time.monotonic() - begun
