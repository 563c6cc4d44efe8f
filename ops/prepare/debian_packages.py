"""Installs packages from Debian or Ubuntu, as root: the distribution's normal way, for every step
that needs one.

Debian 12 lacks Compose, buildx and a recent Go; Debian 13 has them. The source for those is ours,
in files of our own name, and pinned below everything else, so that nothing that the machine has
is upgraded.
"""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ops.prepare.machine import Machine
from ops.prepare.steps import ProblemError, Step, run

APT = Path("/etc/apt")
SOURCE = "sources.list.d/hpc-stack-trixie.list"
PIN = "preferences.d/hpc-stack-trixie"
COMMENT = """\
# Written by hpc-stack (ops/prepare): Docker Compose, buildx and a recent Go, which Debian 12 has
# not, come from Debian 13. Pinned below everything else: no other package is upgraded from here.
# May be removed with what was installed from it.
"""
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DEFAULT_MIRROR = "http://deb.debian.org/debian"
INSTALL_SECONDS = 900


def install(step: Step, names: Sequence[str], machine: Machine, apt: Path = APT) -> None:
    """Installs the packages; on Debian 12, names that end in "/trixie" come from Debian 13.
    Raises ProblemError."""
    if any(name.endswith("/trixie") for name in names):
        add_trixie(apt)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # A broken third-party source must not stop us: only what follows has to work.
    run(step, ["apt-get", "update"], timeout=INSTALL_SECONDS, env=environment)
    command = ["apt-get", "install", "--yes", "--no-install-recommends"]
    command += ["-o", "DPkg::Lock::Timeout=300", *names]
    ended = run(step, command, timeout=INSTALL_SECONDS, env=environment)
    if ended.status != 0:
        raise ProblemError(f"`{' '.join(command)}` failed:\n{ended.tail()}")


def add_trixie(apt: Path = APT) -> None:
    """Makes Debian 13's packages available, at a priority that upgrades nothing."""
    pin = f"{COMMENT}Package: *\nPin: release n=trixie\nPin-Priority: 100\n"
    (apt / PIN).write_text(pin)
    others = {path: text for path, text in source_files(apt).items() if path != apt / SOURCE}
    if not any(offers_suite(text, "trixie") for text in others.values()):
        line = f"deb [signed-by={KEYRING}] {mirror_of(others.values())} trixie main\n"
        (apt / SOURCE).write_text(COMMENT + line)


def debian_mirror(apt: Path = APT) -> str:
    """The mirror that this machine uses, or Debian's own."""
    return mirror_of(source_files(apt).values())


def source_files(apt: Path) -> dict[Path, str]:
    """apt's source files, of either format, with their content."""
    patterns = ("sources.list", "sources.list.d/*.list", "sources.list.d/*.sources")
    paths = (path for pattern in patterns for path in sorted(apt.glob(pattern)))
    return {path: path.read_text(errors="replace") for path in paths}


def mirror_of(sources: Iterable[str]) -> str:
    """The first http mirror of Debian's main archive that is named in apt's source files."""
    for text in sources:
        for line in text.splitlines():
            if line.startswith(("deb ", "URIs:")):
                for word in line.split():
                    if re.fullmatch(r"https?://\S+/debian/?", word):
                        return word.rstrip("/")
    return DEFAULT_MIRROR


def offers_suite(source: str, suite: str) -> bool:
    """Whether a source file, of either format, has that suite."""
    lines = (line for line in source.splitlines() if line.startswith(("deb ", "Suites:")))
    return any(suite in line.split() for line in lines)


def docker_packages(machine: Machine) -> list[str] | None:
    """The packages of engine, client, Compose and buildx; None where the distribution has none
    that will do."""
    release = major(machine.release)
    if machine.distribution == "ubuntu":
        return ["docker.io", "docker-compose-v2", "docker-buildx"] if release >= 22 else None
    if machine.distribution == "debian":
        names = ["docker.io", "docker-cli", "docker-compose", "docker-buildx"]
        if release == 12:
            return [f"{name}/trixie" for name in names]
        return names if release >= 13 or not machine.release else None
    return None


def go_packages(machine: Machine) -> list[str] | None:
    """The packages of a Go that can fetch the toolchain that a module asks for (1.21 or newer)."""
    release = major(machine.release)
    if machine.distribution == "ubuntu":
        return ["golang-go"] if release >= 24 else None
    if machine.distribution == "debian":
        if release == 12:
            return ["golang-1.24-go/trixie", "golang-1.24-src/trixie"]
        return ["golang-go"] if release >= 13 or not machine.release else None
    return None


def major(release: str) -> int:
    """ "24.04" -> 24; Debian's testing and sid have no release: 0."""
    number = release.split(".")[0]
    return int(number) if number.isdigit() else 0
