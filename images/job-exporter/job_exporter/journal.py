"""The manager's log: one JSON object a line on standard error."""

import json
import sys
import time
from typing import TextIO


class Journal:
    """Writes what happened. Field names: node, action, reason, ms (milliseconds it took)."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def write(self, event: str, **fields: object) -> None:
        """One line; fields that are None are left out."""
        now = time.time()
        stamp = (
            time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03}Z"
        )
        line: dict[str, object] = {"time": stamp, "event": event}
        line |= {key: value for key, value in fields.items() if value is not None}
        print(json.dumps(line, default=str), file=self._stream or sys.stderr, flush=True)
