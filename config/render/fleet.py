"""fleet.json: the contract between the infrastructure and the node manager, version 1.

The node manager (images/node-manager/node_manager/fleet.py) reads it; tests hold both to it.
"""

import json
from collections.abc import Sequence
from typing import Any

from config.catalogue import catalogue
from config.render.site import AwsSite, LaunchSite, Site, cluster_labels, network_name, volume_name
from config.settings import ClusterSettings, Pool
from config.settings.budgets import Budget
from config.settings.schedule import DAYS, Window
from config.settings.spot import Spot

NAMES_PREFIX = "names/"
"""Where in the system bucket the objects are that tell machines which node they are."""


def fleet_json(settings: ClusterSettings, site: Site) -> str:
    """The file's text."""
    gpu_files = settings.gpu_files
    document: dict[str, Any] = {
        "version": 1,
        "cluster": settings.name,
        "provider": "ec2" if site.aws else "docker",
        "slurm": {
            "resume_timeout_seconds": settings.slurm.resume_timeout_seconds,
            "suspend_timeout_seconds": settings.slurm.suspend_timeout_seconds,
        },
        "limits": {
            "max_instances": settings.limits.max_nodes,
            "max_cost_per_hour": settings.limits.max_cost_per_hour,
            "memory_mb": settings.limits.memory_mb or site.memory_mb,
            "brake_after": settings.limits.failed_starts,
        },
        "time_zone": settings.time_zone,
        "node_metrics": settings.monitoring.enabled,
        "budget": _budget(settings.budget),
        "pools": [
            _pool(name, pool, gpu_files.get(name, ()), site.aws)
            for name, pool in sorted(settings.pools.items())
        ],
    }
    if site.aws:
        document["ec2"] = _ec2(settings, site.aws)
    else:
        document["docker"] = _docker(settings, site)
    return json.dumps(document, indent=1) + "\n"


def _budget(budget: Budget) -> dict[str, Any] | None:
    if budget.dollars is None or budget.at_limit != "release_nodes":
        return None
    return {"dollars": budget.dollars, "period": budget.period}


def _docker(settings: ClusterSettings, site: Site) -> dict[str, Any]:
    return {
        "image": site.images["slurmd"],
        "network": network_name(settings.name),
        "controller": "slurmctld:6817",
        "volumes": [
            _volume(settings.name, "home", "/home", read_only=False),
            _volume(settings.name, "users", "/var/lib/extrausers", read_only=True),
        ],
        "cgroup": site.cgroup,
        "labels": cluster_labels(settings.name, settings.tags),
        "gpu_ids": dict(site.gpu_ids),
    }


def _ec2(settings: ClusterSettings, aws: AwsSite) -> dict[str, Any]:
    return {
        "region": aws.region,
        "names_bucket": aws.system_bucket,
        "names_prefix": NAMES_PREFIX,
        "tags": dict(aws.tags),
        "shortage_seconds": settings.aws.shortage_seconds if settings.aws else 0,
    }


def _launch(pool: Pool, launch: LaunchSite) -> dict[str, Any]:
    kinds = catalogue()
    return {
        "launch_template": launch.launch_template,
        "launch_template_version": launch.launch_template_version,
        "subnets": list(launch.subnets),
        "instance_types": [
            {
                "name": name,
                "on_demand_price": kinds[name].price.on_demand,
                # Only a type that is never bought so has none.
                "spot_price": kinds[name].price.spot or kinds[name].price.on_demand,
            }
            for name in pool.instance_types
        ],
    }


def _pool(name: str, pool: Pool, gpu_files: Sequence[str], aws: AwsSite | None) -> dict[str, Any]:
    gpus, spot = pool.gpus, pool.spot_settings
    spot_price = spot.price_per_hour if spot else None
    return {
        "name": name,
        "min_nodes": pool.min_nodes,
        "max_nodes": pool.max_nodes,
        "cpus": pool.cpus,
        "memory_mb": pool.memory_mb,
        "gpus": gpus and {"type": gpus.type, "count": gpus.count, "device_files": list(gpu_files)},
        "warm_nodes": pool.warm_nodes,
        "schedule": [_window(window) for window in pool.schedule],
        "price_per_hour": {
            "on_demand": pool.price_per_hour,
            "spot": pool.price_per_hour if spot_price is None else spot_price,
        },
        "spot": spot and _spot(spot),
        **({"ec2": _launch(pool, aws.launches[name])} if aws else {}),
    }


def _window(window: Window) -> dict[str, Any]:
    return {
        "days": sorted(DAYS.index(day) for day in window.days),
        "from": window.start,
        "to": window.end,
        "nodes": window.nodes,
    }


def _spot(spot: Spot) -> dict[str, Any]:
    falls_back = spot.fallback == "on_demand"
    return {
        "on_demand_nodes": spot.on_demand_nodes,
        "fallback_after_failures": spot.fallback_after_failures if falls_back else None,
        "fallback_after_seconds": spot.fallback_after_seconds if falls_back else None,
        "allocation_strategy": spot.allocation_strategy,
        "signal": spot.signal,
        "metadata_endpoint": spot.metadata_endpoint,
    }


def _volume(cluster: str, volume: str, target: str, *, read_only: bool) -> dict[str, Any]:
    return {"source": volume_name(cluster, volume), "target": target, "read_only": read_only}
