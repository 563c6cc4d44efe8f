"""The programs that the VM needs on this machine.

They are found on PATH, else installed from Debian, else named in an error.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable

from tests.vm.progress import Progress

PACKAGE_OF = {
    "qemu-system-x86_64": "qemu-system-x86",
    "debootstrap": "debootstrap",
    "mke2fs": "e2fsprogs",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}
TO_RUN = ("qemu-system-x86_64", "ssh", "ssh-keygen", "setpriv")
TO_BUILD = ("debootstrap", "mke2fs", "unshare")

# Debian keeps mke2fs and debootstrap here; an ordinary user's PATH does not.
SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


class MissingToolError(Exception):
    """Something that we may not or cannot install is missing; the text says what to do."""


def missing_packages(programs: Iterable[str]) -> list[str]:
    """Debian's packages of those programs that are not here, each once, in order."""
    missing = (PACKAGE_OF[p] for p in programs if shutil.which(p, path=SEARCH_PATH) is None)
    return list(dict.fromkeys(missing))


def ensure(programs: Iterable[str], progress: Progress) -> None:
    """Makes sure of the programs. Raises MissingToolError where it cannot."""
    wanted = tuple(programs)
    packages = missing_packages(wanted)
    if not packages:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    apt_get = shutil.which("apt-get")
    if apt_get is None:
        programs_text = ", ".join(p for p in wanted if PACKAGE_OF[p] in packages)
        raise MissingToolError(
            f"the VM needs {programs_text} on PATH: install them (Debian: {' '.join(packages)})"
        )
    if os.geteuid() != 0:
        raise MissingToolError(f"the VM needs packages: run `sudo {' '.join(command)}`")
    with progress.step(f"installing {' '.join(packages)}"):
        _apt_get("update")  # a stale list names versions that the mirror has no more
        result = _apt_get(*command[1:])
    still_missing = missing_packages(wanted)
    if still_missing:
        tail = "\n".join(result.stdout.splitlines()[-8:])
        raise MissingToolError(
            f"apt-get could not install {' '.join(still_missing)}; it said:\n{tail}"
        )


def _apt_get(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["apt-get", "-o", "DPkg::Lock::Timeout=600", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
