"""Progress lines with seconds, so that somebody who waits for the VM sees what it is at."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Progress:
    """Passes lines to `say`, each with the seconds since this object was made."""

    def __init__(self, say: Callable[[str], object] = print) -> None:
        self._say = say
        self._started = time.monotonic()

    def line(self, text: str) -> None:
        """Writes one line."""
        elapsed = time.monotonic() - self._started
        self._say(f"[{elapsed:7.1f} s] {text}")

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Writes a line before the block and one with the block's own seconds after it."""
        self.line(f"{text} ...")
        started = time.monotonic()
        try:
            yield
        except BaseException:
            self.line(f"{text}: failed after {time.monotonic() - started:.1f} s")
            raise
        self.line(f"{text}: {time.monotonic() - started:.1f} s")
