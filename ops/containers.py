"""A local cluster's containers, as the engine has them."""

import json
import subprocess
from dataclasses import dataclass

from config.render.site import project_name


@dataclass(frozen=True, kw_only=True)
class Container:
    """One container of a cluster: a service's, or a compute node's."""

    name: str
    service: str | None
    """Name of the Compose service; None for a compute node."""
    node: str | None
    """Name of the compute node; None for a service."""
    state: str
    """`running`, `exited`, ..."""
    status: str
    """The engine's words, for instance `Up 3 minutes (healthy)`."""


def containers(cluster: str) -> list[Container]:
    """All containers of a cluster, running or not."""
    printed = _docker(
        "ps", "--all", "--filter", f"label=hpc-stack.cluster={cluster}", "--format", "{{json .}}"
    )
    return [_container(json.loads(line)) for line in printed.splitlines()]


def _container(row: dict[str, str]) -> Container:
    labels = dict(pair.partition("=")[::2] for pair in row["Labels"].split(","))
    return Container(
        name=row["Names"],
        service=labels.get("com.docker.compose.service"),
        node=labels.get("hpc-stack.node"),
        state=row["State"],
        status=row["Status"],
    )


def login_container(cluster: str) -> str:
    """Name of the login node's container."""
    return f"{project_name(cluster)}-login-1"


def as_user(cluster: str, user: str, command: str) -> list[str]:
    """The command line that runs `command` on the login node as a user, in their home."""
    return ["docker", "exec", "-i", login_container(cluster), "runuser", "-l", user, "-c", command]


def run_as(
    cluster: str, user: str, command: str, *, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run a shell command on the login node as a user; `timeout` in seconds."""
    return subprocess.run(
        as_user(cluster, user, command),
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )


def users(cluster: str) -> list[str]:
    """The cluster's users by uid, from the login node's own user database."""
    passwd = _docker("exec", login_container(cluster), "cat", "/var/lib/extrausers/passwd")
    rows = [line.split(":") for line in passwd.splitlines()]
    return [row[0] for row in sorted(rows, key=lambda row: int(row[2]))]


def image_exists(reference: str) -> bool:
    """Whether the engine has an image."""
    return (
        subprocess.run(
            ["docker", "image", "inspect", reference], capture_output=True, check=False
        ).returncode
        == 0
    )


def _docker(*arguments: str) -> str:
    return subprocess.run(("docker", *arguments), capture_output=True, text=True, check=True).stdout
