"""How the steps of the preparation talk to the person, run programs, and give up."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PROGRESS_SECONDS = 10.0


class ProblemError(Exception):
    """Something that a person has to see to. The text is all they are shown: what is wrong, and
    what to do."""


@dataclass
class Step:
    """One step as it is reported: a line when work begins, one when it ends, nothing if there was
    none."""

    name: str
    began: float | None = None

    def begin(self, what: str) -> None:
        """Says that work begins; what is short is reported only by `end`."""
        self.began = self.began or time.monotonic()
        say(f"{self.name}: {what} ...")

    def note(self, what: str) -> None:
        """A line in between."""
        say(f"{self.name}: {what}")

    def end(self, what: str, why: str = "") -> None:
        """Says what was chosen, why, and how long it took."""
        seconds = time.monotonic() - (time.monotonic() if self.began is None else self.began)
        say(f"{self.name}: {what}{f' ({why})' if why else ''} {seconds:.0f} s")
        self.began = None


@dataclass(frozen=True)
class Ended:
    """How a program ended: its status (None: stopped because it took too long) and all it
    printed."""

    status: int | None
    output: str = field(repr=False)

    def tail(self, lines: int = 12) -> str:
        """The last lines of what it printed, where the reason is."""
        return "\n".join(f"    {line}" for line in self.output.rstrip().splitlines()[-lines:])


def say(text: str) -> None:
    """One line to the person, at once."""
    print(f"[prepare] {text}", file=sys.stderr, flush=True)


def ask(argv: Sequence[str], timeout: float = 20, env: Mapping[str, str] | None = None) -> Ended:
    """Runs a short program and returns how it ended; a missing one ends with status 127."""
    try:
        process = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=env,
            check=False,
        )
    except FileNotFoundError as error:
        return Ended(127, str(error))
    except subprocess.TimeoutExpired:
        return Ended(None, f"no answer within {timeout:.0f} s")
    return Ended(process.returncode, process.stdout + process.stderr)


def run(
    step: Step,
    argv: Sequence[str],
    *,
    timeout: float,
    first_output_within: float | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Ended:
    """Runs a long program; every ten seconds a line says for how long already, and what it
    printed last.

    It is stopped after `timeout` seconds, or if it has printed nothing after `first_output_within`.
    """
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=env,
        cwd=cwd,
        start_new_session=True,
        text=True,
        errors="replace",
    )
    lines: list[str] = []
    reader = threading.Thread(target=_collect, args=(process, lines), daemon=True)
    reader.start()
    began = shown = time.monotonic()
    stopped = False
    try:
        while process.poll() is None:
            reader.join(timeout=0.1)
            now = time.monotonic()
            silent = first_output_within is not None and not lines
            if now - began > timeout or (silent and now - began > (first_output_within or 0)):
                stopped = True
                break
            if now - shown > PROGRESS_SECONDS:
                shown = now
                step.note(f"{now - began:.0f} s: {lines[-1][:90] if lines else 'started'}")
    finally:
        _stop(process)
        reader.join(timeout=5)
    return Ended(None if stopped else process.returncode, "\n".join(lines))


def _collect(process: "subprocess.Popen[str]", lines: list[str]) -> None:
    # One by one, not all at the end: the last line so far is shown while the program runs.
    for line in process.stdout or ():
        if line.strip():
            lines.append(line.rstrip())  # noqa: PERF401


def _stop(process: "subprocess.Popen[str]") -> None:
    """Ends the program with its children if it still runs: after an interrupt, too, none may go
    on."""
    if process.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
            return


@contextlib.contextmanager
def only_one(lock: Path, step: Step) -> Iterator[None]:
    """Lets one process at a time into what follows; another one says that it waits."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            step.note("another process does this right now; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def cache() -> Path:
    """What is kept across checkouts; may be removed at any time."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "hpc-stack"


def existing(path: Path) -> Path:
    """The path itself or its nearest ancestor that exists."""
    while not path.exists():
        path = path.parent
    return path
