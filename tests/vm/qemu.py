"""QEMU's command line, and whether KVM can be used. Starting and stopping is in `machine.py`."""

from __future__ import annotations

import base64
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.vm.disk import Disk

Accelerator = Literal["kvm", "tcg"]

# Without a root file system the kernel panics and, by -no-reboot, QEMU ends with 0: after about
# 1 s on a working KVM.
KVM_PROBE_SECONDS = 15


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The VM's size. Two processors are the least that shows a job pinned to one of them."""

    cpus: int = 2
    memory_mb: int = 4096


@dataclass(frozen=True, kw_only=True)
class ExtraDisk:
    """A raw file as a disk: /dev/disk/by-id/virtio-<serial> in the VM, mounted there if told so."""

    serial: str
    file: Path
    mount_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """What one run's VM is connected to."""

    console: Path
    ssh_port: int
    authorized_key: str
    extra_disks: tuple[ExtraDisk, ...]


def command(disk: Disk, shape: Shape, accelerator: Accelerator, wiring: Wiring) -> list[str]:
    """The command that boots `disk`.

    No disk is ever written to: by snapshot=on, writes go to an unlinked file in TMPDIR.
    """
    key = _credential("ssh.authorized_keys.root", wiring.authorized_key)
    return [
        *_processor(accelerator),
        *("-smp", str(shape.cpus), "-m", str(shape.memory_mb)),
        *("-nodefaults", "-display", "none", "-no-reboot"),
        *("-kernel", str(disk.kernel), "-append", _kernel_arguments(wiring.extra_disks)),
        # The kernel has NVMe built in and virtio as a module: this one is nvme0n1 whatever else
        # is there, and needs no initrd.
        *_disk("nvme", "root", disk.image),
        *(word for extra in wiring.extra_disks for word in _extra_disk(extra)),
        # restrict: the VM reaches neither this machine nor the network, and only ssh comes in.
        *("-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{wiring.ssh_port}-:22"),
        *("-device", "virtio-net-pci,netdev=net,romfile="),
        *("-device", "virtio-rng-pci"),
        *("-serial", f"file:{wiring.console}"),
        # ttyS1 and ttyS2: devices of a real driver, and harmless, for tests to hand out.
        *("-serial", "null", "-serial", "null"),
        *("-smbios", f"type=11,value={key}"),
    ]


def _processor(accelerator: Accelerator) -> list[str]:
    machine = ["qemu-system-x86_64", "-machine", "q35"]
    if accelerator == "kvm":
        return [*machine, "-accel", "kvm", "-cpu", "host"]
    return [*machine, "-accel", "tcg,thread=multi", "-cpu", "max"]


def _kernel_arguments(extra_disks: tuple[ExtraDisk, ...]) -> str:
    mounts = (
        f"systemd.mount-extra=/dev/disk/by-id/virtio-{extra.serial}:{extra.mount_at}:ext4:noatime"
        for extra in extra_disks
        if extra.mount_at
    )
    # maxcpus: while it starts, the kernel patches sched_clock(), and an emulated processor that
    # runs it at that moment dies ("Oops: int3", a fifth of all boots on a busy machine).
    system = "root=/dev/nvme0n1 rw console=ttyS0 net.ifnames=0 panic=-1 quiet maxcpus=1"
    return " ".join((system, *mounts))


def _extra_disk(extra: ExtraDisk) -> list[str]:
    return _disk("virtio-blk-pci", extra.serial, extra.file)


def _disk(device: str, serial: str, file: Path) -> list[str]:
    escaped = str(file).replace(",", ",,")
    drive = f"if=none,id={serial},format=raw,file={escaped},snapshot=on"
    return ["-drive", drive, "-device", f"{device},serial={serial},drive={serial}"]


def _credential(name: str, value: str) -> str:
    """A systemd credential as systemd reads it from SMBIOS (systemd.system-credentials(7))."""
    return f"io.systemd.credential.binary:{name}={base64.b64encode(value.encode()).decode()}"


def usable_accelerator(disk: Disk) -> Accelerator:
    """KVM where it runs this kernel, else emulation.

    /dev/kvm alone proves little: nested in some clouds it opens, and the guest then dies on an
    instruction that this KVM cannot emulate.
    """
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
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "tcg"
    return "kvm" if result.returncode == 0 else "tcg"
