"""fleet.json: the contract between the infrastructure and the node manager, version 1.

The node manager (images/node-manager/node_manager/fleet.py) reads it; tests hold both to it.
"""

import json
from typing import Any

from config.render.site import Site, cluster_labels, network_name, volume_name
from config.settings import ClusterSettings, Pool


def fleet_json(settings: ClusterSettings, site: Site) -> str:
    """The file's text."""
    document = {
        "version": 1,
        "cluster": settings.name,
        "provider": "docker",
        "slurm": {
            "resume_timeout_seconds": settings.slurm.resume_timeout_seconds,
            "suspend_timeout_seconds": settings.slurm.suspend_timeout_seconds,
        },
        "pools": [_pool(name, pool) for name, pool in sorted(settings.pools.items())],
        "docker": {
            "image": site.images["slurmd"],
            "network": network_name(settings.name),
            "controller": "slurmctld:6817",
            "volumes": [
                _volume(settings.name, "home", "/home", read_only=False),
                _volume(settings.name, "users", "/var/lib/extrausers", read_only=True),
            ],
            "cgroup": site.cgroup,
            "labels": cluster_labels(settings.name, settings.tags),
        },
    }
    return json.dumps(document, indent=1) + "\n"


def _pool(name: str, pool: Pool) -> dict[str, Any]:
    gpus = pool.gpus
    return {
        "name": name,
        "min_nodes": pool.min_nodes,
        "max_nodes": pool.max_nodes,
        "cpus": pool.cpus,
        "memory_mb": pool.memory_mb,
        "gpus": gpus and {"type": gpus.type, "count": gpus.count, "device_files": list(gpus.files)},
    }


def _volume(cluster: str, volume: str, target: str, *, read_only: bool) -> dict[str, Any]:
    return {"source": volume_name(cluster, volume), "target": target, "read_only": read_only}
