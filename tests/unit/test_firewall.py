"""Who can reach whom: the allowed matrix, and what makes a rule part of it."""

from collections.abc import Iterable

import pytest

from components.aws.firewall import EXPORTERS, INTERNET, Role, Rule, firewall_rules
from components.aws.reachability import PAGE, page, paths, reach, table
from ops.environment import CHECKOUT

INSIDE = {
    ("compute", "controller"): {"6817", "6819", "60001-60999"},
    ("controller", "compute"): {"6818"},
    ("compute", "compute"): {"1024-9099", "9101-9399", "9401-65535"},
    ("compute", "storage"): {"2049"},
    ("controller", "storage"): {"2049"},
    ("monitoring", "compute"): {"9100", "9400"},
    ("compute", INTERNET): {"80", "443"},
    ("controller", INTERNET): {"80", "443"},
}
"""All that may be reached in a cluster whose nodes go out by NAT gateways."""


def matrix(rules: Iterable[Rule]) -> dict[tuple[str, str], set[str]]:
    return {ends: set(ports) for ends, ports in reach(rules).items()}


def test_a_cluster_behind_gateways_has_exactly_these_paths() -> None:
    assert matrix(firewall_rules(forwards=False, efa=False)) == INSIDE


def test_a_controller_that_forwards_takes_the_nodes_web_traffic_but_opens_nothing_else() -> None:
    rules = firewall_rules(forwards=True, efa=False)
    assert matrix(rules) == INSIDE  # what is forwarded is between a node and the internet
    more = set(rules) - set(firewall_rules(forwards=False, efa=False))
    assert {(r.group, r.direction, r.peer, r.ports) for r in more} == {
        (Role.CONTROLLER, "ingress", Role.COMPUTE, (80, 80)),
        (Role.CONTROLLER, "ingress", Role.COMPUTE, (443, 443)),
    }


def test_adapters_open_nodes_to_each_other_only_where_a_pool_asks_for_them() -> None:
    assert matrix(firewall_rules(forwards=False, efa=True)) == {**INSIDE, ("efa", "efa"): {"all"}}


def test_ssh_is_open_to_the_named_ranges_alone() -> None:
    rules = firewall_rules(
        ssh_from=["192.0.2.0/24", "10.0.0.0/8"], ssh_port=2022, forwards=True, efa=False
    )
    assert matrix(rules) == {
        **INSIDE,
        ("192.0.2.0/24", "controller"): {"2022"},
        ("10.0.0.0/8", "controller"): {"2022"},
    }


def covers(ports: str, port: int) -> bool:
    """Whether ports, as a path tells them, have one among them."""
    if ports == "all":
        return True
    first, _, last = ports.partition("-")
    return int(first) <= port <= int(last or first)


@pytest.mark.parametrize("port", EXPORTERS)
@pytest.mark.parametrize(("efa", "others"), [(False, set()), (True, {("efa", "efa")})])
def test_what_measures_a_node_is_reached_by_who_collects_it_and_over_adapters_alone(
    port: int, efa: bool, others: set[tuple[str, str]]
) -> None:
    rules = firewall_rules(ssh_from=["192.0.2.0/24"], forwards=True, efa=efa)
    found = {(path.source, path.target) for path in paths(rules) if covers(path.ports, port)}
    assert found == {("monitoring", "compute"), *others}


def test_nodes_reach_each_other_at_every_other_port_that_needs_no_privilege() -> None:
    ranges = reach(firewall_rules(forwards=False, efa=False))["compute", "compute"]
    closed = {p for p in range(1 << 16) if not any(covers(ports, p) for ports in ranges)}
    assert closed == {*range(1024), *EXPORTERS}


@pytest.mark.parametrize("forwards", [True, False])
@pytest.mark.parametrize("efa", [True, False])
def test_nothing_comes_in_from_the_internet(forwards: bool, efa: bool) -> None:
    rules = firewall_rules(ssh_from=["192.0.2.0/24"], forwards=forwards, efa=efa)
    assert not [rule for rule in rules if rule.direction == "ingress" and rule.peer == INTERNET]


def test_every_rule_has_a_name_of_its_own_and_a_description_that_ec2_takes() -> None:
    rules = firewall_rules(ssh_from=["192.0.2.0/24"], forwards=True, efa=True)
    assert len({rule.key for rule in rules}) == len(rules)
    allowed = set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789. _-:/()#,@[]+=&;{}!$*"
    )
    for rule in rules:
        assert 0 < len(rule.description) <= 255
        assert set(rule.description) <= allowed


def test_a_new_rule_renames_no_other() -> None:
    before = {rule.key for rule in firewall_rules(forwards=False, efa=False)}
    after = {
        rule.key for rule in firewall_rules(ssh_from=["192.0.2.0/24"], forwards=True, efa=True)
    }
    assert before < after


def rule(group: Role, direction: str, peer: Role | str, ports: tuple[int, int] | None) -> Rule:
    assert direction in ("ingress", "egress")
    return Rule(
        group=group,
        direction="ingress" if direction == "ingress" else "egress",
        peer=peer,
        ports=ports,
        description="x",
    )


@pytest.mark.parametrize(
    ("rules", "reached"),
    [
        ([rule(Role.COMPUTE, "egress", Role.STORAGE, (2049, 2049))], False),
        ([rule(Role.STORAGE, "ingress", Role.COMPUTE, (2049, 2049))], False),
        (
            [
                rule(Role.COMPUTE, "egress", Role.STORAGE, (2049, 2049)),
                rule(Role.STORAGE, "ingress", Role.COMPUTE, (2000, 3000)),
            ],
            True,
        ),
        (
            [
                rule(Role.COMPUTE, "egress", Role.STORAGE, (2049, 2050)),
                rule(Role.STORAGE, "ingress", Role.COMPUTE, (2049, 2049)),
            ],
            False,
        ),
        (
            [
                rule(Role.COMPUTE, "egress", Role.STORAGE, (2049, 2049)),
                rule(Role.STORAGE, "ingress", Role.COMPUTE, None),
            ],
            True,
        ),
    ],
)
def test_a_connection_needs_the_permission_of_both_ends(rules: list[Rule], reached: bool) -> None:
    assert bool(paths(rules)) is reached


def test_the_page_in_docs_is_current() -> None:
    current = (CHECKOUT / PAGE).read_text(encoding="utf-8")
    assert current == page(), "run `make docs`"


def test_the_table_has_a_line_for_each_path() -> None:
    rules = firewall_rules(forwards=True, efa=True)
    text = table(rules)
    assert len(text.splitlines()) == 2 + len(paths(rules))
    assert "| compute | controller | 6817 | nodes register and report to slurmctld |" in text
