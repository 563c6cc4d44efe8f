"""Builds the VM's disk and kernel from a recipe, once.

`python -m tests.vm.disk` does it ahead of time. The disk is cached and never written to: each run
writes to a throw-away overlay of QEMU's own (`machine.py`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.vm import host_tools
from tests.vm.progress import Progress
from tests.vm.recipe import DiskRecipe

# The root file system and the disk made of it are on disk together for a moment, each about 0.8 GB.
FREE_GIB_TO_BUILD = 4
# Recipes change rarely; a disk that no run has used for so long belongs to an old one.
UNUSED_DAYS = 30

_BUILD_ENVIRONMENT = {
    "PATH": host_tools.SEARCH_PATH,
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}
# debootstrap mounts /proc and /sys inside its target. With a mount namespace of its own a build
# that is interrupted leaves nothing mounted in the tree that we delete; with a process namespace,
# nothing running.
CONTAINED = ("unshare", "--mount", "--pid", "--fork", "--kill-child")


class DiskError(Exception):
    """The disk could not be built; the text says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Disk:
    """An ext4 image without partitions, and the kernel that boots it without an initrd."""

    image: Path
    kernel: Path


def cache_folder() -> Path:
    """Where disks and console logs are kept: <user's cache>/hpc-stack/vm."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "hpc-stack" / "vm"


def ensure_disk(recipe: DiskRecipe, progress: Progress) -> Disk:
    """The recipe's disk, built if it is not in the cache. Raises DiskError or MissingToolError."""
    folder = cache_folder() / recipe.digest()
    disk = Disk(image=folder / "disk.img", kernel=folder / "vmlinuz")
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _one_builder(folder.parent):
            if not folder.exists():  # another run may have built it while we waited
                _build(recipe, folder, progress)
    with suppress(PermissionError):  # root may have built it for us
        os.utime(folder)
    _remove_unused(folder)
    return disk


@contextmanager
def _one_builder(parent: Path) -> Iterator[None]:
    with (parent / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(recipe: DiskRecipe, folder: Path, progress: Progress) -> None:
    _check_can_build(folder.parent)
    host_tools.ensure(host_tools.TO_BUILD, progress)
    work = Path(tempfile.mkdtemp(prefix="build-", dir=folder.parent))
    try:
        rootfs, result = work / "rootfs", work / "result"
        result.mkdir()
        with progress.step(f"installing Debian {recipe.suite} for the VM (debootstrap)"):
            _debootstrap(recipe, rootfs, work / "debootstrap.log")
        _configure(recipe, rootfs)
        kernels = sorted((rootfs / "boot").glob("vmlinuz-*"))
        shutil.copy(kernels[-1], result / "vmlinuz")
        with progress.step("making the VM's disk (mke2fs)"):
            make_ext4(rootfs, result / "disk.img", recipe.size_gib)
        result.chmod(0o755)
        result.rename(folder)  # the cache never holds half a disk
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _check_can_build(parent: Path) -> None:
    if os.geteuid() != 0:
        raise DiskError(
            "building the VM's disk needs root (debootstrap); once, run\n"
            f"  sudo env XDG_CACHE_HOME={parent.parent.parent} {sys.executable} -m tests.vm.disk"
        )
    machine = os.uname().machine
    if machine != "x86_64":
        raise DiskError(f"this machine is {machine}; the VM's disk can be built on x86_64 only")
    free_gib = shutil.disk_usage(parent).free / 2**30
    if free_gib < FREE_GIB_TO_BUILD:
        raise DiskError(
            f"{parent} has {free_gib:.1f} GiB free, the VM's disk needs {FREE_GIB_TO_BUILD}: "
            "free some, or set XDG_CACHE_HOME to a larger disk"
        )


def _debootstrap(recipe: DiskRecipe, rootfs: Path, log: Path) -> None:
    include = ",".join(recipe.packages)
    command = [*CONTAINED, "debootstrap", "--variant=minbase", f"--include={include}"]
    _run_logged([*command, recipe.suite, str(rootfs), recipe.mirror], log)


def _configure(recipe: DiskRecipe, rootfs: Path) -> None:
    for name, content in recipe.files.items():
        path = rootfs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # resolv.conf may be a link to the outside
        path.write_text(content)
    _systemctl(rootfs, "enable", recipe.enabled_units)
    _systemctl(rootfs, "mask", recipe.masked_units)
    for rubbish in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc"):
        shutil.rmtree(rootfs / rubbish, ignore_errors=True)
    for initrd in (rootfs / "boot").glob("initrd*"):
        initrd.unlink()  # NVMe and ext4 are in the kernel itself


def _systemctl(rootfs: Path, verb: str, units: tuple[str, ...]) -> None:
    command = ["chroot", str(rootfs), "systemctl", verb, *units]
    subprocess.run(command, env=_BUILD_ENVIRONMENT, check=True, capture_output=True)


def make_ext4(content: Path, image: Path, size_gib: int) -> None:
    """Makes a sparse file with a file system that holds what is in `content`. Raises DiskError."""
    options = ["-q", "-t", "ext4", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1"]
    command = ["mke2fs", *options, "-d", str(content), str(image), f"{size_gib}G"]
    _run_logged(command, image.with_suffix(".log"))
    image.with_suffix(".log").unlink()


def _run_logged(command: list[str], log: Path) -> None:
    with log.open("w") as out:
        result = subprocess.run(
            command,
            env={**os.environ, **_BUILD_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if result.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
        raise DiskError(f"`{' '.join(command)}` failed ({result.returncode}); it said:\n{tail}")


def _remove_unused(in_use: Path) -> None:
    """Removes disks of old recipes, and what killed runs left behind."""
    now = time.time()
    for path in in_use.parent.iterdir():
        temporary = path.name.startswith(("build-", "run-"))
        oldest = now - (1 if temporary else UNUSED_DAYS) * 86400
        if path.is_dir() and path != in_use and path.stat().st_mtime < oldest:
            shutil.rmtree(path, ignore_errors=True)


def main() -> int:
    progress = Progress()
    try:
        disk = ensure_disk(DiskRecipe(), progress)
    except (DiskError, host_tools.MissingToolError) as error:
        print(error, file=sys.stderr)
        return 1
    progress.line(f"the VM's disk is {disk.image}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
