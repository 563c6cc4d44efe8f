"""What is on the VM's disk: a Debian with systemd and Docker as most users have it.

Data only, so that the disk's cache key is a digest of it; `disk.py` does the work. Nothing of
hpc-stack belongs on this disk: images and bundle come at run time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

PACKAGES = (
    "linux-image-cloud-amd64",
    "systemd-sysv",
    "dbus",
    "udev",
    "kmod",
    "iproute2",
    "apparmor",  # Docker needs its parser: without it containers start unconfined
    "docker.io",
    "docker-cli",
    "docker-compose",
    "openssh-server",
    "python3-minimal",
)

# QEMU's user network without a way out: no route and no name server, so that lookups fail at once.
NETWORK = """\
[Match]
Name=eth0
[Network]
Address=10.0.2.15/24
LinkLocalAddressing=no
IPv6AcceptRA=no
"""

# Secrets reach a command as environment, never as arguments: sshd accepts what the harness sends.
SSHD = """\
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
AcceptEnv *
MaxSessions 50
"""

# Emulated disks are slow; nothing of this VM outlives its run.
FSTAB = "/dev/nvme0n1 / ext4 rw,noatime,noinit_itable,nobarrier 0 0\n"

# The kernel starts with one processor (`qemu.py` says why), and this brings the others.
PROCESSORS = "w /sys/devices/system/cpu/cpu[1-9]*/online - - - - 1\n"

FILES: Mapping[str, str] = {
    "etc/hostname": "vm\n",
    "etc/hosts": "127.0.0.1 localhost vm\n",
    "etc/resolv.conf": "",
    "etc/fstab": FSTAB,
    "etc/systemd/network/eth0.network": NETWORK,
    "etc/ssh/sshd_config.d/harness.conf": SSHD,
    "etc/tmpfiles.d/processors.conf": PROCESSORS,
}

# Not needed in a machine that lives for minutes, and each costs seconds when emulated.
MASKED_UNITS = (
    "apparmor.service",  # loads profiles of programs that are not here; Docker loads its own
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "serial-getty@ttyS0.service",
    "systemd-networkd-wait-online.service",
    "systemd-pstore.service",
)


@dataclass(frozen=True, kw_only=True)
class DiskRecipe:
    """Everything that decides what the disk holds.

    `size_gib` is its size as the VM sees it; the file on this machine is sparse.
    """

    suite: str = "trixie"
    mirror: str = "http://deb.debian.org/debian"
    packages: tuple[str, ...] = PACKAGES
    files: Mapping[str, str] = field(default_factory=lambda: dict(FILES))
    masked_units: tuple[str, ...] = MASKED_UNITS
    enabled_units: tuple[str, ...] = ("systemd-networkd.service",)
    size_gib: int = 20
    builder: int = 1  # raise it when disk.py makes something else of the same recipe

    def digest(self) -> str:
        """Twelve hexadecimal digits that change with any part of the recipe."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]
