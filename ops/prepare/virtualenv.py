"""Step 1: the virtualenv `.venv` of the checkout, with what requirements.txt names."""

import hashlib
import importlib.util
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from ops.prepare.debian_packages import install
from ops.prepare.machine import Machine
from ops.prepare.steps import ProblemError, Step, run

MARKER = (
    "hpc-stack-requirements.json"  # in .venv: the hash of each file that has been installed from
)
INSTALL_SECONDS = 1200


def ensure_virtualenv(checkout: Path, dev: bool, machine: Machine) -> str:
    """Makes or completes .venv and returns a word on it. Raises ProblemError."""
    step = Step("python")
    venv = checkout / ".venv"
    wanted = hashes(checkout, dev)
    missing = not_installed(wanted, recorded(venv))
    # exists() follows the link: it is broken when the Python underneath was upgraded away
    if (venv / "bin" / "python").exists() and not missing:
        return "unchanged"
    if not (venv / "bin" / "python").exists() or not (venv / "bin" / "pip").exists():
        step.begin(f"making {venv}")
        create(step, venv, machine)
    step.begin(f"installing {', '.join(missing or wanted)} into {venv}")
    command = [str(venv / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    command += [argument for name in wanted for argument in ("-r", str(checkout / name))]
    ended = run(step, command, timeout=INSTALL_SECONDS)
    if ended.status != 0:
        raise ProblemError(
            "The Python packages could not be installed (is PyPI, or the index that pip is set up "
            f"for, reachable?):\n{ended.tail()}"
        )
    (venv / MARKER).write_text(json.dumps({**recorded(venv), **wanted}, indent=1))
    step.end(f"{venv} has what {', '.join(wanted)} names")
    return "installed"


def create(step: Step, venv: Path, machine: Machine) -> None:
    """Makes an empty virtualenv; Debian keeps what that takes in a package of its own."""
    if importlib.util.find_spec("ensurepip") is None:
        package = f"python3.{sys.version_info.minor}-venv"
        if not machine.installs_packages:
            raise ProblemError(missing_venv_message(machine, package))
        install(step, [package], machine)
    if venv.exists():
        shutil.rmtree(venv)
    ended = run(step, [sys.executable, "-m", "venv", str(venv)], timeout=300)
    if ended.status != 0:
        raise ProblemError(f"`{sys.executable} -m venv {venv}` failed:\n{ended.tail()}")


def missing_venv_message(machine: Machine, package: str) -> str:
    """What to do about a Python that cannot make virtualenvs."""
    if machine.distribution in ("debian", "ubuntu"):
        return f"Python's venv module is missing. Install it: sudo apt-get install {package}"
    return "Python's ensurepip module is missing: install your distribution's package for venv."


def hashes(checkout: Path, dev: bool) -> dict[str, str]:
    """The requirements files to install from, with the hash of each one's content."""
    names = ["requirements.txt", *(["requirements-dev.txt"] if dev else [])]
    return {name: hashlib.sha256((checkout / name).read_bytes()).hexdigest() for name in names}


def not_installed(wanted: Mapping[str, str], installed: Mapping[str, str]) -> list[str]:
    """The files that changed since they were installed from."""
    return [name for name, content in wanted.items() if installed.get(name) != content]


def recorded(venv: Path) -> dict[str, str]:
    """What has been installed into the virtualenv by us."""
    try:
        return dict(json.loads((venv / MARKER).read_text()))
    except (OSError, ValueError):
        return {}
