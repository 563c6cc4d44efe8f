"""One instance as EC2 describes it, in the manager's words. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from node_manager.ec2_errors import one_line
from node_manager.ec2_fleet_request import TAG_CLUSTER, TAG_POOL, Made
from node_manager.fleet import Capacity
from node_manager.provider import InstanceState

UNNAMED_SECONDS = 120
"""A machine without a name waits this long for one: a launch may still be on its way to name it."""

LIVE_STATES = ("pending", "running", "shutting-down", "stopping", "stopped")
"""What is listed. EC2 shows terminated instances for about an hour longer."""

_STATES = {
    "pending": InstanceState.STARTING,
    "running": InstanceState.RUNNING,
    "shutting-down": InstanceState.STOPPING,
    "stopping": InstanceState.STOPPING,
    "stopped": InstanceState.EXITED,
    "terminated": InstanceState.EXITED,
}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """An instance with this cluster's tag. `launched_at`: seconds since the epoch."""

    instance_id: str
    pool: str
    capacity: Capacity
    instance_type: str
    state: InstanceState
    launched_at: float
    detail: str
    address: str = ""

    def waits_for_name(self, now: float) -> bool:
        """Of a machine that has no name: it may get one. Later nobody knows what it has become."""
        return now < self.launched_at + UNNAMED_SECONDS


def started(made: Made, pool: str, capacity: Capacity, now: float) -> Machine:
    """A machine that EC2 has just said to have started, before it describes it."""
    return Machine(
        instance_id=made.instance_id,
        pool=pool,
        capacity=capacity,
        instance_type=made.instance_type,
        state=InstanceState.STARTING,
        launched_at=now,
        detail=f"{made.instance_type} in {made.subnet}",
    )


def described(page: Mapping[str, Any], cluster: str) -> Iterator[Machine]:
    """The machines of one page of DescribeInstances, with times as text.

    What lacks the pool's tag is no node: the controller's own host has the cluster's tag, too.
    """
    for reservation in page.get("Reservations") or ():
        for instance in reservation.get("Instances") or ():
            tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags") or ()}
            if tags.get(TAG_CLUSTER) == cluster and TAG_POOL in tags:
                yield _machine(instance, tags[TAG_POOL])


def _machine(instance: Mapping[str, Any], pool: str) -> Machine:
    kind = instance.get("InstanceType", "")
    zone = (instance.get("Placement") or {}).get("AvailabilityZone", "")
    state = (instance.get("State") or {}).get("Name", "")
    why = instance.get("StateReason") or {}
    reason = one_line(why.get("Message") or why.get("Code") or "")
    shows_reason = bool(reason) and state not in ("pending", "running")
    return Machine(
        instance_id=instance["InstanceId"],
        pool=pool,
        capacity=(
            Capacity.SPOT if instance.get("InstanceLifecycle") == "spot" else Capacity.ON_DEMAND
        ),
        instance_type=kind,
        state=_STATES.get(state, InstanceState.STARTING),
        launched_at=datetime.fromisoformat(instance["LaunchTime"]).timestamp(),
        detail=f"{kind} in {zone}{f', {reason}' if shows_reason else ''}",
        address=instance.get("PrivateIpAddress", ""),
    )
