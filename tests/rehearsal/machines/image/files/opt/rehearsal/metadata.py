"""A machine's metadata service, version 2 alone, at its address: for the machine, for no container.
And the VPC's name server, which DHCP tells a machine.

What it knows is in a file that the rehearsal puts there before the machine starts.
"""

import json
import secrets
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ADDRESS = "169.254.169.254"
MACHINE = Path("/etc/rehearsal/machine.json")
TOKENS: set[str] = set()


class Metadata(BaseHTTPRequestHandler):
    """Answers as https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html
    says."""

    def do_PUT(self) -> None:
        lives = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if self.path != "/latest/api/token" or not lives.isdecimal():
            self._answer(400, "")
            return
        token = secrets.token_urlsafe(32)
        TOKENS.add(token)
        self._answer(200, token)

    def do_GET(self) -> None:
        if self.headers.get("X-aws-ec2-metadata-token") not in TOKENS:
            self._answer(401, "")
            return
        text = json.loads(MACHINE.read_text())["metadata"].get(self.path)
        self._answer(404 if text is None else 200, text or "")

    def _answer(self, status: int, text: str) -> None:
        # The hop limit is 1: what comes from a container's own network gets no answer.
        if self.client_address[0] != json.loads(MACHINE.read_text())["address"]:
            self.close_connection = True
            return
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":
    told = json.loads(MACHINE.read_text())
    Path("/etc/resolv.conf").write_text(f"nameserver {told['resolver']}\n")
    # Asked from the machine's own address, as it is where the service is another machine's.
    route = ("local", ADDRESS, "dev", "lo", "src", told["address"])
    for words in (
        ("address", "replace", f"{ADDRESS}/32", "dev", "lo"),
        ("route", "replace", "table", "local", *route),
    ):
        subprocess.run(("ip", *words), check=True)
    server = ThreadingHTTPServer((ADDRESS, 80), Metadata)
    subprocess.run(("systemd-notify", "--ready"), check=True)
    server.serve_forever()
