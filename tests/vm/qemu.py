"""QEMU's command line, as pure functions, and whether KVM can be used. Starting and stopping is in `machine.py`."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.vm.disk import Disk

Accelerator = Literal["kvm", "tcg"]

# Without a root file system the kernel panics and, by -no-reboot, QEMU ends with 0: after 1 s on working KVM.
KVM_PROBE_SECONDS = 15


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The VM's size. Two processors are the least that shows a job pinned to one of them."""

    cpus: int = 2
    memory_mb: int = 4096


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """What one run's VM is connected to. `extra_disks` are read-only: serial number -> raw file."""

    console: Path
    ssh_port: int
    authorized_key: str
    extra_disks: Mapping[str, Path]


def command(disk: Disk, shape: Shape, accelerator: Accelerator, wiring: Wiring) -> list[str]:
    """The command that boots `disk` without ever writing to it (snapshot=on: into an unlinked file in TMPDIR)."""
    return [
        *_processor(accelerator),
        *("-smp", str(shape.cpus), "-m", str(shape.memory_mb)),
        *("-nodefaults", "-display", "none", "-no-reboot"),
        *("-kernel", str(disk.kernel)),
        *("-append", "root=/dev/nvme0n1 rw console=ttyS0 net.ifnames=0 panic=-1 quiet"),
        *_disk("root", disk.image, "snapshot=on"),
        *(word for s, path in wiring.extra_disks.items() for word in _disk(s, path, "readonly=on")),
        # restrict: the VM reaches neither this machine nor the network; only ssh comes in, from this machine.
        *("-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{wiring.ssh_port}-:22"),
        *("-device", "virtio-net-pci,netdev=net,romfile="),
        *("-device", "virtio-rng-pci"),
        *("-serial", f"file:{wiring.console}"),
        *(
            "-serial",
            "null",
            "-serial",
            "null",
        ),  # ttyS1 and ttyS2: harmless devices that tests may hand out
        *(
            "-smbios",
            f"type=11,value={_credential('ssh.authorized_keys.root', wiring.authorized_key)}",
        ),
    ]


def _processor(accelerator: Accelerator) -> list[str]:
    machine = ["qemu-system-x86_64", "-machine", "q35"]
    if accelerator == "kvm":
        return [*machine, "-accel", "kvm", "-cpu", "host"]
    return [*machine, "-accel", "tcg,thread=multi", "-cpu", "max"]


def _disk(serial: str, path: Path, mode: str) -> list[str]:
    drive = f"if=none,id={serial},format=raw,file={str(path).replace(',', ',,')},{mode}"
    return ["-drive", drive, "-device", f"nvme,serial={serial},drive={serial}"]


def _credential(name: str, value: str) -> str:
    """A systemd credential as systemd reads it from SMBIOS (systemd.system-credentials(7))."""
    return f"io.systemd.credential.binary:{name}={base64.b64encode(value.encode()).decode()}"


def usable_accelerator(disk: Disk) -> Accelerator:
    """KVM where it runs this kernel, else emulation. /dev/kvm alone proves little: nested in some clouds it opens,
    and the guest then dies on its first unusual instruction."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    probe = [
        *_processor("kvm"),
        *("-m", "512", "-nodefaults", "-display", "none", "-no-reboot"),
        *("-kernel", str(disk.kernel), "-append", "panic=-1"),
    ]
    try:
        result = subprocess.run(
            probe,
            timeout=KVM_PROBE_SECONDS,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "tcg"
    return "kvm" if result.returncode == 0 else "tcg"
