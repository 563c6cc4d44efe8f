"""`make test`: lint, then all tests that need no emulated machine, on a real cluster of their own.

    python -m ops.test [PYTEST ARGUMENTS]

Tests of a directory or file named in the arguments run instead of all. What a test needs and does
not find (Docker, Pulumi) makes it fail: nothing is skipped.
"""

import subprocess
import sys
import time
from collections.abc import Sequence

from ops import lint
from ops.environment import CHECKOUT

SUITES = (
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
    "tests/rehearsal",
    "tests/host_agent",
    "tests/cluster",
    "tests/faults",
)
"""In the order of what they take: a mistake shows as early as it can."""

SLOWEST = 15


def pytest_command(arguments: Sequence[str]) -> list[str]:
    """pytest's command line for the arguments of `ops.test`."""
    chosen = any(word.partition("/")[0] == "tests" for word in arguments)
    suites = () if chosen else SUITES
    return [sys.executable, "-m", "pytest", f"--durations={SLOWEST}", *suites, *arguments]


def main(arguments: Sequence[str]) -> int:
    """Run lint and tests; the exit code is that of the first of them that failed."""
    begun = time.monotonic()
    results = [lint.main(), _run(pytest_command(arguments))]
    status = next((result for result in results if result), 0)
    verdicts = " and ".join(
        f"{name} {'failed' if result else 'ok'}"
        for name, result in zip(("lint", "tests"), results, strict=True)
    )
    print(f"[test] {verdicts}, {time.monotonic() - begun:.0f} s in all", flush=True)
    return status


def _run(command: Sequence[str]) -> int:
    return subprocess.run(command, cwd=CHECKOUT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
