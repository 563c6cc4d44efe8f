"""A manager of many nodes with nothing to do, measured from within: a program of rounds.py.

python -m tests.bench.idle_manager NODES ROUNDS STATE

slurmctld's answer comes as text through a real process, as scontrol's would; the platform's list is
ready made.
"""

import io
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from node_manager.journal import Journal
from node_manager.provider import Instance, InstanceState
from node_manager.slurm_client import SlurmClient, run_command

from tests.node_manager.builders import make_fleet
from tests.node_manager.fake_provider import FakeProvider, make_reconciler
from tests.node_manager.test_slurm_state import LINE


def main(nodes: int, rounds: int, state: str) -> None:
    """Print the median CPU of a round in seconds, and the resident memory in MiB."""
    names = [f"cpu-{number}" for number in range(1, nodes + 1)]
    with tempfile.TemporaryDirectory() as directory:
        run_dir = Path(directory)
        answer = run_dir / "nodes"
        answer.write_text(
            "".join(LINE.format(name=name, cpus=0, state=state, reason="") for name in names)
        )

        def scontrol(command: Sequence[str], timeout: float) -> str:
            if "config" in command:
                return "SuspendExcNodes = (null)"
            return run_command(("cat", str(answer)), timeout)

        provider = FakeProvider(time.time)
        if "POWERED_DOWN" not in state:
            provider.machines = {
                name: Instance(
                    node=name,
                    provider_id=name,
                    pool="cpu",
                    address=name,
                    state=InstanceState.RUNNING,
                    created_at=0,
                )
                for name in names
            }
        manager = make_reconciler(
            fleet=make_fleet(max_nodes=nodes),
            slurm=SlurmClient(scontrol),
            provider=provider,
            run_dir=run_dir,
            journal=Journal(io.StringIO()),
            clock=time.time,
        )
        manager.run_once()  # the first one writes the marks
        taken, early = [], 0.0
        for number in range(rounds):
            begun = _cpu()
            done = manager.run_once()
            taken.append(_cpu() - begun)
            assert done.observed
            assert not done.actions, "there is nothing to do"
            if number == rounds // 10:
                early = _memory_mib()
    cpu = statistics.median(taken)
    print(json.dumps({"cpu_seconds": cpu, "memory_mib_early": early, "memory_mib": _memory_mib()}))


def _cpu() -> float:
    """CPU seconds of this process and its children."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _memory_mib() -> float:
    """The most that was ever resident. Linux's `ru_maxrss` is that of whoever started us, too."""
    (line,) = (
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    )
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
