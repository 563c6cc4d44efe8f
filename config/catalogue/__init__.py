"""What EC2 instance types are, and what things on AWS cost: data, and its types.

The facts are EC2's own (DescribeInstanceTypes); the prices are those of one region on one day, on
demand for Linux, and indicative. `python -m ops.catalogue` asks AWS again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

TYPES_FILE = Path(__file__).parent / "instance_types.json"
PRICES_FILE = Path(__file__).parent / "prices.json"

SYSTEM_MB = 512
"""Memory that Amazon Linux, Docker, slurmd and the SSM agent take on an idle node, in MiB."""
SYSTEM_SHARE = 0.04
"""Part of the nominal memory that a machine never sees: firmware, page tables, crash kernel."""


@dataclass(frozen=True, kw_only=True)
class GpuKind:
    """The GPUs of a type. `type` is how Slurm names it, `memory_mb` that of one."""

    type: str
    count: int
    memory_mb: int


@dataclass(frozen=True, kw_only=True)
class Nvme:
    """Disks of the machine itself, empty at each launch. `gb`: of all together."""

    disks: int
    gb: int


@dataclass(frozen=True, kw_only=True)
class Price:
    """Dollars an hour. `spot` is None for a type that is not sold so."""

    on_demand: float
    spot: float | None


@dataclass(frozen=True, kw_only=True)
class InstanceType:
    """One type of machine."""

    name: str
    vcpus: int
    memory_mb: int
    architecture: Literal["x86_64", "arm64"]
    gpus: GpuKind | None
    efa: bool
    nvme: Nvme | None
    placement_group: bool
    """Whether its machines can be placed close to each other."""
    price: Price

    @property
    def usable_memory_mb(self) -> int:
        """Memory that jobs may use, in MiB."""
        return int(self.memory_mb * (1 - SYSTEM_SHARE)) - SYSTEM_MB


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Dollars for what is no instance: a month, an hour or a GB each."""

    region: str
    date: str
    ebs_gp3_gb_month: float
    ebs_snapshot_gb_month: float
    efs_gb_month: float
    efs_unused_gb_month: float
    s3_gb_month: float
    nat_gateway_hour: float
    nat_gateway_gb: float
    public_ipv4_hour: float
    cloudwatch_alarm_month: float
    cloudwatch_logs_gb: float
    ecr_gb_month: float


@cache
def catalogue() -> Mapping[str, InstanceType]:
    """Every type that is known, by name."""
    types = json.loads(TYPES_FILE.read_text())["types"]
    return MappingProxyType({name: instance_type(name, facts) for name, facts in types.items()})


@cache
def prices() -> Prices:
    """Of everything besides instances."""
    document = json.loads(PRICES_FILE.read_text())
    return Prices(**{key: value for key, value in document.items() if key != "version"})


def instance_type(name: str, facts: Mapping[str, Any]) -> InstanceType:
    """A type from its entry in the file."""
    gpus, nvme = facts["gpus"], facts["nvme"]
    return InstanceType(
        name=name,
        vcpus=facts["vcpus"],
        memory_mb=facts["memory_mb"],
        architecture=facts["architecture"],
        gpus=gpus and GpuKind(**gpus),
        efa=facts["efa"],
        nvme=nvme and Nvme(**nvme),
        placement_group=facts["placement_group"],
        price=Price(**facts["price"]),
    )
