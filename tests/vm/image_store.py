"""Brings images of this machine's Docker engine into the VM, as a disk that it finds at boot.

As root the disk is a ready /var/lib/docker, filled at this machine's speed and cached by the
images' ids. Otherwise it is a `docker save` archive, which Docker in the VM loads: quick with KVM,
minutes when emulated.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.vm.disk import CONTAINED, Disk, DiskError, cache_folder, make_ext4
from tests.vm.progress import Progress

SCRIPT = Path(__file__).with_name("load_images.sh")
DISK_GIB = 20  # sparse; what the VM may write, mostly the containers' layers


class ImageError(Exception):
    """An image is not in this machine's engine, or could not be taken from it."""


@dataclass(frozen=True, kw_only=True)
class ImageStore:
    """A raw file for a disk: a file system for /var/lib/docker, or an archive to be loaded."""

    file: Path
    is_archive: bool


def image_store(images: Sequence[str], disk: Disk, folder: Path, progress: Progress) -> ImageStore:
    """The images as a disk; what is not cached goes into `folder`. Raises ImageError."""
    key = hashlib.sha256("\n".join(_ids(images)).encode()).hexdigest()[:12]
    cached = disk.image.with_name(f"docker-{key}.img")
    if cached.exists():
        return ImageStore(file=cached, is_archive=False)
    if os.geteuid() == 0:
        try:
            with progress.step(f"preparing {len(images)} images for the VM"):
                _make_store(images, disk, cached)
            return ImageStore(file=cached, is_archive=False)
        except (ImageError, DiskError) as error:
            progress.line(f"cannot prepare images here, the VM will load them itself: {error}")
    with progress.step(f"saving {len(images)} images for the VM"):
        archive = folder / "images.tar"
        _checked(["docker", "save", "--output", str(archive), *images])
    return ImageStore(file=archive, is_archive=True)


def _ids(images: Sequence[str]) -> list[str]:
    """Each image's name and id. A missing image is the caller's mistake, and said so."""
    text = _checked(["docker", "image", "inspect", "--format", "{{.Id}}", *images])
    return [f"{name} {image_id}" for name, image_id in zip(images, text.split(), strict=True)]


def _make_store(images: Sequence[str], disk: Disk, target: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="build-", dir=cache_folder()) as name:
        work = Path(name)
        data, scratch, result = work / "data", work / "scratch", work / "docker.img"
        data.mkdir()
        scratch.mkdir()
        load = [*CONTAINED, "--net", str(SCRIPT), str(disk.image), str(data), str(scratch)]
        _pipe(["docker", "save", *images], load)
        make_ext4(data, result, DISK_GIB)
        for old in target.parent.glob("docker-*.img"):
            old.unlink()  # each is as large as all images; a VM that runs on it keeps it open
        result.rename(target)


def _pipe(source: list[str], sink: list[str]) -> None:
    with subprocess.Popen(source, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as producer:
        try:
            result = subprocess.run(
                sink, stdin=producer.stdout, capture_output=True, text=True, check=False
            )
        finally:
            producer.kill()
    if result.returncode != 0:
        raise ImageError(f"`{sink[-4]}` failed: {result.stderr.strip()[-500:]}")


def _checked(command: list[str]) -> str:
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise ImageError(f"`{' '.join(command)}` failed: {result.stderr.strip()}")
    return result.stdout
