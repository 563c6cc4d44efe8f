"""What a rehearsed cluster's Prometheus has of what alerts about machines ask for.

`python -m tests.rehearsal.measured` boots one and keeps it, for tests/alerts to try the rules with.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from config.alerts import ALERTS, Needs
from tests.alerts.recorded import OF_MACHINES, series_name, value_at
from tests.cluster.running_cluster import await_value
from tests.cluster.selectors import Selector, selectors
from tests.rehearsal.booted import BootedCluster, booted_cluster

WANTED = {alert.name for alert in ALERTS if alert.needs is Needs.AWS}


def asked(cluster: BootedCluster) -> dict[str, list[Selector]]:
    """By alert, of those about machines of their own."""
    groups = _ask(cluster, "rules", type="alert")["groups"]
    return {
        rule["name"]: list(selectors(_ask(cluster, "parse_query", query=rule["query"])))
        for group in groups
        for rule in group["rules"]
        if rule["name"] in WANTED
    }


def missing(cluster: BootedCluster) -> Iterator[str]:
    """What nobody has measured lately, or not by the labels that are asked for."""
    for alert, some in asked(cluster).items():
        for selector in some:
            found = _measured(cluster, selector)
            labels = {label for series in found for label in series["metric"]}
            if not found or not selector.labels <= labels:
                yield f"{alert}: {selector.text} by {sorted(selector.labels)}, found {labels}"


def record(cluster: BootedCluster) -> None:
    """Write one moment of it: each series with its newest value, as if measured just now."""
    now = int(time.time())
    series = {}
    for some in asked(cluster).values():
        for selector in some:
            for one in _measured(cluster, selector):
                at, value = one["values"][-1]
                metric = one["metric"]
                series[series_name(metric)] = value_at(metric["__name__"], float(value), at, now)
    document = {"start": now, "alerts": {}, "series": dict(sorted(series.items()))}
    OF_MACHINES.write_text(json.dumps(document, indent=0))


def _measured(cluster: BootedCluster, selector: Selector) -> list[dict[str, Any]]:
    found = _ask(cluster, "query", query=f"{selector.text}[5m]")["result"]
    return list(found)


def _ask(cluster: BootedCluster, path: str, **what: str) -> Any:
    url = f"http://127.0.0.1:9090/api/v1/{path}?{urlencode(what)}"
    return json.loads(cluster.service("prometheus", "wget", "-q", "-O", "-", url))["data"]


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, booted_cluster(Path(directory)) as cluster:
        cluster.must_up()
        cluster.agent("dump")
        cluster.submit(script="sleep 600")  # so that there is a node
        await_value("all of it", lambda: not list(missing(cluster)), 180, 2)
        record(cluster)


if __name__ == "__main__":
    main()
