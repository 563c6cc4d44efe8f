"""Signs of life of the two loops, for the health check, which is another process.

A loop beats after each try, whether Slurm answered or not: an exporter whose Slurm is away is well,
and says so by its metrics.
"""

import time
from pathlib import Path

LOOPS = ("accounting", "queue")
LONGEST_SECONDS = 300
"""The longest time between two beats: a query of accounting may take two minutes."""


def beat(run_dir: Path, loop: str) -> None:
    """The loop has just tried."""
    (run_dir / loop).touch()


def last_beats(run_dir: Path) -> dict[str, float | None]:
    """Seconds since each loop's last beat; None: there was none."""
    ages: dict[str, float | None] = {}
    for loop in LOOPS:
        try:
            ages[loop] = time.time() - (run_dir / loop).stat().st_mtime
        except OSError:
            ages[loop] = None
    return ages
