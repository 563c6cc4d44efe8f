"""CreateFleet: what is asked, and what the answer says. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from node_manager.fleet import Capacity, Ec2Pool, Pool

TAG_CLUSTER = "hpc-stack:cluster"
TAG_POOL = "hpc-stack:pool"
TAG_CAPACITY = "hpc-stack:capacity"

MOST_INSTANCES = 1000
"""EC2 starts no more with one request of type "instant"."""
MOST_OVERRIDES = 300
"""EC2's limit for the other types of request, and enough for this one."""
DEFAULT_STRATEGY = "price-capacity-optimized"


@dataclass(frozen=True)
class Override:
    """A type of machine in a subnet, which is in one zone: what can be short."""

    instance_type: str
    subnet: str

    def __str__(self) -> str:
        return f"{self.instance_type} in {self.subnet}"


@dataclass(frozen=True, kw_only=True)
class Made:
    """An instance that EC2 has started."""

    instance_id: str
    instance_type: str
    subnet: str


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why some instances were not started. Type and subnet are empty where EC2 names none."""

    code: str
    message: str
    instance_type: str = ""
    subnet: str = ""


@dataclass(frozen=True, kw_only=True)
class FleetAnswer:
    """What CreateFleet has done."""

    made: tuple[Made, ...]
    refusals: tuple[Refusal, ...]


def overrides(pool: Ec2Pool) -> tuple[Override, ...]:
    """Every type of a pool in every subnet."""
    return tuple(
        Override(kind.name, subnet) for kind in pool.instance_types for subnet in pool.subnets
    )


def fleet_parameters(
    *,
    cluster: str,
    tags: Mapping[str, str],
    pool: Pool,
    template: Ec2Pool,
    capacity: Capacity,
    count: int,
    wanted: Sequence[Override],
) -> dict[str, Any]:
    """The request without its ClientToken.

    No MinTargetCapacity: fewer machines than asked for are better than none.
    """
    own = {
        **tags,
        TAG_CLUSTER: cluster,
        TAG_POOL: pool.name,
        TAG_CAPACITY: capacity.value,
    }
    labels = [{"Key": key, "Value": value} for key, value in sorted(own.items())]
    spot = capacity is Capacity.SPOT
    options: dict[str, Any]
    if spot:
        strategy = pool.spot.allocation_strategy if pool.spot else DEFAULT_STRATEGY
        options = {"SpotOptions": {"AllocationStrategy": strategy}}
    else:
        options = {"OnDemandOptions": {"AllocationStrategy": "lowest-price"}}
    return {
        "Type": "instant",
        "TargetCapacitySpecification": {
            "TotalTargetCapacity": count,
            "DefaultTargetCapacityType": "spot" if spot else "on-demand",
        },
        "LaunchTemplateConfigs": [
            {
                "LaunchTemplateSpecification": {
                    "LaunchTemplateId": template.launch_template,
                    "Version": template.launch_template_version,
                },
                "Overrides": [
                    {"InstanceType": override.instance_type, "SubnetId": override.subnet}
                    for override in wanted[:MOST_OVERRIDES]
                ],
            }
        ],
        "TagSpecifications": [
            {"ResourceType": "instance", "Tags": labels},
            {"ResourceType": "fleet", "Tags": labels},
        ],
        **options,
    }


def client_token(
    parameters: Mapping[str, Any], *, generation: int, nodes: Sequence[str], serial: Sequence[int]
) -> str:
    """The same for the same launch, so that EC2 does not carry it out twice. 64 characters.

    Made of the whole request, since EC2 refuses a known token with another request; of the names
    object's generation, which every finished launch raises; and of `serial`, without which a launch
    that found no capacity would get the same answer for a day.
    """
    content = [parameters, generation, sorted(nodes), serial]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_answer(answer: Mapping[str, Any]) -> FleetAnswer:
    """Both shapes: one element for each override (AWS), or one for each instance (moto)."""
    made, refusals = [], []
    for part in answer.get("Instances") or ():
        override = _override(part)
        kind = part.get("InstanceType") or override.get("InstanceType", "")
        made += [
            Made(
                instance_id=instance_id,
                instance_type=kind,
                subnet=override.get("SubnetId", ""),
            )
            for instance_id in part.get("InstanceIds") or ()
        ]
    for part in answer.get("Errors") or ():
        override = _override(part)
        refusals.append(
            Refusal(
                code=part.get("ErrorCode", "unknown"),
                message=part.get("ErrorMessage", ""),
                instance_type=override.get("InstanceType", ""),
                subnet=override.get("SubnetId", ""),
            )
        )
    return FleetAnswer(made=tuple(made), refusals=tuple(refusals))


def _override(part: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (part.get("LaunchTemplateAndOverrides") or {}).get("Overrides") or {}
    return found
