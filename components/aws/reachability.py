"""Who can reach whom on which port, read from rules: a connection needs both ends' permission.

`python -m components.aws.reachability` writes docs/reachability.md by it; tests hold the page and
what is declared to it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from components.aws.firewall import Peer, Role, Rule, firewall_rules
from config.settings import Ports

PAGE = Path("docs/reachability.md")
HEAD = """\
# Who can reach whom on AWS

<!-- Made by `python -m components.aws.reachability` from firewall.py beside it. Do not edit. -->

Each line is a connection that both ends allow; there is no other. Machines are the controller's
host (`controller`, which is also `monitoring`), nodes (`compute`; with adapters also `efa`), and
the doors to the homes (`storage`). `efa` is there only with a pool that has `efa: true`, SSH only
with `aws.network.ssh_from`. With `nat: controller` what nodes send to the internet passes the
controller. The exporters on a node answer `monitoring` alone; with adapters, other `efa` nodes too.
Nothing is open to the internet; people come in through SSM.

"""

Reach = Mapping[tuple[str, str], frozenset[str]]
"""From (source, target) to ports: `6817`, `1024-65535`, or `all`."""


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A connection that both ends allow."""

    source: str
    target: str
    ports: str
    why: str


def paths(rules: Iterable[Rule]) -> list[Connection]:
    """Every connection that can be opened, sorted. Between two groups, both must allow it."""
    found = []
    rules = tuple(rules)
    for rule in rules:
        peer = rule.peer
        if rule.direction == "egress":
            if isinstance(peer, Role) and not _allows(rules, peer, rule.group, rule.ports):
                continue
            found.append(_path(rule.group, peer, rule))
        elif not isinstance(peer, Role):
            found.append(_path(peer, rule.group, rule))
    return sorted(set(found), key=lambda path: (path.source, path.target, path.ports))


def reach(rules: Iterable[Rule]) -> Reach:
    """The same as a matrix, without the reasons."""
    matrix: dict[tuple[str, str], set[str]] = {}
    for path in paths(rules):
        matrix.setdefault((path.source, path.target), set()).add(path.ports)
    return {ends: frozenset(ports) for ends, ports in matrix.items()}


def page() -> str:
    """The text of docs/reachability.md: a cluster with everything that a setting can open."""
    everything = firewall_rules(
        ssh_from=["addresses in ssh_from"], ssh_port=Ports().ssh, forwards=True, efa=True
    )
    return HEAD + table(everything)


def table(rules: Iterable[Rule]) -> str:
    """The matrix as a table in Markdown."""
    lines = ["| from | to | TCP ports | what for |", "| --- | --- | --- | --- |"]
    lines += [f"| {p.source} | {p.target} | {p.ports} | {p.why} |" for p in paths(rules)]
    return "\n".join(lines) + "\n"


def _allows(
    rules: Iterable[Rule], target: Role, source: Role, ports: tuple[int, int] | None
) -> bool:
    return any(
        rule.direction == "ingress"
        and rule.group is target
        and rule.peer == source
        and (rule.ports is None or (ports is not None and _covers(rule.ports, ports)))
        for rule in rules
    )


def _covers(outer: tuple[int, int], inner: tuple[int, int]) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _path(source: Peer, target: Peer, rule: Rule) -> Connection:
    ports = "all" if rule.ports is None else "-".join(map(str, dict.fromkeys(rule.ports)))
    return Connection(source=str(source), target=str(target), ports=ports, why=rule.description)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
