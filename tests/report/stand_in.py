"""Plays Prometheus: a small HTTP server that knows the answers to some queries."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Course = Callable[[float], float | None]
"""A value at a time; None where there is no sample."""
Found = tuple[Mapping[str, str], float | Course]
"""A series: its labels and its value."""
EVERYTHING = "*"
"""In the place of a query: all that is not named."""


@dataclass
class StandIn:
    """What it knows and was asked. Queries that it does not know find nothing."""

    found: dict[str, Sequence[Found]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    """Queries that it refuses, and why."""
    began: float = 0.0
    """Before, nothing was measured."""
    page: tuple[int, str] | None = None
    """Status and text of every answer, in the place of Prometheus' own."""
    seconds: float = 0.0
    """How long it takes."""
    asked: list[dict[str, str]] = field(default_factory=list)
    most_at_once: int = 0
    url: str = ""
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str) -> tuple[int, str]:
        """The status and the text for a request."""
        parts = urlsplit(path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        with self._lock:
            self.asked.append({"path": parts.path, **asked})
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        time.sleep(self.seconds)
        with self._lock:
            self._at_once -= 1
        if self.page:
            return self.page
        if why := self.refused.get(asked["query"]):
            return 422, json.dumps({"status": "error", "errorType": "execution", "error": why})
        return 200, json.dumps({"status": "success", "data": self._data(parts.path, asked)})

    def _data(self, path: str, asked: Mapping[str, str]) -> dict[str, Any]:
        found = self.found.get(asked["query"], self.found.get(EVERYTHING, ()))
        if asked["query"] == "count(up)":
            found = [({}, 1.0)]
        if path.endswith("/query"):
            at = float(asked["time"])
            now = [(labels, self._value(course, at)) for labels, course in found]
            rows = [{"metric": labels, "value": [at, v]} for labels, v in now if v is not None]
            return {"resultType": "vector", "result": rows}
        start, end, step = (float(asked[name]) for name in ("start", "end", "step"))
        times = [start + place * step for place in range(round((end - start) / step) + 1)]
        rows = [
            {
                "metric": labels,
                "values": [[at, v] for at in times if (v := self._value(course, at)) is not None],
            }
            for labels, course in found
        ]
        return {"resultType": "matrix", "result": [row for row in rows if row["values"]]}

    def _value(self, course: float | Course, at: float) -> str | None:
        if at < self.began:
            return None
        value = course(at) if callable(course) else course
        return None if value is None else str(value)


@contextmanager
def listening(stand_in: StandIn) -> Iterator[StandIn]:
    """The stand-in at a port of its own, which is in its `url`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = stand_in.answer(self.path)
            with suppress(ConnectionError):  # nobody waits for it any more
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stand_in.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
