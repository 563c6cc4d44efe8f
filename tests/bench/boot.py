"""AWS machines, rehearsed with images at hand: from user data to Slurm, and a change on its way."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

from tests.bench.bench_cluster import say
from tests.bench.figure import Figure, median
from tests.cluster.running_cluster import await_value
from tests.rehearsal.booted import BootedCluster, booted_cluster
from tests.rehearsal.machines.machine import Machine

NODES = 3
CHANGES = 3
PATIENCE = 600.0


def figures() -> Iterator[Figure]:
    """One controller, then nodes one after the other, then changed limits."""
    os.environ.pop("PULUMI_BACKEND_URL", None)
    with TemporaryDirectory(prefix="hpc-bench-") as name:
        os.environ["PULUMI_CREDENTIALS_PATH"] = name
        with booted_cluster(Path(name)) as cluster:
            yield Figure(name="aws-controller-boot", value=_controller(cluster), unit="s", goal=20)
            yield Figure(name="aws-node-boot", value=_nodes(cluster), unit="s", goal=5)
            yield Figure(name="aws-delivery", value=_delivery(cluster), unit="s", goal=10)


def _controller(cluster: BootedCluster) -> float:
    """Seconds from the beginning of user data until `sinfo` answers."""
    with _meanwhile(cluster.must_up):
        machines = cluster.player.machines
        host = await_value("a controller", lambda: next(iter(machines.values()), None), PATIENCE)
        await_value("sinfo", lambda: _answers(host, "sinfo"), PATIENCE)
        seconds = time.time() - _begun(host)
    say(f"controller: {seconds:.1f} s")
    return seconds


def _nodes(cluster: BootedCluster) -> float:
    """Seconds from the beginning of a node's user data until it has registered."""
    seconds = []
    for number in range(1, NODES + 1):
        name = f"cpu-{number}"
        cluster.submit("--exclusive", script="sleep 600")
        await_value(name, lambda name=name: _registered(cluster, name), PATIENCE)  # type: ignore[misc]
        seconds.append(time.time() - _begun(cluster.nodes()[name]))
    say(f"nodes: {', '.join(f'{one:.1f}' for one in seconds)} s")
    return median(seconds)


def _delivery(cluster: BootedCluster) -> float:
    """Seconds from a bundle's arrival in S3 until slurmctld holds to its limit."""
    s3 = cluster.stack.account.client("s3")
    bucket = cluster.stack.resource("dev-system", "Bucket")["id"]

    def tag() -> str:
        return str(s3.head_object(Bucket=bucket, Key="bundle/bundle.json")["ETag"])

    seconds = []
    for limit in range(100, 100 + CHANGES):
        before = tag()
        cluster.stack.configure(accounts={"research": {"limits": {"grp_jobs": limit}}})
        with _meanwhile(cluster.must_up):
            await_value("the bundle", lambda: tag() != before, PATIENCE)  # noqa: B023
            begun = time.monotonic()
            await_value("the limit", lambda: str(limit) in _limits(cluster), PATIENCE)  # noqa: B023
            seconds.append(time.monotonic() - begun)
    say(f"changed limits: {', '.join(f'{one:.1f}' for one in seconds)} s")
    return median(seconds)


@contextmanager
def _meanwhile(act: Callable[[], object]) -> Iterator[None]:
    """Do something beside the block, and wait for it."""
    thread = Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _begun(machine: Machine) -> float:
    return float(machine.run("cat", "/var/lib/cloud/begun"))


def _answers(host: Machine, command: str) -> bool:
    return host.try_run("docker", "exec", "hpc-dev-login-1", command).returncode == 0


def _registered(cluster: BootedCluster, name: str) -> bool:
    return "powering" not in (state := cluster.ada(f"sinfo -h -n {name} -N -o %T")) and (
        state.rstrip("*#~%") in ("allocated", "mixed", "idle") and not state.endswith(("#", "~"))
    )


def _limits(cluster: BootedCluster) -> str:
    return cluster.ada("scontrol show assoc_mgr accounts=research flags=assoc | grep -o GrpJobs=.*")
