"""Plays the Nitro card: files as EBS volumes, by the names under which Amazon Linux shows them.

    volumes.py          the volumes that machine.json names, held until the machine stops
    volumes.py mount    what /etc/fstab says, which is systemd's to do where there is udev

A loop device is given up by the kernel when nobody has it open any more, so that one which plays a
volume ends with its machine, whatever happens to this.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

MACHINE = Path("/etc/rehearsal/machine.json")
NAMES = Path("/dev/disk/by-id")
PAUSE_SECONDS = 0.2
LOOP_MAJOR = 7


def attach(volume: str, file: str) -> int:
    """Show a file as a volume. The descriptor that keeps the device."""
    device = _run("losetup", "--find")
    if not Path(device).exists():
        # A container's /dev has the devices that were there when it was made.
        os.mknod(device, 0o60600, os.makedev(LOOP_MAJOR, int(device.removeprefix("/dev/loop"))))
    _run("losetup", device, file)
    held = os.open(device, os.O_RDONLY)
    _run("losetup", "--detach", device)  # as soon as it is closed, that is
    NAMES.mkdir(parents=True, exist_ok=True)
    name = NAMES / f"nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '')}"
    name.unlink(missing_ok=True)
    name.symlink_to(device)
    return held


def hold() -> None:
    """Attach what is named, and what is named later."""
    held: dict[str, int] = {}
    while True:
        wanted = json.loads(MACHINE.read_text())["volumes"]
        for volume, file in wanted.items():
            if volume not in held:
                held[volume] = attach(volume, file)
        time.sleep(PAUSE_SECONDS)


def mount() -> None:
    """Wait for each volume of /etc/fstab, and mount everything where it says."""
    for line in Path("/etc/fstab").read_text().splitlines():
        device, place, *_ = line.split()
        while device.startswith(str(NAMES)) and not Path(device).exists():
            time.sleep(PAUSE_SECONDS)
        _run("mount", place)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


if __name__ == "__main__":
    mount() if sys.argv[1:] == ["mount"] else hold()
