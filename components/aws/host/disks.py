"""Data, homes and scratch: mounted now and at each boot, and never formatted when not empty."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from components.aws.host.machine import await_path, run, run_quietly

BLANK = 1 << 20
SCRATCH = "/scratch"
SCRATCH_LABEL = "hpc-scratch"
INSTANCE_STORE = "/dev/disk/by-id/nvme-Amazon_EC2_NVMe_Instance_Storage_*"
MOUNT_SECONDS = 180


def mount_data(volume: str) -> None:
    """The volume with Slurm's state and the database. One that has data is never formatted."""
    device = Path(f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '')}")
    await_path(device)
    if not has_file_system(device):
        with device.open("rb") as disk:
            if any(disk.read(BLANK)):
                raise RuntimeError(f"{device} has no known file system, but it is not empty either")
        run("mkfs.xfs", "-q", str(device))
    mount(f"{device} /data xfs defaults,noatime,nofail 0 2")
    run_quietly("xfs_growfs", "/data")
    before_docker("/data")


def has_file_system(device: Path) -> bool:
    found = subprocess.run(["blkid", "--probe", str(device)], stdout=subprocess.DEVNULL)
    if found.returncode not in (0, 2):
        raise RuntimeError(f"blkid {device} ended with status {found.returncode}")
    return found.returncode == 0


def mount_homes(told: dict[str, Any]) -> None:
    """The homes, encrypted on their way, by this machine's role."""
    options = f"_netdev,nofail,noresvport,tls,iam,accesspoint={told['homes_access_point']}"
    # A file system that has just been made may not have its name, nor a role its rights, yet.
    mount(f"{told['homes']}:/ /home efs {options} 0 0", MOUNT_SECONDS)
    before_docker("/home")


def mount(line: str, seconds: float = 0) -> None:
    """Mount as a line of /etc/fstab says, now and at each boot; try for some seconds.

    Every line has `nofail`: a machine without its disk still boots, and says what it lacks.
    """
    place = line.split()[1]
    table = Path("/etc/fstab")
    if line not in table.read_text().splitlines():
        with table.open("a") as file:
            file.write(line + "\n")
    Path(place).mkdir(exist_ok=True)
    deadline = time.monotonic() + seconds
    while not os.path.ismount(place):
        tried = subprocess.run(("mount", place), stdout=sys.stderr)
        if tried.returncode and time.monotonic() >= deadline:
            raise RuntimeError(f"mount {place} ended with status {tried.returncode}")
        if tried.returncode:
            time.sleep(5)


def before_docker(place: str) -> None:
    """No container starts before the place is mounted: it would see the directory below it."""
    folder = Path("/etc/systemd/system/docker.service.d")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"hpc-stack{place.replace('/', '-')}.conf"
    if not file.exists():
        file.write_text(f"[Unit]\nRequiresMountsFor={place}\n")
        run("systemctl", "daemon-reload")


def stripe_scratch() -> None:
    """/scratch on the machine's own NVMe disks, where it has any: empty at each launch.

    Whatever is wrong with them, the node boots: then without /scratch.
    """
    # Each disk has several names there: with and without its namespace, in two notations.
    names = (name for name in glob.glob(INSTANCE_STORE) if "-part" not in name)
    disks = sorted({os.path.realpath(name) for name in names})
    if not disks:
        return
    try:
        if not os.path.ismount(SCRATCH):
            Path(SCRATCH).mkdir(exist_ok=True)
            mount_scratch(disks)
        Path(SCRATCH).chmod(0o1777)
    except Exception as failure:
        print(f"this node has no {SCRATCH}: {failure}", file=sys.stderr)
        run_quietly("umount", SCRATCH)


def mount_scratch(disks: list[str]) -> None:
    """Mount what a reboot has left there, else make it."""
    how = ("mount", "-o", "noatime,discard")
    stripe = len(disks) > 1 and shutil.which("mdadm") is not None
    if stripe:
        run_quietly("mdadm", "--assemble", "--scan")
    elif len(disks) > 1:
        print(f"no mdadm: {SCRATCH} is on {disks[0]} alone, not on {disks}", file=sys.stderr)
    if run_quietly(*how, f"LABEL={SCRATCH_LABEL}", SCRATCH):
        return
    device = disks[0]
    if stripe:
        device = "/dev/md/scratch"
        # An array without our file system: an earlier attempt did not get further.
        run_quietly("mdadm", "--stop", "--scan")
        members = (f"--raid-devices={len(disks)}", *disks)
        run("mdadm", "--create", device, "--run", "--level=0", *members)
    run("mkfs.xfs", "-f", "-q", "-L", SCRATCH_LABEL, device)
    run(*how, device, SCRATCH)
