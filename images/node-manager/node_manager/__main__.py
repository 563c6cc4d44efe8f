"""The node manager's command.

python3 -m node_manager           reconcile until SIGTERM; nodes stay as they are
python3 -m node_manager health    exit 0 when a round succeeded in the last 2 minutes
python3 -m node_manager status    a few lines for people
python3 -m node_manager resume P  let pool P launch again after failed starts stopped it
"""

import argparse
import fcntl
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TextIO

from node_manager.actions import View
from node_manager.brakes import BrakeFiles
from node_manager.fleet import Fleet
from node_manager.fleet_file import FleetError, read_fleet
from node_manager.journal import Journal
from node_manager.provider import (
    CallObserver,
    NodeProvider,
    ProviderUnavailable,
    ignore_call,
)
from node_manager.ready_files import MarkFiles
from node_manager.report import ReportFile
from node_manager.slurm_client import SlurmClient, SlurmUnavailable
from node_manager.status import status_lines
from node_manager.wake import WakePipe, wake

HEALTHY_SECONDS = 120
"""A round in which EC2 throttles and is asked again lasts up to 50 s."""


def main(arguments: list[str]) -> int:
    """Exit status: 0 fine, 1 not healthy or no answer, 2 cannot work as it is."""
    parser = argparse.ArgumentParser(prog="node_manager", description=__doc__.splitlines()[0])
    commands = ("run", "health", "status", "resume")
    parser.add_argument("command", nargs="?", choices=commands, default="run")
    parser.add_argument("pool", nargs="?", help="of resume: the pool that may launch again")
    parser.add_argument("--fleet", type=Path, default=Path("/etc/hpc-stack/fleet.json"))
    parser.add_argument("--key", type=Path, default=Path("/run/secrets/slurm.key"))
    parser.add_argument("--run-dir", type=Path, default=Path("/run/fleet"))
    parser.add_argument("--ledger", type=Path, default=Path("/var/lib/hpc-stack/ledger"))
    parser.add_argument("--metrics-port", type=int, default=9810, help="0: any that is free")
    options = parser.parse_args(arguments)
    if options.command == "health":
        return health(options.run_dir)
    try:
        fleet = read_fleet(options.fleet)
        if options.command == "status":
            return status(fleet, make_provider(fleet, options.key), options.run_dir)
        if options.command == "resume":
            return resume(fleet, options.pool, options.run_dir)
        places = Places(key=options.key, run_dir=options.run_dir, ledger=options.ledger)
        return run(fleet, places, options.metrics_port)
    except (FleetError, ProviderUnavailable) as error:
        print(f"node-manager: {error}", file=sys.stderr)
        return 2


def make_provider(fleet: Fleet, key: Path, observe: CallObserver = ignore_call) -> NodeProvider:
    """The fleet's platform. Raises FleetError when there is no such platform."""
    # Imported only here: the health check starts Python every 30 s, and needs none of it.
    if fleet.provider == "docker":
        from node_manager.docker_provider import DockerProvider

        return DockerProvider(fleet, key, observe=observe)
    if fleet.provider == "ec2":
        from node_manager.ec2_provider import Ec2Provider

        return Ec2Provider(fleet, observe=observe)
    raise FleetError(f'provider: "{fleet.provider}" is not known; allowed: "docker", "ec2"')


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the manager's files are."""

    key: Path
    run_dir: Path
    ledger: Path


def run(fleet: Fleet, places: Places, metrics_port: int) -> int:
    """Reconcile until SIGTERM or SIGINT."""
    # Not at the top for the same reason as the providers: the health check.
    from node_manager.apply import Hands
    from node_manager.ledger import Ledger
    from node_manager.metrics import Metrics
    from node_manager.reconcile import Reconciler
    from node_manager.targets import Targets

    run_dir = places.run_dir
    journal = Journal()
    lock = _lock(run_dir / "lock")
    if lock is None:
        journal.write("refused", reason=f"another node manager holds {run_dir / 'lock'}")
        return 2
    metrics = Metrics(fleet)
    marks, brakes = MarkFiles(run_dir), BrakeFiles(run_dir)
    targets = Targets(run_dir / "targets")
    marks.prepare()
    brakes.prepare()
    targets.prepare()
    reconciler = Reconciler(
        Hands(
            fleet=fleet,
            slurm=SlurmClient(),
            provider=make_provider(fleet, places.key, metrics.api_call),
            marks=marks,
            brakes=brakes,
            journal=journal,
            metrics=metrics,
            report=ReportFile(run_dir),
            targets=targets,
            ledger=Ledger(places.ledger, fleet.pools, time.time()),
        )
    )
    try:
        metrics.serve(metrics_port)
    except OSError as error:
        journal.write("no metrics", reason=str(error))
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


def resume(fleet: Fleet, pool: str | None, run_dir: Path) -> int:
    """Take a pool's brake off and wake the manager."""
    brakes = BrakeFiles(run_dir)
    stopped = sorted(brakes.present())
    if pool not in {known.name for known in fleet.pools}:
        allowed = ", ".join(sorted(known.name for known in fleet.pools))
        print(f'node-manager: resume: "{pool or ""}" is no pool; pools: {allowed}', file=sys.stderr)
        print(f"stopped now: {', '.join(stopped) or 'none'}", file=sys.stderr)
        return 2
    if not brakes.release(pool):
        print(f"pool {pool} was not stopped")
        return 0
    wake(run_dir / "wake")
    print(f"pool {pool} launches again")
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


def status(fleet: Fleet, provider: NodeProvider, run_dir: Path) -> int:
    """Print what Slurm wants, what exists, and what the manager makes of it."""
    try:
        view = View(nodes=SlurmClient().nodes(), instances=provider.list_instances())
    except (SlurmUnavailable, ProviderUnavailable) as error:
        print(f"no answer: {error}", file=sys.stderr)
        return 1
    for line in status_lines(fleet, view, ReportFile(run_dir).read()):
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
