"""Credentials for jobs: those of the jobs' role, handed out on the node to whoever runs jobs there.

Slurm gives every job the address (AWS_CONTAINER_CREDENTIALS_FULL_URI), where AWS' programs and
libraries look. Who asks is known from the kernel's table of connections, so there is no token to
lose. Root is refused: it has the machine's own role.
https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
"""

from __future__ import annotations

import datetime
import json
import urllib.parse
import xml.etree.ElementTree
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

from components.aws.host.calls import request

JOBS_PORT = 6830
JOBS_URL = f"http://127.0.0.1:{JOBS_PORT}/credentials"
JOB_USERS = Path("/home/.hpc-stack/users/passwd")
LOOPBACK = {"tcp": "0100007F", "tcp6": "0000000000000000FFFF00000100007F"}
"""127.0.0.1 in the kernel's tables; Java, among others, connects to it from a socket of IPv6."""
ROLE_SECONDS = 3600
"""The most that AWS allows a role that another role takes."""
EXPIRATION = "%Y-%m-%dT%H:%M:%SZ"
LEAST_SECONDS = 1200
"""Libraries ask again when less than a quarter of an hour is left."""


def serve_jobs(told: dict[str, Any]) -> None:
    """Hand out credentials until the machine stops."""
    ThreadingHTTPServer(("127.0.0.1", JOBS_PORT), jobs_handler(told)).serve_forever()


def jobs_handler(told: dict[str, Any]) -> type[BaseHTTPRequestHandler]:
    """What answers, for one machine."""
    held: dict[str, dict[str, str]] = {}
    one_at_a_time = Lock()

    class Credentials(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            user = job_user(uid_of_connection(self.client_address[1], JOBS_PORT))
            if self.path != "/credentials" or user is None:
                self._answer(403, {"message": "these credentials are for the cluster's users"})
                return
            try:
                with one_at_a_time:
                    if user not in held or seconds_left(held[user]) < LEAST_SECONDS:
                        held[user] = take_jobs_role(told, user)
                self._answer(200, held[user])
            except Exception as error:  # the node goes on, and says what is wrong
                print(f"credentials for {user}: {error}", flush=True)
                self._answer(500, {"message": "AWS does not give the jobs' role now"})

        def _answer(self, status: int, document: dict[str, str]) -> None:
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Who asks for credentials is CloudTrail's to know."""

    return Credentials


def uid_of_connection(port: int, server: int) -> int | None:
    """Who holds this machine's end `port` of a connection to one of its own ports."""
    for name, address in LOOPBACK.items():
        table = Path("/proc/net", name)
        ends = [f"{address}:{number:04X}" for number in (port, server)]
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            words = line.split()
            if words[1:3] == ends:
                return int(words[7])
    return None


def job_user(uid: int | None) -> str | None:
    """The cluster's user with that number, who can be here only by a job."""
    for line in JOB_USERS.read_text().splitlines():
        words = line.split(":")
        if uid and words[2] == str(uid):
            return words[0]
    return None


def seconds_left(keys: dict[str, str]) -> float:
    """For how long credentials are still good."""
    end = datetime.datetime.strptime(keys["Expiration"], EXPIRATION)
    now = datetime.datetime.now(datetime.timezone.utc)
    return (end.replace(tzinfo=now.tzinfo) - now).total_seconds()


def take_jobs_role(told: dict[str, Any], user: str) -> dict[str, str]:
    """Its credentials, in a session by the user's name: CloudTrail says who did what."""
    wanted = {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": told["jobs_role"],
        "RoleSessionName": user,
        "DurationSeconds": str(ROLE_SECONDS),
    }
    host = f"sts.{told['region']}.amazonaws.com"
    form = {"content-type": "application/x-www-form-urlencoded"}
    body = urllib.parse.urlencode(wanted).encode()
    answer = request(told["region"], "sts", "POST", host, "/", form, body)
    found = {
        part.tag.rpartition("}")[2]: part.text or ""
        for part in xml.etree.ElementTree.fromstring(answer).iter()  # noqa: S314  # AWS' own
    }
    return {
        "AccessKeyId": found["AccessKeyId"],
        "SecretAccessKey": found["SecretAccessKey"],
        "Token": found["SessionToken"],
        "Expiration": f"{found['Expiration'][:19]}Z",
    }
