"""An account at moto's, in a process of its own, and the environment in which programs use it."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from ops.environment import CHECKOUT
from tests.rehearsal.aws_provider.side_store import VARIABLE, SideStore

REGION = "eu-central-1"
PLUGINS = Path(__file__).parent / "plugins"
START_SECONDS = 60.0


@dataclass(frozen=True)
class RehearsedAccount:
    """A server that answers as AWS would, and what it cannot keep."""

    endpoint: str
    side_store: SideStore
    side_store_file: Path

    @property
    def docker_log(self) -> Path:
        """What was asked of Docker: a line for each command."""
        return self.side_store_file.with_name("docker.log")

    def environment(self) -> dict[str, str]:
        """What leads boto3 and the provider's stand-in there, and nowhere else."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "rehearsal",
            "AWS_SECRET_ACCESS_KEY": "rehearsal",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            VARIABLE: str(self.side_store_file),
            "HPC_STACK_REHEARSAL_DOCKER": str(self.docker_log),
        }

    def client(self, service: str) -> Any:
        """A client of one service."""
        return boto3.client(  # type: ignore[call-overload]
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id="rehearsal",
            aws_secret_access_key="rehearsal",
        )

    def forget_all(self) -> None:
        """As if nothing had ever been made."""
        request = urllib.request.Request(f"{self.endpoint}/moto-api/reset", method="POST")  # noqa: S310
        with urllib.request.urlopen(request, timeout=30):  # noqa: S310
            self.side_store_file.write_text("{}")

    def everything(self) -> dict[str, list[str]]:
        """What is there, by kind, besides what every account has."""
        with urllib.request.urlopen(f"{self.endpoint}/moto-api/data.json", timeout=30) as answer:  # noqa: S310
            data: dict[str, Any] = json.load(answer)
        found = {
            f"{service}.{kind}": [str(item) for item in items]
            for service, kinds in data.items()
            for kind, items in kinds.items()
            if items
        }
        return {**found, "side store": sorted(self.side_store.all())}


@contextmanager
def rehearsed_account(directory: Path) -> Iterator[RehearsedAccount]:
    """A server in a process of its own, so that the engine's plugins do not wait for us."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (directory / "moto.log").open("w")
    command = (
        sys.executable,
        "-m",
        "tests.rehearsal.aws_server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    )
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=log, stderr=subprocess.STDOUT)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        _await_answer(process, endpoint)
        file = directory / "side-store.json"
        file.write_text("{}")
        yield RehearsedAccount(endpoint, SideStore(file), file)
    finally:
        process.terminate()
        process.wait(timeout=30)
        log.close()


def _await_answer(process: "subprocess.Popen[bytes]", endpoint: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None, "moto's server ended"
        try:
            with urllib.request.urlopen(f"{endpoint}/moto-api/", timeout=5):  # noqa: S310
                return
        except OSError:
            assert time.monotonic() < deadline, "moto's server does not answer"
            time.sleep(0.05)
