"""What a round costs when there is nothing to do, in a large cluster: CPU, and memory over time."""

import json
import subprocess
import sys
from collections.abc import Iterator

from ops.environment import CHECKOUT
from tests.bench.bench_cluster import say
from tests.bench.figure import Figure

NODES, ROUNDS = 5000, 1000


def figures() -> Iterator[Figure]:
    """A manager in a process of its own: 5000 nodes off, and then 5000 nodes up."""
    for name, state in (("off", "IDLE+CLOUD+POWERED_DOWN"), ("up", "IDLE+CLOUD")):
        command = [sys.executable, "-m", "tests.bench.idle_manager", str(NODES), str(ROUNDS), state]
        done = subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout)
        say(f"rounds, 5000 nodes {name}: {found}")
        yield Figure(
            name=f"round-5000-{name}-cpu",
            value=found["cpu_seconds"],
            unit="s",
            goal=0.5,
        )
        yield Figure(
            name=f"round-5000-{name}-memory", value=found["memory_mib"], unit="MiB", goal=120
        )
        yield Figure(
            name=f"round-5000-{name}-memory-growth",
            value=found["memory_mib"] - found["memory_mib_early"],
            unit="MiB",
            goal=5,
            note=f"from round {ROUNDS // 10} to {ROUNDS}",
        )
