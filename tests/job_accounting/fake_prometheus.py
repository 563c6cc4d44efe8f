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
    asked: list[dict[str, str]] = field(default_factory=list)
    """The questions."""

    @property
    def jobs(self) -> list[str]:
        """Those that were asked for."""
        return [job for one in self.asked for job in set(re.findall(r'"(\d+)"', one["query"]))]

    def answer(self, question: dict[str, str]) -> bytes:
        self.asked.append(question)
        if self.body is not None:
            return self.body
        (job,) = self.jobs[-1:]
        seen = [{"metric": {}, "value": [0, self.percents[job]]}] if job in self.percents else []
        data = {"resultType": "vector", "result": seen}
        return json.dumps({"status": "success", "data": data}).encode()


@contextmanager
def prometheus() -> Iterator[FakePrometheus]:
    """It listens for as long as this lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, words = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
            assert path == "/api/v1/query"
            body = fake.answer({name: value for name, (value,) in words.items()})
            self.send_response(fake.status)
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
