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

    def succeeds(*command: str) -> bool:
        words = ("docker", "exec", configurator, "scontrol", *command)
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    # It waits for nodes, of which some may hang.
    await_value("slurmctld to take it", lambda: succeeds("reconfigure"), 120, 1)
    await_value("slurmctld to answer", lambda: succeeds("ping"), 60)
