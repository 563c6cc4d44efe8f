"""Which addresses go where in a VPC."""

from ipaddress import IPv4Address, IPv4Network
from itertools import chain, combinations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from config.subnet_plan import (
    AWS_RESERVES,
    DOCKER_BRIDGE,
    LARGEST_VPC,
    PRIVATE,
    SMALLEST_VPC,
    SubnetPlan,
    SubnetPlanError,
    plan_subnets,
)

ZONES = [f"eu-central-1{letter}" for letter in "abcdef"]
VPC = IPv4Network("10.80.0.0/16")

some_zones = st.lists(st.sampled_from(ZONES), min_size=1, unique=True)
# Addresses are counted one by one, and the machine may be busy with a cluster.
unhurried = settings(deadline=None)


@st.composite
def ranges(draw: st.DrawFn) -> IPv4Network:
    """Any range that a VPC of ours may have."""
    inside = draw(st.sampled_from(PRIVATE))
    prefix = draw(st.integers(max(LARGEST_VPC, inside.prefixlen), SMALLEST_VPC))
    number = draw(st.integers(0, 2 ** (prefix - inside.prefixlen) - 1))
    first = int(inside.network_address) + number * 2 ** (32 - prefix)
    cidr = IPv4Network((first, prefix))
    assume(not cidr.overlaps(DOCKER_BRIDGE))
    return cidr


def subnets(plan: SubnetPlan) -> list[IPv4Network]:
    return [*plan.private.values(), *plan.public.values(), plan.controller]


def refused(text: str, zones: list[str]) -> SubnetPlanError:
    with pytest.raises(SubnetPlanError) as caught:
        plan_subnets(IPv4Network(text), zones)
    return caught.value


# --- what holds of every plan --------------------------------------------------------------------


@given(cidr=ranges(), zones=some_zones)
def test_no_two_subnets_overlap(cidr: IPv4Network, zones: list[str]) -> None:
    made = subnets(plan_subnets(cidr, zones))
    assert not [(a, b) for a, b in combinations(made, 2) if a.overlaps(b)]


@given(cidr=ranges(), zones=some_zones)
def test_every_subnet_is_inside_the_vpc(cidr: IPv4Network, zones: list[str]) -> None:
    assert all(subnet.subnet_of(cidr) for subnet in subnets(plan_subnets(cidr, zones)))


@given(cidr=ranges(), zones=some_zones)
def test_every_subnet_has_a_size_that_aws_takes(cidr: IPv4Network, zones: list[str]) -> None:
    assert all(16 <= subnet.prefixlen <= 28 for subnet in subnets(plan_subnets(cidr, zones)))


@given(cidr=ranges(), zones=some_zones)
def test_each_zone_has_a_private_and_a_public_subnet(cidr: IPv4Network, zones: list[str]) -> None:
    plan = plan_subnets(cidr, zones)
    assert list(plan.private) == list(plan.public) == zones


@given(cidr=ranges(), before=some_zones, after=some_zones)
def test_a_zone_keeps_its_subnets_whatever_becomes_of_the_others(
    cidr: IPv4Network, before: list[str], after: list[str]
) -> None:
    old, new = plan_subnets(cidr, before), plan_subnets(cidr, after)
    for zone in set(before) & set(after):
        assert new.private[zone] == old.private[zone]
        assert new.public[zone] == old.public[zone]
    assert new.controller == old.controller


@given(cidr=ranges(), before=some_zones, after=some_zones)
def test_what_a_zone_leaves_behind_no_other_zone_takes(
    cidr: IPv4Network, before: list[str], after: list[str]
) -> None:
    old, new = plan_subnets(cidr, before), plan_subnets(cidr, after)
    kept = {*before} & {*after}
    taken = chain.from_iterable(
        (new.private[zone], new.public[zone]) for zone in after if zone not in kept
    )
    assert not set(taken) & set(subnets(old))


@unhurried
@given(cidr=ranges(), zones=some_zones)
def test_as_many_nodes_fit_as_there_are_addresses_that_aws_leaves(
    cidr: IPv4Network, zones: list[str]
) -> None:
    plan = plan_subnets(cidr, zones)
    # Counted one by one in each subnet: AWS keeps the first four addresses and the last.
    free = [list(subnet)[4:-1] for subnet in plan.private.values()]
    assert plan.nodes == sum(map(len, free))
    plan.require(plan.nodes)
    with pytest.raises(SubnetPlanError):
        plan.require(plan.nodes + 1)


@given(cidr=ranges(), zones=some_zones)
def test_nodes_have_an_eighth_of_the_range_in_each_zone(
    cidr: IPv4Network, zones: list[str]
) -> None:
    plan = plan_subnets(cidr, zones)
    assert {8 * subnet.num_addresses for subnet in plan.private.values()} == {cidr.num_addresses}


@unhurried
@given(cidr=ranges(), zones=some_zones, public=st.booleans())
def test_the_controllers_address_is_one_that_aws_gives_away(
    cidr: IPv4Network, zones: list[str], public: bool
) -> None:
    plan = plan_subnets(cidr, zones)
    address = plan.controller_address(public=public)
    subnet = plan.public[zones[0]] if public else plan.controller
    assert address in list(subnet)[4:-1]
    assert not any(address in private for private in plan.private.values())


@given(cidr=ranges(), zones=some_zones, public=st.booleans())
def test_the_controllers_address_stays_when_zones_come_after_the_first(
    cidr: IPv4Network, zones: list[str], public: bool
) -> None:
    alone = plan_subnets(cidr, zones[:1]).controller_address(public=public)
    assert plan_subnets(cidr, zones).controller_address(public=public) == alone


