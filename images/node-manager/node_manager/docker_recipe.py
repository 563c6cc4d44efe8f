"""What a node's container is: its name, labels, capabilities and limits, and the key put into it.

The engine is asked for it by docker_provider.py.
"""

import io
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any

import docker
from docker.types import DeviceRequest, LogConfig, NetworkingConfig

from node_manager.fleet import Capacity, DockerSettings, node_index
from node_manager.provider import LaunchRequest

LABEL_CLUSTER = "hpc-stack.cluster"
LABEL_POOL = "hpc-stack.pool"
LABEL_NODE = "hpc-stack.node"
LABEL_CAPACITY = "hpc-stack.capacity"

_KEY_PATH = "etc/slurm/slurm.key"
# slurmd and its steps need something besides what jobs may ask for.
_MEMORY_ON_TOP = 256 << 20


class Recipe:
    """What a node's container is. Never privileged, never SYS_ADMIN: slurmd needs neither."""

    def __init__(self, cluster: str, settings: DockerSettings, node_metrics: bool) -> None:
        self._cluster = cluster
        self._settings = settings
        # In a container, /proc shows the whole machine, which has an exporter of its own: what is
        # the node's alone is its network.
        own = "--collector.disable-defaults --collector.netdev"
        self._metrics = {"NODE_METRICS": own} if node_metrics else {}

    def name(self, node: str) -> str:
        """Of a node's container."""
        return f"hpc-{self._cluster}-{node}"

    def arguments(self, client: docker.APIClient, request: LaunchRequest) -> dict[str, Any]:
        """Keyword arguments of APIClient.create_container, besides the name."""
        settings = self._settings
        # The stubs take EndpointConfig for the whole mapping of networks.
        endpoint: Any = {settings.network: client.create_endpoint_config(aliases=[request.node])}
        return {
            "image": settings.image,
            "hostname": request.node,
            "environment": {
                "SLURM_NODE_NAME": request.node,
                "SLURM_CONTROLLER": settings.controller,
                **self._metrics,
                **_spot_environment(request),
            },
            "labels": {
                **settings.labels,
                LABEL_CLUSTER: self._cluster,
                LABEL_POOL: request.pool.name,
                LABEL_NODE: request.node,
                LABEL_CAPACITY: request.capacity.value,
            },
            "host_config": client.create_host_config(**self._host(request)),
            "networking_config": NetworkingConfig(endpoint),
        }

    def _host(self, request: LaunchRequest) -> dict[str, Any]:
        pool = request.pool
        binds = {
            volume.source: {"bind": volume.target, "mode": "ro" if volume.read_only else "rw"}
            for volume in self._settings.volumes
        }
        host: dict[str, Any] = {
            "init": True,
            "network_mode": self._settings.network,
            "restart_policy": {"Name": "no"},
            "nano_cpus": pool.cpus * 1_000_000_000,
            "mem_limit": (pool.memory_mb << 20) + _MEMORY_ON_TOP,
            "log_config": LogConfig(type="local", config={"max-size": "5m", "max-file": "2"}),
            "security_opt": ["no-new-privileges:true"],
            "pids_limit": 32768,  # a fork bomb ends with its node
            # What a job reads and writes (/proc/*/io) is its user's alone otherwise, and Slurm then
            # records nothing of its processes, not even their memory.
            "cap_add": ["SYS_PTRACE"],
        }
        if self._settings.cgroup == "v2":
            # slurmd makes its jobs' cgroups below its own, filters devices by BPF programs and
            # binds tasks to cores (SYS_NICE).
            host["cgroupns"] = "host"
            host["cap_add"] += ["BPF", "NET_ADMIN", "SYS_NICE"]
            binds["/sys/fs/cgroup"] = {"bind": "/sys/fs/cgroup", "mode": "rw"}
        host["binds"] = binds
        if pool.gpus:
            host |= _devices(pool.gpus.files_of(node_index(request.node)), self._settings.gpu_ids)
        return host


def _spot_environment(request: LaunchRequest) -> dict[str, str]:
    """What the watcher on a spot node needs; without it there is no watcher."""
    spot = request.pool.spot
    if spot is None or request.capacity is not Capacity.SPOT:
        return {}
    return {
        "SPOT_SIGNAL": spot.signal,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": spot.metadata_endpoint,
    }


def _devices(files: Sequence[str], gpu_ids: Mapping[str, str]) -> dict[str, Any]:
    """A node's own GPUs: NVIDIA's come through its runtime, with driver libraries; others as they
    are. By id, since the runtime does not count GPUs as their files are numbered."""
    ids = [gpu_ids[file] for file in files if file in gpu_ids]
    plain = [f"{file}:{file}:rwm" for file in files if file not in gpu_ids]
    request = DeviceRequest(device_ids=ids, capabilities=[["gpu"]])
    return {"devices": plain, "device_requests": [request] if ids else []}


def key_archive(key: bytes) -> bytes:
    """The key as the tar archive that put_archive takes: root's, and nobody else may read it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(_KEY_PATH)
        entry.size = len(key)
        entry.mode = 0o400
        archive.addfile(entry, io.BytesIO(key))
    return buffer.getvalue()
