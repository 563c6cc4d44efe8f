"""Small things that every step needs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

RUN = Path("/run/hpc-stack")


def await_path(path: Path, seconds: int = 300) -> None:
    """A volume is attached a while after the machine has started."""
    deadline = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{path} did not appear within {seconds} s")
        time.sleep(0.5)


def write_secret(path: Path, content: bytes) -> None:
    """In memory (/run), for root alone."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o400)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def run(*command: str, stdin: str = "") -> None:
    """Run a command that must succeed."""
    subprocess.run(command, input=stdin.encode(), check=True, stdout=sys.stderr)


def run_quietly(*command: str) -> bool:
    """Whether a command is there and succeeds."""
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False
