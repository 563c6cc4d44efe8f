"""The same cluster with another slurm.conf, for a baseline in the same images and the same run."""

import contextlib
import re
from collections.abc import Callable, Iterator

from tests.bench.bench_cluster import USER
from tests.cluster.running_cluster import RunningCluster, await_value
from tests.cluster.slurm_conf import configure, slurm_conf

Change = Callable[[str], str]


@contextlib.contextmanager
def variant(cluster: RunningCluster, change: Change) -> Iterator[None]:
    """The cluster with a changed slurm.conf; the old one is put back."""
    before = slurm_conf(cluster)
    try:
        _configure(cluster, change(before))
        yield
    finally:
        _configure(cluster, before)


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


def _configure(cluster: RunningCluster, text: str) -> None:
    configure(cluster, text)
    await_value("its nodes to have it", lambda: "*" not in cluster.run(USER, "sinfo -h -o %t"), 60)
