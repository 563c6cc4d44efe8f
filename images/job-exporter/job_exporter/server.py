"""The answer to a scrape, over HTTP."""

import gzip
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from job_exporter.board import Board
from job_exporter.counters import comments
from job_exporter.formats import Format, wanted
from job_exporter.gauges import gauges
from job_exporter.settings_file import Settings


def page(
    settings: Settings,
    board: Board,
    format: Format,  # noqa: A002 - the word for it
    clock: Callable[[], float] = time.time,
) -> bytes:
    """All metrics as Prometheus reads them, out of what is on the board."""
    metrics = list(gauges(settings, board, clock()))
    if board.commented is not None:
        metrics.append(comments(board.commented.results, board.commented.since))
    now = format.text(metrics)
    return board.counted.text(format) + now + format.end


def serve(port: int, page: Callable[[Format], bytes]) -> ThreadingHTTPServer:
    """Serve the page as /metrics from a thread, on all addresses. Raises OSError."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.partition("?")[0] not in ("/", "/metrics"):
                self.send_error(404)
                return
            asked = wanted(self.headers.get("Accept", ""))
            body = page(asked)
            self.send_response(200)
            self.send_header("Content-Type", asked.content_type)
            if "gzip" in self.headers.get("Accept-Encoding", ""):
                # The fastest level: to another container it is not far.
                body = gzip.compress(body, compresslevel=1)
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's
            pass  # each scrape would be a line

    server = ThreadingHTTPServer(("", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
