"""The NVIDIA GPUs of this machine, and whether what the settings want of GPUs is there."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi

from config.settings import ClusterSettings

DRIVER = Path("/proc/driver/nvidia")
DEVICES = Path("/dev")
RUNTIME_HOOK = "nvidia-container-runtime-hook"
"""What the engine runs for containers with GPUs, also where no runtime is named after NVIDIA."""
TOOLKIT = (
    "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html"
)


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU, as NVIDIA's driver describes it."""

    file: str
    """Its device file, for instance /dev/nvidia0."""
    id: str
    """For instance GPU-6e1a..., by which the container runtime knows it."""
    divided: bool
    """Whether it is cut into MIG instances."""


def read_gpus(driver: Path = DRIVER) -> tuple[Gpu, ...]:
    """The machine's GPUs, by device file; none without the driver.

    `gpus/<PCI address>/information` is documented in the README that comes with the driver.
    """
    found = []
    for path in driver.glob("gpus/*/information"):
        facts = dict(_pairs(path.read_text()))
        minor = facts.get("Device Minor", "")
        if not minor.isdecimal():
            continue  # the driver has not taken it, or is told not to
        instances = driver.glob(f"capabilities/gpu{minor}/mig/gi*")
        found.append(
            Gpu(file=f"/dev/nvidia{minor}", id=facts.get("GPU UUID", "?"), divided=any(instances))
        )
    return tuple(sorted(found, key=lambda gpu: (len(gpu.file), gpu.file)))


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            yield key.strip(), value.strip()


def refuse_missing_gpus(
    settings: ClusterSettings,
    gpus: tuple[Gpu, ...],
    runtimes: tuple[str, ...],
    devices: Path = DEVICES,
) -> None:
    """Raise pulumi.RunError where pools want GPUs that are not here, or cannot reach containers.

    `runtimes` are the engine's, by name.
    """
    here = {gpu.file: gpu for gpu in gpus}
    problems = []
    nvidia = False
    for pool, files in settings.gpu_files.items():
        path = f"cluster.pools.{pool}.gpus"
        own = [here[file] for file in files if file in here]
        nvidia = nvidia or bool(own)
        problems += [
            f"{path}: {gpu.file} has no id yet: NVIDIA's driver finds it out at the GPU's first "
            "use\n    Fix: run `nvidia-smi` once, or enable nvidia-persistenced"
            for gpu in own
            if "?" in gpu.id
        ]
        missing = [file for file in files if not _is_there(file, here, devices)]
        if missing:
            problems.append(_missing(settings, pool, missing, here))
        problems += [
            f"{path}: {gpu.file} is divided into MIG instances\n"
            "    Allowed: whole GPUs. Fix: `nvidia-smi mig -dci && nvidia-smi mig -dgi && "
            "nvidia-smi -mig 0`, or leave it out by device_files"
            for gpu in own
            if gpu.divided
        ]
    if nvidia and "nvidia" not in runtimes and not shutil.which(RUNTIME_HOOK):
        problems.append(
            "The Docker engine cannot give a GPU to a container: NVIDIA's runtime is missing\n"
            f"    Fix: install the NVIDIA Container Toolkit ({TOOLKIT}), then "
            "`sudo nvidia-ctk runtime configure --runtime=docker` and restart Docker"
        )
    if problems:
        raise pulumi.RunError("\n".join(problems))


def _is_there(file: str, here: Mapping[str, Gpu], devices: Path) -> bool:
    return file in here or (
        # NVIDIA's files without its driver are of no use.
        not file.startswith("/dev/nvidia") and (devices / file.removeprefix("/dev/")).exists()
    )


def _missing(
    settings: ClusterSettings, pool: str, missing: list[str], here: Mapping[str, Gpu]
) -> str:
    shape = settings.pools[pool]
    wanted = (shape.gpus.count if shape.gpus else 0) * shape.max_nodes
    machine = (
        f"has {len(here)} NVIDIA GPU(s): {', '.join(here)}"
        if here
        else "has no NVIDIA GPU, or not its driver (/proc/driver/nvidia)"
    )
    listed = ", ".join(missing[:4]) + (", ..." if len(missing) > 4 else "")
    return (
        f"cluster.pools.{pool}.gpus: {listed} not there; this machine {machine}\n"
        f"    Allowed: GPUs that this machine has; max_nodes is {shape.max_nodes}, so the pool "
        f"wants {wanted} of them for itself\n"
        "    Fix: lower max_nodes or gpus.count, install the driver "
        "(https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/), or remove gpus"
    )
