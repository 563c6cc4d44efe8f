"""Which addresses go where in a VPC: pure arithmetic on ranges.

The VPC is cut into eight equal slots. Six are the private subnets of zones a to f, by the zone's
letter, so that a zone that is added, left out or listed elsewhere moves no other. The seventh is
cut again, by letter, into small subnets for what must reach out. The eighth is free, as are the
slots of unused zones: nodes have an eighth of the range in each zone, three eighths with three
zones and never more than six. That is the price of a plan that holds; a larger range costs nothing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

LETTERS = "abcdef"
_ZONE = re.compile(rf"[a-z]{{2}}(-[a-z]+)+-[0-9][{LETTERS}]")
"""Of a region itself. Local zones and those of phone networks have longer names."""
SLOT_BITS = 3
EDGE_SLOT = 6
AWS_RESERVES = 5
"""Addresses of each subnet that AWS keeps: the first four and the last.
https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html"""
LARGEST_VPC, SMALLEST_VPC = 16, 22
"""AWS' subnets are /28 or larger. A /22 gives zones /25s, and their edges /28s."""
DOCKER_BRIDGE = IPv4Network("172.17.0.0/16")
PRIVATE = tuple(
    IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)


class SubnetPlanError(ValueError):
    """The range cannot be used; `allowed` and `fix` say what could, and what to do."""

    def __init__(self, allowed: str, fix: str) -> None:
        self.allowed, self.fix = allowed, fix
        super().__init__(f"allowed: {allowed}; fix: {fix}")


@dataclass(frozen=True, kw_only=True)
class SubnetPlan:
    """The subnets of a VPC by zone, in the order of the zones given."""

    cidr: IPv4Network
    private: Mapping[str, IPv4Network]
    public: Mapping[str, IPv4Network]
    controller: IPv4Network
    """Private, in the first zone: where the controller is when it need not reach out itself."""

    def controller_address(self, *, public: bool) -> IPv4Address:
        """The address that the controller always has: the first that AWS gives to anybody."""
        subnet = next(iter(self.public.values())) if public else self.controller
        return subnet[4]

    @property
    def nodes(self) -> int:
        """How many nodes have an address."""
        return sum(subnet.num_addresses - AWS_RESERVES for subnet in self.private.values())

    def require(self, nodes: int) -> None:
        """Raises SubnetPlanError where so many nodes would not find addresses."""
        if nodes > self.nodes:
            raise SubnetPlanError(
                f"a range with addresses for {nodes} nodes; this one has {self.nodes} in "
                f"{len(self.private)} zone(s)",
                "choose a larger range, add a zone, or lower the pools' max_nodes",
            )


def plan_subnets(cidr: IPv4Network, zones: Sequence[str]) -> SubnetPlan:
    """The plan for zones such as `eu-central-1a`, the controller's first.

    Raises SubnetPlanError.
    """
    _check(cidr)
    slots = list(cidr.subnets(prefixlen_diff=SLOT_BITS))
    edges = list(slots[EDGE_SLOT].subnets(prefixlen_diff=SLOT_BITS))
    index = {zone: _index(zone) for zone in zones}
    if not zones or len(set(index.values())) < len(zones):
        raise SubnetPlanError(
            "one or more zones of one region, each once", "correct the list of zones"
        )
    return SubnetPlan(
        cidr=cidr,
        private={zone: slots[number] for zone, number in index.items()},
        public={zone: edges[number] for zone, number in index.items()},
        controller=edges[len(LETTERS)],
    )


def _check(cidr: IPv4Network) -> None:
    if not any(cidr.subnet_of(network) for network in PRIVATE):
        raise SubnetPlanError(
            f"a range inside {', '.join(map(str, PRIVATE))}", "choose one, such as 10.80.0.0/16"
        )
    if not LARGEST_VPC <= cidr.prefixlen <= SMALLEST_VPC:
        raise SubnetPlanError(
            f"a range from /{LARGEST_VPC} to /{SMALLEST_VPC}",
            f"write /{min(max(cidr.prefixlen, LARGEST_VPC), SMALLEST_VPC)}",
        )
    if cidr.overlaps(DOCKER_BRIDGE):
        raise SubnetPlanError(
            f"a range that does not overlap {DOCKER_BRIDGE}, which Docker uses on every machine",
            "choose another one, such as 10.80.0.0/16",
        )


def _index(zone: str) -> int:
    if not _ZONE.fullmatch(zone):
        raise SubnetPlanError(
            "zones of a region, a to f", f"{zone} is a local or another kind of zone: leave it out"
        )
    return LETTERS.index(zone[-1])
