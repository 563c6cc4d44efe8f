"""What a PromQL expression asks for, as Prometheus itself understands it."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.cluster.watching import ask

Node = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Selector:
    """One metric with matchers, and the labels by which what comes of it is grouped."""

    text: str
    """As PromQL, without a range."""
    labels: frozenset[str] = frozenset()

    def unmet(self, found: Collection[Mapping[str, str]]) -> str:
        """What it asks for and series, each by its labels, do not have; empty: they have it all."""
        if not found:
            return f"{self.text}: no data"
        lacking = sorted(self.labels.difference(*found))
        return f"{self.text}: no label {', '.join(lacking)}" if lacking else ""


def parse(prometheus: str, expr: str) -> Node:
    """The expression's syntax tree, from the server at a URL."""
    query = urlencode({"query": expr})
    address = f"{prometheus.rstrip('/')}/api/v1/parse_query?{query}"
    return dict(ask(address)["data"])


def selectors(tree: Node, labels: frozenset[str] = frozenset()) -> Iterator[Selector]:
    """All of them, each with the labels that the aggregations around it keep by name."""
    kind = tree["type"]
    if kind in ("vectorSelector", "matrixSelector"):
        yield Selector(text=_text(tree["matchers"]), labels=labels)
        return
    if kind == "aggregation" and not tree["without"]:
        labels = labels | set(tree["grouping"])
    elif kind == "call" and tree["func"]["name"] in ("label_replace", "label_join"):
        labels = labels - {tree["args"][1]["val"]}
    elif kind == "call" and tree["func"]["name"] == "histogram_quantile":
        labels = labels - {"le"}
    for part in _parts(tree):
        yield from selectors(part, labels)


def _parts(tree: Node) -> Iterator[Node]:
    for key in ("expr", "lhs", "rhs", "param"):
        if isinstance(tree.get(key), dict):
            yield tree[key]
    yield from tree.get("args") or ()


def _text(matchers: list[dict[str, str]]) -> str:
    conditions = (f"{one['name']}{one['type']}{json.dumps(one['value'])}" for one in matchers)
    return "{" + ",".join(conditions) + "}"
