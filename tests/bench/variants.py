"""The same cluster with another slurm.conf, for a baseline in the same images and the same run."""

import contextlib
import re
import subprocess
from collections.abc import Callable, Iterator

from tests.bench.bench_cluster import USER
from tests.cluster.running_cluster import RunningCluster, await_value, docker

FILE = "/etc/cluster/slurm.conf"
Change = Callable[[str], str]


@contextlib.contextmanager
def variant(cluster: RunningCluster, change: Change) -> Iterator[None]:
    """The cluster with a changed slurm.conf; the old one is put back."""
    configurator = cluster.container("configurator")
    before = docker("exec", configurator, "cat", FILE) + "\n"
    _configure(cluster, configurator, change(before))
    try:
        yield
    finally:
        _configure(cluster, configurator, before)


def slurms_own_loop(text: str) -> str:
    """Without what makes new nodes start quickly: Slurm asks and looks at its own pace."""
    text = _without(text, "PrologSlurmctld")
    return text.replace(",power_save_interval=1,power_save_min_interval=0", "")


def without_gate(text: str) -> str:
    """Without PrologSlurmctld: a job starts without asking whether its nodes are registered."""
    return _without(text, "PrologSlurmctld")


def plain(text: str) -> str:
    """The scheduling, logging and accounting defaults of slurm-docker-cluster (26.05).

    sched/backfill without parameters, MinJobAge=300, info logs, jobcomp/filetxt, no script before
    or after a job, no multifactor priority, no enforcement. Its task/affinity is left out: in an
    unprivileged container on cgroup v1 every launch fails with it. Nodes stay CLOUD: they are warm.
    """
    ours = "PrologSlurmctld Epilog SchedulerParameters AccountingStorageEnforce EnforcePartLimits"
    kept = _without(text, *ours.split(), "MinJobAge", "SlurmctldDebug", "SlurmdDebug", "Priority.*")
    return kept + "\n".join(
        (
            "MinJobAge=300",
            "SlurmctldDebug=info",
            "SlurmdDebug=info",
            "JobCompType=jobcomp/filetxt",
            "JobCompLoc=/tmp/jobcomp.log",
            "",
        )
    )


def _without(text: str, *keys: str) -> str:
    pattern = re.compile(rf"^(?:{'|'.join(keys)})=.*\n", re.MULTILINE)
    return pattern.sub("", text)


def _configure(cluster: RunningCluster, configurator: str, text: str) -> None:
    subprocess.run(
        ["docker", "exec", "-i", configurator, "sh", "-c", f"cat > {FILE}"],
        input=text,
        text=True,
        check=True,
    )
    docker("exec", configurator, "scontrol", "reconfigure")
    await_value(
        "slurmctld and its nodes to have the configuration",
        lambda: "*" not in cluster.run(USER, "sinfo -h -o %t") if _up(cluster) else None,
        60,
    )


def _up(cluster: RunningCluster) -> bool:
    return cluster.attempt(USER, "scontrol ping && sinfo -h").returncode == 0
