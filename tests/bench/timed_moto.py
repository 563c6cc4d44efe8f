"""moto's HTTP server in a process of its own, which counts its own time and may answer late.

    python -m tests.bench.timed_moto

Prints its URL. GET /bench/reset?delay=SECONDS sets the delay of each answer and forgets the counts;
GET /bench/counts gives {"calls": n, "seconds": s}: s is what the server itself took, delays not
included.
"""

import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]


class Timed:
    """The application with a clock around it."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._lock = threading.Lock()
        self._delay, self._calls, self._seconds = 0.0, 0, 0.0

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith("/bench/"):
            start_response("200 OK", [("Content-Type", "application/json")])
            return [self._own(path, environ.get("QUERY_STRING", "")).encode()]
        begun = time.monotonic()
        answer = list(self._application(environ, start_response))
        with self._lock:
            self._calls += 1
            self._seconds += time.monotonic() - begun
        time.sleep(self._delay)
        return answer

    def _own(self, path: str, query: str) -> str:
        if path == "/bench/reset":
            self._delay = float(urllib.parse.parse_qs(query)["delay"][0])
            self._calls, self._seconds = 0, 0.0
        return json.dumps({"calls": self._calls, "seconds": self._seconds})


def main() -> None:
    """Serve until the process is ended."""
    application = Timed(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
