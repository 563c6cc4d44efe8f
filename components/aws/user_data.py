"""User data of the machines: the package `host`, and what it is told. No secret is in it."""

import base64
import gzip
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from config.render.gpu_exporter import GPU_FIELDS

SOURCE = Path(__file__).parent / "host"
MODULES = ("machine", "calls", "network", "disks", "jobs_role", "boot")
"""In this order: each uses only those before it."""
_BEGINNING = "#!/usr/bin/python3\nfrom __future__ import annotations\n"
_FOR_A_PACKAGE = ("#!", "from __future__ import", "from components.aws.host.")
"""What begins a line that one file has no use for."""
MOST_BYTES = 16_384
"""EC2's limit, before base64: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html.
The text is near it; compressed, as cloud-init takes it too, it is a third."""

Told = Mapping[str, str | bool]


def controller_user_data(
    *,
    region: str,
    cluster: str,
    bucket: str,
    log_group: str,
    registry: str,
    image: str,
    volume: str,
    homes: str,
    homes_access_point: str,
    forwards: bool,
    cidr: str,
    dump_at: str,
    backstage: str,
    alertmanager_port: str,
) -> str:
    """User data of the controller's host. `image` is the host agent's.

    `backstage`: the range of the containers that users have no business with.
    """
    return _script({"role": "controller", **locals()})


def node_user_data(
    *,
    region: str,
    cluster: str,
    pool: str,
    bucket: str,
    log_group: str,
    registry: str,
    image: str,
    controller: str,
    homes: str,
    homes_access_point: str,
    data_bucket: str,
    jobs_role: str,
    gpus: bool,
    spot_signal: str,
    gpu_exporter: str,
    node_metrics: bool,
) -> str:
    """User data of a pool's nodes. `image` is slurmd's, `controller` an address.

    `gpu_exporter`: the image of what measures GPUs; empty: they are not measured.
    """
    gpu_fields = GPU_FIELDS if gpu_exporter else ""
    return _script({"role": "node", **locals()})


def encoded(text: str) -> str:
    """Compressed and in base64, as EC2's interfaces take it. Same text, same result."""
    content = gzip.compress(text.encode(), mtime=0)
    if len(content) > MOST_BYTES:
        raise ValueError(f"user data of {len(content)} bytes; EC2 takes {MOST_BYTES}")
    return base64.b64encode(content).decode()


def _script(told: Told) -> str:
    facts = ",\n    ".join(f"{key!r}: {value!r}" for key, value in sorted(told.items()))
    return f"{host_script()}\n\nmain({{\n    {facts},\n}})\n"


@cache
def host_script() -> str:
    """The package as one file, for a machine that has nothing of ours."""
    texts = [(SOURCE / f"{name}.py").read_text() for name in MODULES]
    kept = [
        line for text in texts for line in text.splitlines() if not line.startswith(_FOR_A_PACKAGE)
    ]
    return "\n".join((_BEGINNING, *kept))
