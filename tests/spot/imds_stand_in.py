"""A stand-in for EC2's instance metadata service, version 2, as far as spot notices need it.

    python3 imds_stand_in.py PORT

Like the real one it answers only who brings a token of its own making. It may serve many nodes:
each is known by its address. Tests tell it what to say:

    PUT /stand-in/ADDRESS/spot/instance-action   {"action": "terminate", "time": "..."}
    PUT /stand-in/expire-tokens
    GET /stand-in/requests                       how many answers were given, by address

Standard library only: it also runs in a container of the cluster's network.
"""

import json
import secrets
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PREFIX = "/latest/meta-data/"
TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"


class StandIn(ThreadingHTTPServer):
    """The server, with what it says to whom."""

    daemon_threads = True

    def __init__(self, port: int = 0, host: str = "127.0.0.1") -> None:
        super().__init__((host, port), _Handler)
        self.lock = threading.Lock()
        self.tokens: set[str] = set()
        self.says: dict[tuple[str, str], str] = {}
        self.broken: tuple[int, str] | None = None
        """Status and text of every answer, while it is set."""
        self.requests: Counter[str] = Counter()

    @property
    def endpoint(self) -> str:
        """As in AWS_EC2_METADATA_SERVICE_ENDPOINT."""
        return f"http://127.0.0.1:{self.server_port}"

    def say(self, address: str, path: str, text: str | None) -> None:
        """Answer a path for a node with this text; None: 404 again."""
        with self.lock:
            if text is None:
                self.says.pop((address, path), None)
            else:
                self.says[address, path] = text

    def expire_tokens(self) -> None:
        """Tokens given so far are good for nothing."""
        with self.lock:
            self.tokens.clear()


class _Handler(BaseHTTPRequestHandler):
    server: StandIn

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if self.path == "/latest/api/token":
            self._token()
        elif self.path == "/stand-in/expire-tokens":
            self.server.expire_tokens()
            self._answer(200, "")
        elif self.path.startswith("/stand-in/"):
            address, _, path = self.path.removeprefix("/stand-in/").partition("/")
            self.server.say(address, path, body or None)
            self._answer(200, "")
        else:
            self._answer(404, "")

    def do_GET(self) -> None:
        if self.path == "/stand-in/requests":
            self._answer(200, json.dumps(self.server.requests))
            return
        if self.server.broken:
            self._answer(*self.server.broken)
            return
        address = self.client_address[0]
        with self.server.lock:
            known = self.headers.get(TOKEN) in self.server.tokens
            text = self.server.says.get((address, self.path.removeprefix(PREFIX)))
        if not known:
            self._answer(401, "")
        elif text is None or not self.path.startswith(PREFIX):
            self._answer(404, "")
        else:
            self._answer(200, text)
        with self.server.lock:
            self.server.requests[address] += 1

    def _token(self) -> None:
        seconds = self.headers.get(TTL, "")
        if self.server.broken:
            self._answer(*self.server.broken)
        elif not seconds.isdecimal() or not 1 <= int(seconds) <= 21_600:
            self._answer(400, "")
        elif "X-Forwarded-For" in self.headers:
            self._answer(403, "")
        else:
            token = secrets.token_urlsafe(32)
            with self.server.lock:
                self.server.tokens.add(token)
            self._answer(200, token)

    def _answer(self, status: int, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Nobody reads it."""


if __name__ == "__main__":
    StandIn(int(sys.argv[1]), "0.0.0.0").serve_forever()  # noqa: S104
