"""The cluster's database, made at this machine's speed.

MySQL's first start takes seconds here and minutes emulated, and is not what the VM is for. So it
happens here, by the service of the same Compose document, and the VM gets the volume that comes of
it, as a tar archive on a disk.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from config.render.compose import DATA_VOLUMES, MYSQL_IMAGE
from config.render.site import project_name, volume_name
from tests.vm.delivery import Delivery
from tests.vm.machine import Vm
from tests.vm.progress import Progress

DATABASE_DISK = "database"


class DatabaseError(Exception):
    """Docker on this machine could not make the database; the text has what it said."""


def make_database(delivery: Delivery, folder: Path, progress: Progress) -> Path:
    """An archive of the volume after MySQL's first start, in `folder`. Raises DatabaseError.

    Leaves nothing in this machine's engine.
    """
    volumes = [volume_name(delivery.cluster, volume) for volume in DATA_VOLUMES]
    project = ["docker", "compose", "--project-name", project_name(delivery.cluster)]
    archive = folder / "database.tar"
    with progress.step("making the cluster's database"):
        try:
            for volume in volumes:  # Compose wants them all, whatever service starts
                _run(["docker", "volume", "create", volume])
            _run(
                [*project, "--file", "-", "up", "--detach", "--wait", "mysql"],
                stdin=delivery.compose,
                environment=delivery.environment,
            )
            _run([*project, "stop"])  # in good order, or the VM would have to repair it
            with archive.open("wb") as out:
                _pack(_volume(delivery), out.fileno())
        finally:
            _run([*project, "down", "--volumes"])
            _run(["docker", "volume", "rm", "--force", *volumes])
    return archive


def install_database(vm: Vm, delivery: Delivery) -> None:
    """Unpacks the archive on the disk DATABASE_DISK into the VM's volume. Raises VmError."""
    inspect = ["docker", "volume", "inspect", "--format", "{{.Mountpoint}}", _volume(delivery)]
    shown = vm.run(inspect)
    disk = f"/dev/disk/by-id/virtio-{DATABASE_DISK}"
    vm.run(["tar", "-x", "-f", disk, "-C", shown.stdout.strip()])


def _volume(delivery: Delivery) -> str:
    return volume_name(delivery.cluster, "mysql")


def _pack(volume: str, out: int) -> None:
    # With an image that is there already; the volume's files are MySQL's alone.
    container = ["docker", "run", "--rm", "--network", "none", "--volume", f"{volume}:/data:ro"]
    command = [*container, "--entrypoint", "tar", MYSQL_IMAGE, "-C", "/data", "-c", "."]
    result = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    _raise_if_failed(result)


def _run(
    command: list[str], *, stdin: str = "", environment: Mapping[str, str] | None = None
) -> None:
    result = subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    _raise_if_failed(result)


def _raise_if_failed(result: subprocess.CompletedProcess[str]) -> None:
    if result.returncode != 0:
        command = " ".join(result.args)
        raise DatabaseError(f"`{command}` failed: {result.stderr.strip()[-800:]}")
