"""What the Docker engine on this machine is, read before anything is planned."""

import json
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from config.render.compose_monitoring import GRAFANA_IMAGE
from config.render.gpu_exporter import GPU_EXPORTER_IMAGE
from config.render.site import CgroupVersion


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Facts about the engine that decide how a cluster is rendered."""

    cgroup: CgroupVersion
    cpus: int
    memory_mb: int
    runtimes: tuple[str, ...]
    """Names of its container runtimes."""
    grafana: bool = False
    """Whether it has Grafana's image, which `make up` pulls where it can."""
    gpu_exporter: bool = False
    """Whether it has dcgm-exporter's, which `make up` pulls where it can and there are GPUs."""


def read_engine() -> Engine:
    """Ask the engine; raises pulumi.RunError with the fix where none answers."""
    try:
        answer = _docker("info", "--format", "{{json .}}")
    except FileNotFoundError:
        raise pulumi.RunError(
            "Docker is not installed, or not on PATH.\nFix: run `make up`, which installs it where "
            "it can, or see https://docs.docker.com/engine/install/"
        ) from None
    facts = json.loads(answer.stdout) if answer.returncode == 0 else {}
    if not facts.get("ServerVersion"):
        # `docker info` may succeed although it reached only the client.
        said = answer.stderr.strip() or "; ".join(facts.get("ServerErrors", []))
        raise pulumi.RunError(
            f"The Docker engine does not answer: {said}\n"
            "Fix: run `make up`, which starts it where it can, or start Docker yourself"
        )
    return Engine(
        cgroup="v2" if facts["CgroupVersion"] == "2" else "v1",
        cpus=facts["NCPU"],
        memory_mb=facts["MemTotal"] // 1024**2,
        runtimes=tuple(sorted(facts.get("Runtimes") or {})),
        grafana=_has_image(GRAFANA_IMAGE),
        gpu_exporter=_has_image(GPU_EXPORTER_IMAGE),
    )


def _has_image(image: str) -> bool:
    return _docker("image", "inspect", image).returncode == 0


def refuse_taken_ports(cluster: str, ports: Mapping[str, int]) -> None:
    """Raise pulumi.RunError where a port of the settings is somebody else's.

    `ports` maps the setting's name to its value. Ports that this cluster itself holds are fine.
    """
    taken = [
        f"cluster.ports.{name}: {port} is in use on 127.0.0.1 by something else\n"
        f"    Allowed: a free port. Fix: set another one, or stop what listens there "
        f"(`ss -ltnp 'sport = :{port}'` names it)"
        for name, port in ports.items()
        if not _is_free(port) and not _is_ours(cluster, port)
    ]
    if taken:
        raise pulumi.RunError("\n".join(taken))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the engine's own proxy binds it: a closed connection's TIME_WAIT is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _is_ours(cluster: str, port: int) -> bool:
    filters = (f"label=hpc-stack.cluster={cluster}", f"publish={port}")
    arguments = [word for text in filters for word in ("--filter", text)]
    return bool(_docker("ps", "--quiet", *arguments).stdout.strip())


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(("docker", *arguments), capture_output=True, text=True, check=False)
