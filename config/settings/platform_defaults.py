"""What AWS gives where a person has not set it: the shape of a pool's nodes, and patience.

It is filled in before the settings are read, so that all else knows only CPUs, memory, GPUs and
prices, wherever they come from.
"""

from collections.abc import Mapping
from typing import Any

from config.catalogue import InstanceType, catalogue

PATIENCE = {"resume_timeout_seconds": 600, "suspend_timeout_seconds": 120}
"""A machine boots, pulls an image and shuts down; a container on this engine does not."""


def with_platform_defaults(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a person wrote, with what they left to the platform. Mistakes stay as they are."""
    made = dict(data)
    if isinstance(pools := data.get("pools"), Mapping):
        made["pools"] = {name: _with_shape(pool) for name, pool in pools.items()}
    slurm = data.get("slurm", {})
    if data.get("platform") == "aws" and isinstance(slurm, Mapping):
        made["slurm"] = {**PATIENCE, **slurm}
    return made


def known_types(names: object) -> tuple[InstanceType, ...]:
    """The types of a list that the catalogue has."""
    if not isinstance(names, list | tuple):
        return ()
    known = catalogue()
    return tuple(known[name] for name in names if isinstance(name, str) and name in known)


def _with_shape(pool: Any) -> Any:
    if not isinstance(pool, Mapping) or not pool.get("instance_types"):
        return pool
    kinds = known_types(pool["instance_types"])
    if not kinds:
        # Which is the mistake to report; that the shape is missing follows from it.
        return {"cpus": 1, "memory_mb": 128, **pool}
    shape: dict[str, Any] = {
        "cpus": min(kind.vcpus for kind in kinds),
        "memory_mb": min(kind.usable_memory_mb for kind in kinds),
        "price_per_hour": max(kind.price.on_demand for kind in kinds),
    }
    if gpus := kinds[0].gpus:
        shape["gpus"] = {"type": gpus.type, "count": gpus.count}
    spot = pool.get("spot", {})
    prices = [kind.price.spot for kind in kinds if kind.price.spot is not None]
    if pool.get("capacity") == "spot" and isinstance(spot, Mapping) and prices:
        shape["spot"] = {"price_per_hour": max(prices), **spot}
        return {**shape, **{key: value for key, value in pool.items() if key != "spot"}}
    return {**shape, **pool}
