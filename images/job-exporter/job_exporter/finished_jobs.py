"""Finished jobs out of accounting, as much time at once as can be held in memory."""

import time
from collections.abc import Callable, Sequence
from functools import partial

from job_accounting.records import Job
from job_accounting.sacct import jobs

from job_exporter.limited_command import AnswerTooLong, LimitedRunner, run_limited

TIMEOUT = 120.0
LONGEST_SLICE = 86_400
ANSWER_BYTES = 4 << 20
"""About 5000 jobs, for which reading takes about 40 MB of memory for a moment."""


class FinishedJobs:
    """One query at a time. Times are whole seconds since the epoch, as sacct has them."""

    def __init__(
        self, run: LimitedRunner = run_limited, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._run = run
        self._clock = clock
        self._slice = LONGEST_SLICE
        self._bytes = 0
        self.query_seconds: float | None = None
        """How long the last query took."""

    def ask(self, start: int, target: int) -> tuple[list[Job], int]:
        """Jobs that ended from `start` on, and the time before which the answer has them all.

        That time is `target` or, where that would be too much at once, earlier. The answer may
        hold others, too. Raises SacctUnavailable.
        """
        while True:
            stop = min(target, start + self._slice)
            # A single second cannot be halved.
            most = ANSWER_BYTES if stop - start > 1 else None
            begun = self._clock()
            try:
                found = jobs(
                    since=start,
                    until=stop,
                    ended_only=True,
                    timeout=TIMEOUT,
                    run=partial(self._limited, most),
                )
            except AnswerTooLong:
                self._slice = max(1, (stop - start) // 2)
                continue
            self.query_seconds = self._clock() - begun
            if self._bytes < ANSWER_BYTES // 4:
                self._slice = min(LONGEST_SLICE, self._slice * 2)
            return found, stop

    def _limited(self, most_bytes: int | None, command: Sequence[str], timeout: float) -> str:
        answer = self._run(command, timeout, most_bytes)
        self._bytes = len(answer)
        return answer
