"""Plays ECR's images for machines that have them at hand: a login, and manifests by tag.

An engine that has an image's configuration asks for nothing more, so there are no layers here.
"""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIGURATION = "application/vnd.docker.container.image.v1+json"

Find = Callable[[str], str | None]


def manifest(image_id: str) -> bytes:
    """A manifest whose configuration is the image's."""
    config = {"mediaType": CONFIGURATION, "size": 1, "digest": image_id}
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}
    return json.dumps(document).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


def _handler(find: Find, password: str) -> type[BaseHTTPRequestHandler]:
    served: dict[str, bytes] = {}  # an engine resolves a tag first, and then asks by digest
    known = f"Basic {base64.b64encode(f'AWS:{password}'.encode()).decode()}"

    class Registry(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(*self._found())

        def do_HEAD(self) -> None:
            status, content = self._found()
            self._answer(status, content, head=True)

        def _found(self) -> tuple[int, bytes]:
            if self.headers.get("Authorization") != known:
                return 401, b""
            if self.path == "/v2/":
                return 200, b"{}"
            repository, _, tag = self.path.removeprefix("/v2/").partition("/manifests/")
            if tag in served:
                return 200, served[tag]
            image_id = find(f"{self.headers['Host']}/{repository}:{tag}")
            if image_id is None:
                return 404, b""
            content = manifest(image_id)
            served[_digest(content)] = content
            return 200, content

        def _answer(self, status: int, content: bytes, *, head: bool = False) -> None:
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="ECR"')
            self.send_header("Content-Type", MANIFEST)
            self.send_header("Docker-Content-Digest", _digest(content))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if not head:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Registry


@contextmanager
def registry(find: Find, password: str) -> Iterator[int]:
    """The stand-in, for those who log in as AWS; its port here."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(find, password))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
