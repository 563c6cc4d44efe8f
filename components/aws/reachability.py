"""Who can reach whom on which port, read from rules: a connection needs both ends' permission.

The page docs/reachability.md is made from it, and a test holds what was rendered to it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from components.aws.firewall import Peer, Role, Rule

Reach = Mapping[tuple[str, str], frozenset[str]]
"""From (source, target) to ports: `6817`, `1024-65535`, or `all`."""


@dataclass(frozen=True, kw_only=True)
class Path:
    """A connection that both ends allow."""

    source: str
    target: str
    ports: str
    why: str


def paths(rules: Iterable[Rule]) -> list[Path]:
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


def page(rules: Iterable[Rule]) -> str:
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


def _path(source: Peer, target: Peer, rule: Rule) -> Path:
    ports = "all" if rule.ports is None else "-".join(map(str, dict.fromkeys(rule.ports)))
    return Path(source=str(source), target=str(target), ports=ports, why=rule.description)
