"""What EC2 instance types are, and what things on AWS cost: data, and its types.

The facts are EC2's own (DescribeInstanceTypes). The prices are those of one region on one day, on
demand for Linux, and indicative: what is charged is on the bill. `python -m ops.catalogue` asks AWS
again, and adds types.
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
"""Memory in MiB that Amazon Linux, Docker, slurmd and the SSM agent take on an idle node."""
SYSTEM_SHARE = 0.04
"""Part of the nominal memory that no process ever gets: firmware and crash kernel, and the kernel's
own description of each page (64 bytes for 4096, that is 1.6 %). It grows with the machine."""


def memory_for_jobs(nominal_mb: int) -> int:
    """What jobs may use of a machine's memory, in MiB: 96 % of it, less 512.

    slurmd refuses to work on a node that has less than slurm.conf says, so this errs on the side of
    the system.
    """
    return int(nominal_mb * (1 - SYSTEM_SHARE)) - SYSTEM_MB


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
    region: str
    """Where it is asked for this. The catalogue's, unless the type is not sold there."""
    date: str
    """The day on which it was, as YYYY-MM-DD."""


@dataclass(frozen=True, kw_only=True)
class InstanceType:
    """One type of machine."""

    name: str
    vcpus: int
    memory_mb: int
    architecture: Literal["x86_64", "arm64"]
    gpus: GpuKind | None
    efa: bool
    efa_interfaces: int
    """Elastic Fabric Adapters that a machine may have, 0 without."""
    nvme: Nvme | None
    network_gbps: float
    """Peak of all its network cards together; small machines reach it for minutes only."""
    burstable: bool
    """Whether it lives on CPU credits: fit for a controller, not for jobs."""
    placement_groups: bool
    """Whether its machines can be placed close to each other (strategy `cluster`)."""
    price: Price

    @property
    def usable_memory_mb(self) -> int:
        """Memory that jobs may use, in MiB."""
        return memory_for_jobs(self.memory_mb)

    @property
    def usable_cpus(self) -> int:
        """CPUs that jobs may use: all. What the system does between jobs' steps is short."""
        return self.vcpus


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """The file of types. Prices are of `region` and `date` where a type does not say another."""

    region: str
    date: str
    note: str
    """Where the prices come from, for whoever reads the file."""
    types: Mapping[str, InstanceType]


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Dollars for what is no instance: a month, an hour or a GB each. The file has the sources."""

    region: str
    date: str
    ebs_gp3_gb_month: float
    ebs_snapshot_gb_month: float
    efs_gb_month: float
    efs_unused_gb_month: float
    """Of files that were moved to Infrequent Access."""
    s3_gb_month: float
    nat_gateway_hour: float
    nat_gateway_gb: float
    public_ipv4_hour: float
    interface_endpoint_hour: float
    """In each zone."""
    kms_key_month: float
    cloudwatch_alarm_month: float
    cloudwatch_logs_gb: float
    """Taken in."""
    ecr_gb_month: float
    cross_zone_gb: float
    """Each way."""
    internet_egress_gb: float


@cache
def catalogue() -> Mapping[str, InstanceType]:
    """Every type that is known, by name."""
    return parse_catalogue(TYPES_FILE.read_text()).types


@cache
def prices() -> Prices:
    """Of everything besides instances."""
    document = json.loads(PRICES_FILE.read_text())
    dollars = {name: entry["dollars"] for name, entry in document["prices"].items()}
    return Prices(region=document["region"], date=document["date"], **dollars)


def parse_catalogue(text: str) -> Catalogue:
    """The file of types from its text."""
    document = json.loads(text)
    region, date = document["region"], document["date"]
    types = {
        name: instance_type(name, entry, region=region, date=date)
        for name, entry in document["types"].items()
    }
    note = document["note"]
    return Catalogue(region=region, date=date, note=note, types=MappingProxyType(types))


def instance_type(name: str, entry: Mapping[str, Any], *, region: str, date: str) -> InstanceType:
    """A type from its entry in the file; region and date are the file's."""
    gpus, nvme = entry["gpus"], entry["nvme"]
    return InstanceType(
        **{
            **entry,
            "name": name,
            "gpus": gpus and GpuKind(**gpus),
            "nvme": nvme and Nvme(**nvme),
            "price": Price(**{"region": region, "date": date, **entry["price"]}),
        }
    )
