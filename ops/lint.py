"""`make lint`: everything that is checked without running it, one line a check.

    python -m ops.lint

All checks run, also after one has failed; what a failed one said follows its line.
"""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ops.environment import CHECKOUT

TYPED = (
    "config",
    "components",
    "images/node-manager",
    "images/configurator",
    "images/host-agent",
    "images/job-accounting",
    "images/job-exporter",
    "images/slurm/files/slurmd/usr/lib/hpc-stack",
    "examples/checkpoint",
    "examples/gpu",
    "ops",
    "offline",
)
"""Our Python, besides the program and the tests."""

_HADOLINT_IGNORED = {
    "DL3066": "names of users are resolved in the image, whose Dockerfile fixes their numbers",
}
"""Rules that hold for none of our Dockerfiles, and why; exceptions for one line stand there."""

_SHELL = re.compile(rb"#!.*\b(ba|da)?sh\b")


@dataclass(frozen=True, kw_only=True)
class Check:
    """One tool, run in the checkout."""

    name: str
    command: tuple[str, ...]


def checks(files: Iterable[Path]) -> Iterator[Check]:
    """The checks of a checkout with these files."""
    python = (sys.executable, "-m")
    names = sorted(files)
    dockerfiles = [str(path) for path in names if path.name.startswith("Dockerfile")]
    scripts = [str(path) for path in names if is_shell_script(path)]
    ignored = [word for rule in _HADOLINT_IGNORED for word in ("--ignore", rule)]
    yield Check(name="ruff check", command=(*python, "ruff", "check", "--quiet", "."))
    yield Check(name="ruff format", command=(*python, "ruff", "format", "--check", "--quiet", "."))
    yield Check(
        name="mypy", command=(*python, "mypy", "--no-pretty", *TYPED, "tests", "__main__.py")
    )
    yield Check(name="shellcheck", command=(_tool("shellcheck"), *scripts))
    yield Check(name="hadolint", command=(_tool("hadolint"), "--no-color", *ignored, *dockerfiles))
    yield Check(name="generated pages", command=(*python, "config.reference", "--check"))
    yield Check(name="runbook", command=(*python, "config.runbook", "--check"))


def project_files() -> list[Path]:
    """Files of the project, as git knows them: those not yet added too, those ignored not."""
    listed = subprocess.run(
        ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # A file that was removed, but not yet from git's index, is still listed.
    return [path for name in listed.split("\0") if name and (path := Path(name)).is_file()]


def is_shell_script(path: Path) -> bool:
    """Whether a file is for sh or bash, by its name or its first line."""
    if path.suffix == ".sh":
        return True
    with path.open("rb") as file:
        return _SHELL.match(file.readline(200)) is not None


def passes(check: Check) -> bool:
    """Run a check, say how it went, and show what it said if it failed."""
    begun = time.monotonic()
    done = subprocess.run(
        check.command,
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    verdict = "FAILED" if done.returncode else "ok"
    print(f"[lint] {check.name}: {verdict} {time.monotonic() - begun:.1f} s", flush=True)
    if done.returncode:
        print(done.stdout.rstrip(), flush=True)
    return done.returncode == 0


def _tool(name: str) -> str:
    """A tool's path: it comes with our virtualenv, which need not be on PATH."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or name


def main() -> int:
    """Run all checks; 1 if any failed."""
    results = [passes(check) for check in checks(project_files())]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
