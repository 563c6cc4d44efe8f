"""A running cluster with another slurm.conf, for a while."""

import subprocess

from tests.cluster.running_cluster import RunningCluster, await_value, docker, put_files

DIRECTORY, FILE = "/etc/cluster", "slurm.conf"


def slurm_conf(cluster: RunningCluster) -> str:
    """The text that it has now."""
    return docker("exec", cluster.container("configurator"), "cat", f"{DIRECTORY}/{FILE}") + "\n"


def configure(cluster: RunningCluster, text: str) -> None:
    """Give it another, until slurmctld answers with it; nodes may be a moment later."""
    configurator = cluster.container("configurator")
    put_files(configurator, DIRECTORY, {FILE: text})
    docker("exec", configurator, "scontrol", "reconfigure")
    ping = ("docker", "exec", configurator, "scontrol", "ping")
    await_value(
        "slurmctld to answer",
        lambda: subprocess.run(ping, capture_output=True, check=False).returncode == 0,
        60,
    )