@given(prefix=st.integers(0, 32), number=st.integers(0, 2**32 - 1), zones=some_zones)
def test_any_range_is_planned_or_refused_in_words(
    prefix: int, number: int, zones: list[str]
) -> None:
    cidr = IPv4Network((number, prefix), strict=False)
    error = plan = None
    try:
        plan = plan_subnets(cidr, zones)
    except SubnetPlanError as refusal:
        error = refusal
    assert (error and error.allowed and error.fix) or (plan and plan.nodes > 0)


# --- the numbers ---------------------------------------------------------------------------------


def test_the_plan_of_a_usual_range() -> None:
    plan = plan_subnets(VPC, ["eu-central-1a", "eu-central-1c"])
    assert {zone: str(subnet) for zone, subnet in plan.private.items()} == {
        "eu-central-1a": "10.80.0.0/19",
        "eu-central-1c": "10.80.64.0/19",
    }
    assert {zone: str(subnet) for zone, subnet in plan.public.items()} == {
        "eu-central-1a": "10.80.192.0/22",
        "eu-central-1c": "10.80.200.0/22",
    }
    assert str(plan.controller) == "10.80.216.0/22"
    assert plan.controller_address(public=True) == IPv4Address("10.80.192.4")
    assert plan.controller_address(public=False) == IPv4Address("10.80.216.4")
    assert plan.nodes == 2 * (8192 - AWS_RESERVES)


def test_the_smallest_range_has_the_smallest_subnets_that_aws_takes() -> None:
    plan = plan_subnets(IPv4Network("10.0.0.0/22"), ZONES)
    assert {subnet.prefixlen for subnet in plan.private.values()} == {25}
    assert {subnet.prefixlen for subnet in plan.public.values()} == {28}
    assert plan.nodes == 6 * (128 - 5)


def test_the_controller_is_in_the_first_zone_listed() -> None:
    plan = plan_subnets(VPC, ["eu-central-1b", "eu-central-1a"])
    assert plan.controller_address(public=True) in plan.public["eu-central-1b"]


@pytest.mark.parametrize("region", ["us-east-1", "us-gov-west-1", "ap-southeast-2", "il-central-1"])
def test_the_zones_of_every_region_have_a_place(region: str) -> None:
    zones = [f"{region}{letter}" for letter in "abcdef"]
    assert list(plan_subnets(VPC, zones).private) == zones


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cidr", "allowed", "fix"),
    [
        ("8.8.0.0/16", "inside 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16", "such as 10.80.0.0/16"),
        ("172.32.0.0/16", "172.16.0.0/12", "such as 10.80.0.0/16"),
        ("100.128.0.0/16", "100.64.0.0/10", "such as 10.80.0.0/16"),
        ("192.168.0.0/15", "192.168.0.0/16", "such as 10.80.0.0/16"),
        ("0.0.0.0/0", "inside 10.0.0.0/8", "such as 10.80.0.0/16"),
        ("10.0.0.0/15", "from /16 to /22", "write /16"),
        ("10.0.0.0/23", "from /16 to /22", "write /22"),
        ("10.0.0.0/28", "from /16 to /22", "write /22"),
        ("172.17.0.0/16", "does not overlap 172.17.0.0/16", "such as 10.80.0.0/16"),
        ("172.17.252.0/22", "does not overlap 172.17.0.0/16", "such as 10.80.0.0/16"),
    ],
)
def test_a_range_that_cannot_be_used_is_refused(cidr: str, allowed: str, fix: str) -> None:
    error = refused(cidr, ZONES[:1])
    assert allowed in error.allowed
    assert fix in error.fix


@pytest.mark.parametrize("cidr", ["172.16.0.0/16", "172.18.0.0/16", "100.64.0.0/16"])
def test_the_neighbours_of_what_is_refused_are_not(cidr: str) -> None:
    assert plan_subnets(IPv4Network(cidr), ZONES).nodes


def test_bits_outside_the_prefix_never_reach_a_plan() -> None:
    with pytest.raises(ValueError, match="has host bits set"):
        IPv4Network("10.80.0.1/16")


@pytest.mark.parametrize(
    "zone",
    [
        "us-west-2-lax-1a",
        "us-east-1-bos-1a",
        "us-east-1-wl1-bos-wlz-1",
        "eu-central-1",
        "eu-central-1g",
        "eu-central-1A",
        "eu-central-1ab",
        "eu-central-a",
        "euc1-az1",
        "1a",
        "a",
        "",
        "eu-central-1a\n",
    ],
)
def test_a_zone_that_is_no_regions_own_is_refused_by_its_name(zone: str) -> None:
    error = refused("10.80.0.0/16", ["eu-central-1b", zone])
    assert error.allowed == "zones of a region, a to f"
    assert zone in error.fix


@pytest.mark.parametrize(
    "zones", [[], ["eu-central-1a", "eu-central-1a"], ["eu-central-1a", "us-east-1a"]]
)
def test_no_zone_and_the_same_one_twice_are_refused(zones: list[str]) -> None:
    assert refused("10.80.0.0/16", zones).allowed == "one or more zones of one region, each once"


def test_too_few_addresses_for_the_nodes_are_refused_with_both_numbers() -> None:
    plan = plan_subnets(IPv4Network("10.0.0.0/22"), ZONES[:2])
    with pytest.raises(SubnetPlanError) as caught:
        plan.require(500)
    assert caught.value.allowed == (
        "a range with addresses for 500 nodes; this one has 246 in 2 zone(s)"
    )
    assert "larger range" in caught.value.fix


def test_an_error_says_both_texts_to_whoever_only_prints_it() -> None:
    error = refused("8.8.0.0/16", ZONES[:1])
    assert isinstance(error, ValueError)
    assert str(error) == f"allowed: {error.allowed}; fix: {error.fix}"
