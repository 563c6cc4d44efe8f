"""Something that answers at Prometheus' address, for what Prometheus itself never answers.

What it does answer is tried in tests/alerts/test_gpu_use.py.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit


@dataclass
class FakePrometheus:
    """`percents`: of which jobs it has seen the GPUs, and how busy, in its own words."""

    address: str
    percents: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """Answered in place of that."""
    status: int = 200
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Jobs whose query has a status and an error of its own."""
    asked: list[dict[str, str]] = field(default_factory=list)
    """The questions."""

    @property
    def jobs(self) -> list[str]:
        """Those that were asked for."""
        return [job for one in self.asked for job in set(re.findall(r'"(\d+)"', one["query"]))]

    def answer(self, question: dict[str, str]) -> tuple[int, bytes]:
        """Status and body."""
        self.asked.append(question)
        if self.body is not None or self.status != 200:
            return self.status, self.body or b"Service Unavailable"
        (job,) = self.jobs[-1:]
        if job in self.refused:
            status, kind = self.refused[job]
            return status, json.dumps({"status": "error", "errorType": kind}).encode()
        times = range(int(question["start"]), int(question["end"]) + 1, int(question["step"]))
        values = [[time, self.percents[job]] for time in times if job in self.percents]
        data = {"resultType": "matrix", "result": [{"metric": {}, "values": values}][: len(values)]}
        return 200, json.dumps({"status": "success", "data": data}).encode()


@contextmanager
def prometheus() -> Iterator[FakePrometheus]:
    """It listens for as long as this lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, words = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
            assert path == "/api/v1/query_range"
            status, body = fake.answer({name: value for name, (value,) in words.items()})
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake = FakePrometheus(address=f"127.0.0.1:{server.server_port}")
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield fake
        finally:
            server.shutdown()
