"""A host for the agent: the real engine, a rehearsed account, a small Compose project."""

import hashlib
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from host_agent.account import Account
from host_agent.agent import Agent, Place

from tests.rehearsal.account import REGION, RehearsedAccount

CLUSTER = "agenttest"
PROJECT = f"hpc-{CLUSTER}"
BUCKET = f"{CLUSTER}-system"
SECRET = "the-secret-that-nobody-sees"
IMAGE = "debian:forky-slim"


def docker(*words: str) -> str:
    return subprocess.run(
        ("docker", *words), capture_output=True, text=True, check=True
    ).stdout.strip()


def sleeper(command: str = "sleep infinity", **more: Any) -> dict[str, Any]:
    """A service that does what it is told."""
    return {
        "image": IMAGE,
        "pull_policy": "never",
        "init": True,
        "command": ["sh", "-c", command],
        "stop_grace_period": "1s",
        **more,
    }


def bundle_text(
    services: Mapping[str, Any], *, volumes: Mapping[str, str] | None = None, **changes: Any
) -> str:
    """A bundle with these services, whole unless told otherwise."""
    volumes = volumes or {}
    compose = {
        "services": dict(services),
        "volumes": {name: {"name": name, "external": True} for name in volumes},
        "secrets": {"slurm_key": {"environment": "TEST_SLURM_KEY"}},
    }
    document = {
        "version": 1,
        "cluster": CLUSTER,
        "project": PROJECT,
        "compose": yaml.safe_dump(compose),
        "secrets": {"slurm_key": "TEST_SLURM_KEY"},
        "volumes": dict(volumes),
        "registry": "",
    }
    content = json.dumps(document, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(content.encode()).hexdigest()
    return json.dumps({**document, "digest": digest, **changes})


@dataclass
class Host:
    """The agent, and what a person at its side sees."""

    account: RehearsedAccount
    events: list[dict[str, Any]] = field(default_factory=list)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.agent = self.started()

    def started(self) -> Agent:
        """An agent that knows nothing, as after a restart."""
        place = Place(
            account=Account(region=REGION, cluster=CLUSTER, bucket=BUCKET),
            instance="i-0123",
            dump_at="03:00",
        )
        return Agent(place, say=self._say, clock=lambda: self.now)

    def _say(self, event: str, **facts: Any) -> None:
        self.events.append({"event": event, **facts})

    def deliver(self, text: str) -> None:
        """Put a bundle where the agent looks, and let it look."""
        self.account.client("s3").put_object(
            Bucket=BUCKET, Key="bundle/bundle.json", Body=text.encode()
        )
        self.agent.round()

    def status(self) -> dict[str, Any]:
        """What the agent has told."""
        answer = self.account.client("s3").get_object(Bucket=BUCKET, Key="status/controller.json")
        told: dict[str, Any] = json.loads(answer["Body"].read())
        return told

    def containers(self) -> dict[str, str]:
        """Id of each running service's container."""
        lines = docker(
            "ps", "--filter", f"label=com.docker.compose.project={PROJECT}",
            "--format", '{{.Label "com.docker.compose.service"}} {{.ID}}',
        )  # fmt: skip
        return dict(line.split() for line in lines.splitlines())


def prepare(account: RehearsedAccount) -> None:
    """The bucket and the secret of the cluster."""
    account.client("s3").create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    account.client("ssm").put_parameter(
        Name=f"/hpc-stack/{CLUSTER}/slurm_key", Type="SecureString", Value=SECRET
    )


def remove_everything(folder: Path) -> None:
    """The project, its volumes, and what it wrote."""
    subprocess.run(
        ("docker", "compose", "--project-name", PROJECT, "down", "--timeout", "1"),
        capture_output=True,
        check=True,
    )
    names = docker("volume", "ls", "--quiet", "--filter", f"name={PROJECT}_").split()
    if names:
        docker("volume", "rm", *names)
