"""A real cluster in the VM: the product's own bundle for cgroup v2, delivered as the platform does.

Tests talk to it as its users do, through the login node, and as the machine's owner, by Docker.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from components.local.images import PREFIX, content_tag, references
from config.render.bundle import render_bundle
from config.render.compose import DATA_VOLUMES, MYSQL_IMAGE, SECRETS
from config.render.site import Site, project_name, volume_name
from config.settings import ClusterSettings, load_cluster
from ops.environment import CHECKOUT
from tests.vm.machine import Vm, VmError
from tests.vm.progress import Progress

# Emulated; with KVM it is a fifteenth of it.
UP_SECONDS = 1500
JOB_SECONDS = 600

PATIENCE = {
    "start_period": f"{UP_SECONDS}s",
    "start_interval": "15s",
    "interval": "120s",
    "timeout": "60s",
}

NODE = "node-1"
USER = "ada"

# The "GPUs": nodes for the VM's two idle serial ports, which are devices of a real driver, are not
# among those that Docker gives every container, and do no harm when opened.
GPU_DEVICES = {"/dev/hpcgpu0": (4, 65), "/dev/hpcgpu1": (4, 66)}

SETTINGS = {
    "name": "vm",
    "pools": {
        "node": {
            "cpus": 2,
            "memory_mb": 600,
            "min_nodes": 1,  # the same node in all tests, so that "it stays up" can be seen
            "max_nodes": 1,
            "gpus": {"type": "test", "count": 2, "device_files": list(GPU_DEVICES)},
        }
    },
    "accounts": {"research": {}},
    "users": {USER: {"uid": 2001, "accounts": ["research"]}},
    "slurm": {
        "resume_timeout_seconds": 600,
        "extra": ["MessageTimeout=60"],  # what takes 100 ms outside takes 2 s emulated
    },
}


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


def build_images(progress: Progress) -> dict[str, str]:
    """Makes sure of the product's images in this machine's engine: reference by bake target."""
    tag = content_tag(())  # no software: the smallest
    with progress.step("building the cluster's images"):
        subprocess.run(
            ["docker", "buildx", "bake", "--file", "images/docker-bake.hcl"],
            cwd=CHECKOUT,
            env={**os.environ, "TAG": tag, "PREFIX": PREFIX, "SOFTWARE": ""},
            check=True,
            capture_output=True,
        )
    return references(tag)


def images_of(built: dict[str, str]) -> list[str]:
    """All images that the cluster runs, the third-party one included."""
    return sorted({*built.values(), MYSQL_IMAGE})


def start_cluster(vm: Vm, built: dict[str, str], progress: Progress) -> VmCluster:
    """Starts the cluster and returns when its node is idle. Raises VmError."""
    settings = load_cluster(SETTINGS)
    cluster = VmCluster(vm=vm, name=settings.name)
    _make_devices(vm)
    with progress.step("starting the cluster in the VM"):
        _bring_up(vm, settings, Site(images=built, cgroup="v2"))
    with progress.step("waiting for the node"):
        # A job, since Slurm itself then waits for what must be there.
        cluster.run("srun --immediate=600 true")
    return cluster


def with_patience(compose: str) -> str:
    """The document with health checks at an emulated machine's pace, and nothing else changed.

    Meant for a real one, a check a second of each service alone keeps emulated processors busy.
    """
    document = yaml.safe_load(compose)
    for service in document["services"].values():
        # Without a test of its own, Docker takes the image's.
        service["healthcheck"] = {**service.get("healthcheck", {}), **PATIENCE}
    return yaml.safe_dump(document, sort_keys=False)


def what_happened(vm: Vm) -> str:
    """What a person wants to read after a failure: containers, and the last lines of each."""
    script = (
        "docker ps --all; free -m; uptime;"
        " for c in $(docker ps --all --quiet); do docker inspect --format '=== {{.Name}}' $c;"
        " docker logs --tail 40 $c 2>&1; done; echo === kernel; dmesg | tail -n 30"
    )
    return vm.run(script, check=False).stdout


def _make_devices(vm: Vm) -> None:
    commands: Iterable[str] = (
        f"mknod --mode=666 {path} c {major} {minor}" for path, (major, minor) in GPU_DEVICES.items()
    )
    vm.run(" && ".join(commands))


def _bring_up(vm: Vm, settings: ClusterSettings, site: Site) -> None:
    volumes = " ".join(volume_name(settings.name, volume) for volume in DATA_VOLUMES)
    vm.run(f"for v in {volumes}; do docker volume create $v; done")
    vm.run(
        "docker compose --progress plain --file - up --detach --wait --remove-orphans",
        stdin=with_patience(render_bundle(settings, site).compose),
        environment={variable: secrets.token_urlsafe(48) for variable in SECRETS.values()},
        timeout=UP_SECONDS,
    )
