"""What a cluster takes when it does nothing: memory, and the size of a node's image."""

import os
import re
import subprocess
from collections.abc import Iterator, Sequence

from components.image_tag import content_tag
from components.local.images import PREFIX
from ops.containers import containers
from ops.environment import CHECKOUT
from tests.bench.bench_cluster import say
from tests.bench.figure import Figure
from tests.bench.start import power_down
from tests.cluster.running_cluster import RunningCluster, docker

OBSERVERS = ("prometheus", "alertmanager", "node-exporter", "mysqld-exporter", "job-exporter")
"""Services of monitoring, which has figures of its own."""

_MEBIBYTES = {"B": 1 / 1024**2, "KiB": 1 / 1024, "MiB": 1, "GiB": 1024}


def figures(cluster: RunningCluster) -> Iterator[Figure]:
    """Memory as `docker stats` counts it (without the page cache); size as a registry would."""
    power_down(cluster)
    services = [
        c.name for c in containers(cluster.name) if c.service and c.service not in OBSERVERS
    ]
    yield Figure(name="memory-idle", value=memory_mib(services), unit="MiB", goal=700 * 1e6 / 2**20)
    yield Figure(
        name="compute-image-compressed", value=_compressed_bytes() / 1e6, unit="MB", goal=120
    )


def memory_mib(names: Sequence[str]) -> float:
    """Of these containers together."""
    form = ("--no-stream", "--format", "{{.Name}} {{.MemUsage}}")
    lines = docker("stats", *form, *names).splitlines()
    for line in lines:
        say(f"memory of {line}")
    return sum(map(_used_mib, lines))


def _used_mib(line: str) -> float:
    match = re.search(r" ([\d.]+)([KMG]?i?B) /", line)
    assert match, line
    return float(match[1]) * _MEBIBYTES[match[2]]


def _compressed_bytes() -> int:
    tag = content_tag(())
    environment = {**os.environ, "TAG": tag, "PREFIX": PREFIX, "SOFTWARE": ""}
    bake = ["docker", "buildx", "bake", "--file", "images/docker-bake.hcl", "slurmd"]
    subprocess.run(bake, cwd=CHECKOUT, env=environment, check=True, capture_output=True)
    # A registry keeps each layer compressed by gzip's default.
    pipe = f"set -o pipefail; docker save {PREFIX}/slurmd:{tag} | gzip | wc -c"
    return int(subprocess.run(["bash", "-c", pipe], capture_output=True, check=True).stdout)
