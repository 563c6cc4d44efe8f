"""The node manager's command.

python3 -m node_manager           reconcile until SIGTERM; nodes stay as they are
python3 -m node_manager health    exit 0 when a round succeeded in the last 30 s
python3 -m node_manager status    a few lines for people
"""

import argparse
import fcntl
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import TextIO

from node_manager.decide import View
from node_manager.fleet import Fleet
from node_manager.fleet_file import FleetError, read_fleet
from node_manager.journal import Journal
from node_manager.provider import NodeProvider, ProviderUnavailable
from node_manager.ready_files import MarkFiles
from node_manager.reconcile import Reconciler
from node_manager.slurm_client import SlurmClient, SlurmUnavailable
from node_manager.status import status_lines
from node_manager.wake import WakePipe

HEALTHY_SECONDS = 30


def main(arguments: list[str]) -> int:
    """Exit status: 0 fine, 1 not healthy or no answer, 2 cannot work as it is."""
    parser = argparse.ArgumentParser(prog="node_manager", description=__doc__.splitlines()[0])
    parser.add_argument("command", nargs="?", choices=("run", "health", "status"), default="run")
    parser.add_argument("--fleet", type=Path, default=Path("/etc/hpc-stack/fleet.json"))
    parser.add_argument("--key", type=Path, default=Path("/run/secrets/slurm.key"))
    parser.add_argument("--run-dir", type=Path, default=Path("/run/fleet"))
    options = parser.parse_args(arguments)
    if options.command == "health":
        return health(options.run_dir)
    try:
        fleet = read_fleet(options.fleet)
        provider = make_provider(fleet, options.key)
    except (FleetError, ProviderUnavailable) as error:
        print(f"node-manager: {error}", file=sys.stderr)
        return 2
    if options.command == "status":
        return status(fleet, provider)
    return run(fleet, provider, options.run_dir)


def make_provider(fleet: Fleet, key: Path) -> NodeProvider:
    """The fleet's platform. Raises FleetError when there is no such platform."""
    if fleet.provider == "docker":
        # Only here: the health check starts Python every 30 s, and needs none of it.
        from node_manager.docker_provider import DockerProvider

        return DockerProvider(fleet, key)
    raise FleetError(f'provider: "{fleet.provider}" is not known; this node manager has "docker"')


def run(fleet: Fleet, provider: NodeProvider, run_dir: Path) -> int:
    """Reconcile until SIGTERM or SIGINT."""
    journal = Journal()
    lock = _lock(run_dir / "lock")
    if lock is None:
        journal.write("refused", reason=f"another node manager holds {run_dir / 'lock'}")
        return 2
    marks = MarkFiles(run_dir)
    marks.prepare()
    reconciler = Reconciler(
        fleet=fleet, slurm=SlurmClient(), provider=provider, marks=marks, journal=journal
    )
    stopping = False
    with lock, WakePipe(run_dir / "wake") as pipe:

        def stop(_signal: int, _frame: FrameType | None) -> None:
            nonlocal stopping
            stopping = True
            pipe.wake()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        pools = {pool.name: pool.max_nodes for pool in fleet.pools}
        journal.write("started", cluster=fleet.cluster, provider=fleet.provider, pools=pools)
        while not stopping:
            done = reconciler.run_once()
            if done.observed:
                (run_dir / "heartbeat").touch()
            if not stopping:
                pipe.wait(done.wait)
    journal.write("stopped", reason="asked to; nodes stay as they are")
    return 0


def health(run_dir: Path) -> int:
    """Whether a round succeeded lately."""
    try:
        age = time.time() - (run_dir / "heartbeat").stat().st_mtime
    except OSError:
        print("no round has succeeded yet")
        return 1
    print(f"last successful round {age:.0f} s ago")
    return 0 if age <= HEALTHY_SECONDS else 1


def status(fleet: Fleet, provider: NodeProvider) -> int:
    """Print what Slurm wants and what exists."""
    try:
        view = View(nodes=SlurmClient().nodes(), instances=provider.list_instances())
    except (SlurmUnavailable, ProviderUnavailable) as error:
        print(f"no answer: {error}", file=sys.stderr)
        return 1
    for line in status_lines(fleet, view):
        print(line)
    return 0


def _lock(path: Path) -> TextIO | None:
    """Two managers would undo each other's work: the second one gets None."""
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
