"""`make test`: lint and all tests that need no emulated machine, on real clusters of their own.

    python -m ops.test [PYTEST ARGUMENTS]

Without arguments two lanes run at the same time. Suites that run clusters spend most of their time
waiting; lint and all other suites run beside them, at a lower priority, and what these say goes to
a file, which is shown as a whole when they have ended. An interrupt (Ctrl-C, SIGTERM) ends both
lanes, once their tests have removed what they made; a second Ctrl-C does not wait for that.

With arguments: lint, then one pytest in the foreground, of the directories and files of tests that
they name; where there are options alone, of all suites.

What a test needs and does not find (Docker, Pulumi) makes it fail: nothing is skipped.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from ops import lint
from ops.environment import CHECKOUT, STATE_NAME

BESIDE = (
    "tests/unit",
    "tests/components",
    "tests/security",
    "tests/node_manager",
    "tests/job_accounting",
    "tests/job_exporter",
    "tests/alerts",
    "tests/report",
    "tests/spot",
    "tests/engine",
    "tests/host_agent",
)
"""Suites that run no cluster. What they make on the engine has other names than a cluster's."""

CLUSTERS = ("tests/rehearsal", "tests/cluster", "tests/faults")
"""Suites that run clusters: these have fixed names, ports and networks, so one runs at a time."""

SUITES = (*BESIDE, *CLUSTERS)
"""Each lane's in the order of what they take: a mistake shows as early as it can."""

LOG = Path(STATE_NAME, "beside.log")
"""What the lane beside says, in the checkout: for when nobody is left to show it."""

SLOWEST = 15
INTERRUPTED = 130
"""Exit code, as of a command that Ctrl-C has ended."""
PATIENCE_SECONDS = 180
"""For what an interrupted pytest has to remove: a cluster, machines that shut down."""

_YIELDING = ("nice", "-n", "10")
# Each pytest writes at its end which tests have failed, over what another one wrote meanwhile.
# `--lf` alone repeats those of the clusters.
_OWN_CACHE = ("-o", "cache_dir=.pytest_cache/beside")


class Lane:
    """Commands that follow each other, also after one has failed, by the names of their verdicts.

    `results`: their exit codes, INTERRUPTED for what has not come to its end.
    """

    def __init__(self, commands: Mapping[str, Sequence[str]]) -> None:
        self.commands = commands
        self.results = dict.fromkeys(commands, INTERRUPTED)

    async def run(self, output: IO[bytes] | None = None) -> None:
        """Run them. `output`: the file for what they say, if it is not to be shown at once."""
        for name, command in self.commands.items():
            self.results[name] = await _run(command, output)

    async def run_beside(self, log: Path) -> None:
        """Run them, and show `log`, which has what they said, when all have ended, or were
        interrupted."""
        begun = time.monotonic()
        with log.open("wb") as output:
            try:
                await self.run(output)
            finally:
                # Nobody may read any more (a pipe, a terminal): no reason to end the other lane.
                with contextlib.suppress(OSError):
                    # On a line of its own: the other lane may be in the middle of one.
                    print("\n[test] beside:", flush=True)
                    sys.stdout.buffer.write(log.read_bytes())
                    seconds = time.monotonic() - begun
                    print(f"[test] beside: {verdicts(self.results)}, {seconds:.0f} s", flush=True)


def pytest_command(arguments: Sequence[str]) -> list[str]:
    """pytest's command line for the arguments of `ops.test`."""
    chosen = any(word.partition("/")[0] == "tests" for word in arguments)
    suites = () if chosen else SUITES
    return [sys.executable, "-m", "pytest", f"--durations={SLOWEST}", *suites, *arguments]


def beside() -> Lane:
    """Lint, and the suites that run no cluster."""
    tests = pytest_command([*BESIDE, *_OWN_CACHE])
    return Lane(
        {
            "lint": [*_YIELDING, sys.executable, "-m", "ops.lint"],
            "tests": [*_YIELDING, *tests],
        }
    )


def clusters() -> Lane:
    """The suites that run clusters."""
    return Lane({"clusters": pytest_command(CLUSTERS)})


def main(arguments: Sequence[str]) -> int:
    """Run lint and tests; the exit code is that of the first of them that failed."""
    if arguments:
        return run_in_foreground(arguments)
    print(f"[test] beside: lint and {len(BESIDE)} suites, in {LOG}", flush=True)
    return run_both(beside(), clusters(), CHECKOUT / LOG)


def run_in_foreground(arguments: Sequence[str]) -> int:
    """Run lint, then pytest, which has the terminal: for a debugger, for Ctrl-C."""
    begun = time.monotonic()
    results = {"lint": lint.main()}
    with subprocess.Popen(pytest_command(arguments), cwd=CHECKOUT) as tests:
        while tests.poll() is None:
            # The terminal has told pytest too, which may have to tidy up, or be in a debugger.
            with contextlib.suppress(KeyboardInterrupt):
                tests.wait()
    return _conclude({**results, "tests": tests.returncode}, begun)


def run_both(background: Lane, foreground: Lane, log: Path) -> int:
    """Run two lanes at the same time; the exit code is that of the first command that failed.

    Interrupted, or when this raises, what still runs is ended: commands and their process groups.
    `log`: the file for what the background says.
    """
    begun = time.monotonic()
    # Its own factory: else the current event loop of whoever calls this would be gone afterwards.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(_run_both(background, foreground, log))
    return _conclude({**background.results, **foreground.results}, begun)


async def _run_both(background: Lane, foreground: Lane, log: Path) -> None:
    async with asyncio.TaskGroup() as group:
        runs = (background.run_beside(log), foreground.run())
        lanes = [group.create_task(run) for run in runs]

        def interrupt(number: int) -> None:
            for lane in lanes:
                # Whoever sends another, to us and to `make`, which passes it on, means one.
                if number == signal.SIGINT or not lane.cancelling():
                    lane.cancel()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Ignored: the way of nohup, and of a script with a background job, to say "go on".
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, interrupt, number)
            elif number == signal.SIGINT:
                # Commands would inherit that it is ignored, but `_end` needs it.
                loop.add_signal_handler(number, lambda: None)


async def _run(command: Sequence[str], output: IO[bytes] | None) -> int:
    """Run a command in a process group of its own, which Ctrl-C reaches through us alone.

    Not in a session of its own: Linux gives each session the same share of the processors, and
    heeds priorities only within one.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        process_group=0,
    )
    try:
        return await process.wait()
    except BaseException:
        await _end(process)
        raise


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process and its group: as Ctrl-C would, then less and less politely.

    Whoever is interrupted while this waits goes on to the next step.
    """
    steps = ((signal.SIGINT, PATIENCE_SECONDS), (signal.SIGTERM, 5), (signal.SIGKILL, 5))
    for number, seconds in steps:
        # The group may be gone (on macOS, all but gone) by itself.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            await asyncio.wait_for(process.wait(), seconds)


def verdicts(results: Mapping[str, int]) -> str:
    """How commands went, by their exit codes."""
    words = {0: "ok", INTERRUPTED: "interrupted"}
    return ", ".join(f"{name} {words.get(result, 'failed')}" for name, result in results.items())


def _conclude(results: Mapping[str, int], begun: float) -> int:
    print(f"[test] {verdicts(results)}, {time.monotonic() - begun:.0f} s in all", flush=True)
    return next((result for result in results.values() if result), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
