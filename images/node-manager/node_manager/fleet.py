"""What the infrastructure tells the node manager: pools, limits and the platform's own settings.

fleet_file.py reads it from fleet.json.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Literal
from zoneinfo import ZoneInfo


class Capacity(StrEnum):
    """How a machine is bought."""

    ON_DEMAND = "on_demand"
    SPOT = "spot"


@dataclass(frozen=True, kw_only=True)
class Gpus:
    """The GPUs of a pool's nodes."""

    type: str
    count: int
    """Of one node."""
    device_files: tuple[str, ...]
    """Those of each node; or, where nodes share one machine, of all nodes one after the other."""

    def files_of(self, index: int) -> tuple[str, ...]:
        """Device files of the pool's node of that number, from 1."""
        if len(self.device_files) == self.count:
            return self.device_files
        return self.device_files[(index - 1) * self.count : index * self.count]


@dataclass(frozen=True, kw_only=True)
class Window:
    """A time of the week in which a pool has at least `nodes` nodes.

    `days`: 0 is Monday. `start`, `end`: minutes since midnight, in the fleet's time zone; a window
    whose end is not after its start ends on the next day.
    """

    days: frozenset[int]
    start: int
    end: int
    nodes: int


@dataclass(frozen=True, kw_only=True)
class Spot:
    """How a pool lives with machines that may be taken back at two minutes' notice."""

    on_demand_nodes: int
    """The first so many nodes of the pool are on demand all the same, for jobs that want that."""
    fallback_after_failures: int | None
    """On-demand machines are launched after so many launches without spot capacity in a row..."""
    fallback_after_seconds: int | None
    """...or when there has been none for so long. Both None: never."""
    allocation_strategy: str
    signal: str
    """Signal to the jobs' batch scripts when a notice comes, for instance "USR1"."""
    metadata_endpoint: str
    """Where a node's watcher reads notices (IMDS)."""


@dataclass(frozen=True, kw_only=True)
class InstanceType:
    """An EC2 instance type that a pool may use, with its prices in dollars an hour."""

    name: str
    on_demand_price: float
    spot_price: float


@dataclass(frozen=True, kw_only=True)
class Ec2Pool:
    """Where and from what an EC2 pool's machines are launched."""

    launch_template: str
    launch_template_version: str
    subnets: tuple[str, ...]
    instance_types: tuple[InstanceType, ...]


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Nodes of one shape; Slurm's partition and NodeSet have the same name."""

    name: str
    min_nodes: int
    max_nodes: int
    cpus: int
    memory_mb: int
    gpus: Gpus | None
    warm_nodes: int = 0
    """Nodes that are up and idle, ahead of demand."""
    schedule: tuple[Window, ...] = ()
    prices: Mapping[Capacity, float]
    """The most that a node may cost, in dollars an hour."""
    spot: Spot | None = None
    """None: every node is on demand."""
    ec2: Ec2Pool | None = None

    def node_names(self) -> tuple[str, ...]:
        """Every node that the pool may have, whether it exists or not."""
        return tuple(f"{self.name}-{index}" for index in range(1, self.max_nodes + 1))

    def capacity(self, node: str) -> Capacity:
        """How the node's machine is bought while nothing is short."""
        index = node_index(node)
        if self.spot is None or index <= self.spot.on_demand_nodes:
            return Capacity.ON_DEMAND
        return Capacity.SPOT


def node_index(node: str) -> int:
    """The number of a node in its pool, from 1."""
    return int(node.rpartition("-")[2])


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What no launch may pass. None: no limit."""

    max_instances: int | None
    max_cost_per_hour: float | None
    memory_mb: int | None
    """Of all nodes together: on one machine, that machine's."""
    brake_after: int
    """Failed starts of a pool in a row after which it launches no more until somebody resumes."""


PERIODS = ("month", "quarter", "year", "forever")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """At this much in a period (one of PERIODS) no node is kept without a job any more."""

    dollars: float
    period: str


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A volume that every node mounts."""

    source: str
    target: str
    read_only: bool


@dataclass(frozen=True, kw_only=True)
class DockerSettings:
    """What only the Docker provider needs."""

    image: str
    network: str
    controller: str
    volumes: tuple[Volume, ...]
    cgroup: Literal["v1", "v2"]
    labels: Mapping[str, str]
    gpu_ids: Mapping[str, str] = field(default_factory=dict)
    """NVIDIA's id of each of its device files."""


@dataclass(frozen=True, kw_only=True)
class Ec2Settings:
    """What only the EC2 provider needs. The endpoint is boto3's own business (AWS_ENDPOINT_URL)."""

    region: str
    names_bucket: str
    names_prefix: str
    """One object per pool, `<prefix><pool>.json`, tells each instance its node's name."""
    tags: Mapping[str, str]
    shortage_seconds: int
    """How long a type and zone that had no capacity is left out."""


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The whole file. Timeouts are Slurm's own, in seconds."""

    cluster: str
    provider: str
    resume_timeout_seconds: int
    suspend_timeout_seconds: int
    pools: tuple[Pool, ...]
    limits: Limits
    time_zone: ZoneInfo
    node_metrics: bool = False
    """Whether each node tells how it is, at targets.NODE_METRICS_PORT."""
    budget: Budget | None = None
    docker: DockerSettings | None = None
    ec2: Ec2Settings | None = None

    @cached_property
    def pool_of_node(self) -> Mapping[str, Pool]:
        """Node name to pool, for every node that the fleet may have."""
        return {node: pool for pool in self.pools for node in pool.node_names()}
