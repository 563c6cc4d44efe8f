"""The FIFO through which slurmctld's scripts say that something changed. Any byte means: look now.

It is held open for reading and writing, so that a writer never blocks and the end of one writer is
not the end of the file.
"""

import contextlib
import os
import select
import stat
from pathlib import Path
from types import TracebackType

# For everyone who can reach the directory: a byte in it can only cause one more look. Readable too,
# because a script that must not block opens it for both (`1<>`).
MODE = 0o666
PIPE_CAPACITY = 65536


class WakePipe:
    """The FIFO, as a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> "WakePipe":
        if self._path.exists() and not stat.S_ISFIFO(self._path.lstat().st_mode):
            self._path.unlink()
        with contextlib.suppress(FileExistsError):
            os.mkfifo(self._path)
        self._path.chmod(MODE)  # mkfifo's own mode is subject to the umask
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def wait(self, seconds: float) -> bool:
        """Wait until somebody writes, at most `seconds`. True when somebody did."""
        readable, _, _ = select.select([self._descriptor], [], [], max(seconds, 0.0))
        if readable:
            os.read(self._descriptor, PIPE_CAPACITY)
        return bool(readable)

    def wake(self) -> None:
        """End a wait from within: a signal handler's way."""
        with contextlib.suppress(BlockingIOError):  # full: the wait ends anyway
            os.write(self._descriptor, b".")


def wake(path: Path) -> None:
    """Wake the manager from another process; nothing happens when none is there."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(descriptor, b".")
        finally:
            os.close(descriptor)
