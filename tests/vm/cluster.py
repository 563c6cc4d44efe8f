"""A real cluster in the VM: the product's own bundle for cgroup v2, delivered as the platform does.

Tests talk to it as its users do, through the login node, and as the machine's owner, by Docker.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import dataclass
from typing import Any

from config.render.compose import DATA_VOLUMES
from config.render.site import project_name, volume_name
from tests.vm.database import install_database
from tests.vm.delivery import GPU_DEVICES, UP_SECONDS, USER, Delivery, with_patience
from tests.vm.machine import Vm, VmError
from tests.vm.progress import Progress

JOB_SECONDS = 600
NODE = "node-1"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job that has ended."""

    number: str
    state: str
    output: str


@dataclass(frozen=True, kw_only=True)
class VmCluster:
    """The cluster named `name` in the engine of `vm`."""

    vm: Vm
    name: str

    def attempt(self, command: str) -> subprocess.CompletedProcess[str]:
        """Runs a shell command as the user on the login node, whatever comes of it."""
        return self._on_login(command, check=False)

    def run(self, command: str) -> str:
        """Runs a shell command as the user on the login node; returns its output, stripped."""
        return self._on_login(command, check=True).stdout.strip()

    def job(self, script: str, *options: str) -> Job:
        """Submits a bash script as the user and waits until that job has ended."""
        words = shlex.join(("--output=job-%j.out", *options))
        submit = f"sbatch --wait --parsable {words} <<'SCRIPT'\n#!/bin/bash\n{script}\nSCRIPT"
        submitted = self.attempt(submit)
        number = submitted.stdout.strip()
        if not number.isdigit():
            raise VmError(f"sbatch said: {submitted.stdout}{submitted.stderr}")
        shown, _, output = self.run(
            f"scontrol show job {number} --json; echo '//'; cat job-{number}.out"
        ).partition("\n//\n")
        state = json.loads(shown)["jobs"][0]["job_state"][0]
        return Job(number=number, state=state, output=output)

    def node_state(self) -> str:
        """The node's state and flags as `sinfo` shows them."""
        return self.run(f"sinfo --noheader --nodes={NODE} --format=%T")

    def node_container(self) -> dict[str, Any]:
        """`docker inspect` of the node's container."""
        text = self.vm.run(["docker", "inspect", f"{project_name(self.name)}-{NODE}"]).stdout
        return dict(json.loads(text)[0])

    def _on_login(self, command: str, *, check: bool) -> subprocess.CompletedProcess[str]:
        login = f"{project_name(self.name)}-login-1"
        return self.vm.run(
            ["docker", "exec", login, "runuser", "-l", USER, "-c", command],
            check=check,
            timeout=JOB_SECONDS,
        )


def start_cluster(vm: Vm, delivery: Delivery, progress: Progress) -> VmCluster:
    """Starts the cluster and returns when its node has run a job. Raises VmError.

    The VM must have the delivery's images, and its database on a disk.
    """
    cluster = VmCluster(vm=vm, name=delivery.cluster)
    _make_devices(vm)
    for volume in DATA_VOLUMES:
        vm.run(["docker", "volume", "create", volume_name(delivery.cluster, volume)])
    install_database(vm, delivery)
    with progress.step("starting the cluster in the VM"):
        vm.run(
            "docker compose --progress plain --file - up --detach --wait --remove-orphans",
            stdin=with_patience(delivery.compose),
            environment=delivery.environment,
            timeout=UP_SECONDS,
        )
    with progress.step("running a first job"):
        cluster.run("srun true")
    return cluster


def what_happened(vm: Vm) -> str:
    """What a person wants to read after a failure: containers, and the last lines of each."""
    script = (
        "docker ps --all; free -m; uptime;"
        " for c in $(docker ps --all --quiet); do docker inspect --format '=== {{.Name}}' $c;"
        " docker logs --tail 40 $c 2>&1; done; echo === kernel; dmesg | tail -n 30"
    )
    return vm.run(script, check=False).stdout


def _make_devices(vm: Vm) -> None:
    commands = (
        f"mknod --mode=666 {path} c {major} {minor}" for path, (major, minor) in GPU_DEVICES.items()
    )
    vm.run(" && ".join(commands))
