"""Short ways to write down fleets, Slurm nodes and machines in these tests."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from node_manager.fleet import Fleet, Pool
from node_manager.fleet_file import parse_fleet
from node_manager.provider import Instance, InstanceState
from node_manager.slurm_state import BaseState, Flag, SlurmNode

NOW = 1_800_000_000.0

ORDINARY: dict[str, Any] = {
    "warm_nodes": 0,
    "schedule": [],
    "price_per_hour": {"on_demand": 0.0, "spot": 0.0},
    "spot": None,
    "ec2": None,
}
"""What a pool has that is nothing special."""

SPOT: dict[str, Any] = {
    "on_demand_nodes": 0,
    "fallback_after_failures": None,
    "fallback_after_seconds": None,
    "allocation_strategy": "price-capacity-optimized",
    "signal": "USR1",
    "metadata_endpoint": "http://imds:1338",
}
"""A pool's spot settings without a fallback."""


def fleet_document(**changes: Any) -> dict[str, Any]:
    """A complete fleet.json; keyword arguments replace top-level keys."""
    document: dict[str, Any] = {
        "version": 1,
        "cluster": "local",
        "provider": "docker",
        "slurm": {"resume_timeout_seconds": 120, "suspend_timeout_seconds": 30},
        "pools": [
            {
                "name": "cpu",
                "min_nodes": 0,
                "max_nodes": 4,
                "cpus": 2,
                "memory_mb": 2000,
                "gpus": None,
                **ORDINARY,
            }
        ],
        "limits": {
            "max_instances": None,
            "max_cost_per_hour": None,
            "memory_mb": None,
            "brake_after": 10,
        },
        "time_zone": "UTC",
        "node_metrics": True,
        "docker": {
            "image": "hpc-stack/slurmd:x",
            "network": "hpc-local_cluster",
            "controller": "slurmctld:6817",
            "volumes": [{"source": "home", "target": "/home", "read_only": False}],
            "cgroup": "v1",
            "labels": {"team": "a"},
        },
    }
    return document | changes


def make_fleet(
    *,
    max_nodes: int = 4,
    min_nodes: int = 0,
    limits: Mapping[str, Any] = MappingProxyType({}),
    **pool: Any,
) -> Fleet:
    """A fleet with the pool cpu; further keyword arguments are keys of the pool."""
    document = fleet_document()
    shape = {
        "name": "cpu",
        "min_nodes": min_nodes,
        "max_nodes": max_nodes,
        "cpus": 1,
        "memory_mb": 500,
        "gpus": None,
    }
    document["pools"] = [shape | ORDINARY | pool]
    document["limits"] |= limits
    return parse_fleet(document)


def make_pool() -> Pool:
    return make_fleet().pools[0]


def make_node(name: str, state: str, reason: str = "", alloc_cpus: int = 0) -> SlurmNode:
    """A node from words as `scontrol show node` prints them, for instance "IDLE+CLOUD"."""
    words = state.split("+")
    return SlurmNode(
        name=name,
        base=BaseState(words[0]),
        flags=frozenset(Flag(word) for word in words[1:]),
        reason=reason,
        alloc_cpus=alloc_cpus,
    )


def make_instance(
    node: str,
    state: InstanceState = InstanceState.RUNNING,
    *,
    provider_id: str | None = None,
    created_at: float = NOW - 10,
    detail: str = "",
    price_per_hour: float = 0.0,
    trouble: str = "",
    address: str = "",
) -> Instance:
    return Instance(
        node=node,
        provider_id=provider_id or f"id-{node}",
        pool="cpu",
        state=state,
        created_at=created_at,
        detail=detail,
        price_per_hour=price_per_hour,
        trouble=trouble,
        address=address,
    )
