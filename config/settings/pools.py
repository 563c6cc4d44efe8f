"""Pools: groups of equal compute nodes, each with its partition."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from config.settings.aws import PoolOnAws, TypeNames
from config.settings.part import (
    Count,
    Many,
    Number,
    Part,
    Switch,
    Text,
    Whole,
    without_duplicates,
)
from config.settings.schedule import Window
from config.settings.slurm_time import TimeLimit
from config.settings.spot import Spot

DeviceFile = Annotated[
    Text,
    Field(
        pattern=r"^/dev/[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$",
        json_schema_extra={"allowed": "a path below /dev"},
    ),
]
Feature = Annotated[
    Text,
    Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,62}$",
        json_schema_extra={"allowed": "letters, digits, '_', '.' and '-', first a letter"},
    ),
]


class Gpus(Part):
    """The GPUs of one node."""

    type: Annotated[
        Text,
        Field(
            pattern=r"^[a-z0-9][a-z0-9_.-]{0,30}$",
            json_schema_extra={"allowed": "lower-case letters, digits, '_', '.' and '-'"},
        ),
    ]
    """Name of the GPU's type; jobs ask for it with `--gres=gpu:<type>:<count>`."""
    count: Annotated[Whole, Field(ge=1, le=64)]
    """How many GPUs a node has."""
    device_files: Annotated[Many[DeviceFile], AfterValidator(without_duplicates)] | None = None
    """Device files, one for each GPU of a node; on one machine, whose nodes have GPUs of their own,
    those of all `max_nodes` nodes one after the other. Not set: `/dev/nvidia0` and the following
    that no other pool names; on one machine one pool may leave it so.
    """


class Pool(Part):
    """Equal compute nodes `<pool>-1` to `<pool>-<max_nodes>`, which exist only while wanted."""

    instance_types: TypeNames = ()
    """EC2 instance types, of which each node is one: only on AWS, and required there.

    They are of one architecture, with the same CPUs and GPUs. What is not set of `cpus`,
    `memory_mb`, `gpus` and prices then comes from the catalogue: the smallest of the types, and the
    highest price.
    """
    cpus: Annotated[Whole, Field(ge=1, le=1024)]
    """CPUs of a node."""
    memory_mb: Annotated[Whole, Field(ge=128, le=64 * 1024 * 1024)]
    """Memory of a node that jobs may use, in MiB."""
    gpus: Gpus | None = None
    """GPUs of a node. Not set: none, or those of the instance types."""
    min_nodes: Annotated[Whole, Field(ge=0, le=10000)] = 0
    """Nodes that are kept running although no job needs them."""
    max_nodes: Annotated[Whole, Field(ge=1, le=10000)]
    """Most nodes at a time."""
    warm_nodes: Annotated[Whole, Field(ge=0, le=10000)] = 0
    """Nodes that are up and idle ahead of demand, as long as `max_nodes` allows."""
    schedule: Many[Window] = ()
    """Times of the week at which nodes are to be there; where several cover a time, the largest."""
    capacity: Literal["on_demand", "spot"] = "on_demand"
    """How nodes are bought. `spot` is cheaper, and nodes may be taken back."""
    spot: Spot | None = None
    """How a pool with `capacity: spot` lives with that. Not set: the defaults."""
    price_per_hour: Annotated[Number, Field(ge=0, le=10_000)] = 0.0
    """Dollars that a node costs in an hour, for `limits` and the cost in the metrics."""
    idle_seconds: Annotated[Whole, Field(ge=1, le=30 * 24 * 3600)] = 300
    """Seconds without a job after which a node above `min_nodes` goes."""
    time_limit: TimeLimit = "1-00:00:00"
    """Longest run time of a job, also the one that a job gets that asks for none."""
    default: Switch = False
    """Whether jobs that name no partition come here.

    One pool at most says so; where none does, it is the first by name.
    """
    features: Annotated[Many[Feature], AfterValidator(without_duplicates)] = ()
    """Features of the nodes that jobs may ask for with `--constraint`."""
    priority: Annotated[Count, Field(le=65533)] = 1
    """Rank of this pool's jobs among all pools, relative to the largest.

    `slurm.priority.partition` is its weight.
    """

    aws: PoolOnAws = PoolOnAws()
    """What the nodes' machines are on AWS, besides their type."""

    @property
    def spot_settings(self) -> Spot | None:
        """How the pool's spot nodes are treated; None where it has none."""
        return None if self.capacity == "on_demand" else self.spot or Spot()

    @property
    def cheapest(self) -> float:
        """Dollars an hour of the cheapest node that the pool may have."""
        spot = self.spot_settings
        if spot is None or spot.price_per_hour is None:
            return self.price_per_hour
        return min(spot.price_per_hour, self.price_per_hour)
