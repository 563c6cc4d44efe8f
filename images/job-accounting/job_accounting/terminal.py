"""Being a command in a terminal."""

import io
import signal
import sys


def behave() -> None:
    """End silently on Ctrl-C and when nobody reads on, and write names whatever is in them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
