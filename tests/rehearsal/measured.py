"""What a rehearsed cluster's Prometheus has of what alerts and panels about machines ask for.

`python -m tests.rehearsal.measured` boots one and keeps it, for tests/alerts to try the rules with.
"""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from config.alerts import ALERTS, Needs
from config.panels import DASHBOARDS
from config.panels.model import Needs as PanelNeeds
from config.panels.queries import promql
from tests.alerts.recorded import OF_MACHINES, series_name, value_at
from tests.cluster.selectors import Selector, selectors
from tests.rehearsal.booted import BootedCluster, booted_cluster

WANTED = {alert.name for alert in ALERTS if alert.needs is Needs.AWS}
Asked = Mapping[str, list[Selector]]
"""What is asked for, by who asks."""


def asked(cluster: BootedCluster) -> Asked:
    """By alerts about machines of their own."""
    groups = _ask(cluster, "rules", type="alert")["groups"]
    return {
        rule["name"]: _selectors(cluster, rule["query"])
        for group in groups
        for rule in group["rules"]
        if rule["name"] in WANTED
    }


def asked_by_panels(cluster: BootedCluster) -> Asked:
    """By panels that are there for machines of their own."""
    return {
        f"{dashboard.title} / {panel.title}": [
            selector
            for query in panel.queries
            for selector in _selectors(cluster, promql(query.expr))
        ]
        for dashboard in DASHBOARDS
        for panel in dashboard.panels
        if panel.needs in (PanelNeeds.AWS, PanelNeeds.MACHINES)
    }


def await_all(cluster: BootedCluster, wanted: Asked, seconds: float) -> None:
    """Wait until all of it is measured, by the labels that are asked for."""
    deadline = time.monotonic() + seconds
    while missing := list(_missing(cluster, wanted)):
        assert time.monotonic() < deadline, "\n".join(missing)
        time.sleep(2)


def _missing(cluster: BootedCluster, wanted: Asked) -> Iterator[str]:
    for name, some in wanted.items():
        for selector in some:
            found = [series["metric"] for series in _measured(cluster, selector)]
            if unmet := selector.unmet(found):
                yield f"{name}: {unmet}"


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


def _selectors(cluster: BootedCluster, expr: str) -> list[Selector]:
    return list(selectors(_ask(cluster, "parse_query", query=expr)))


def _ask(cluster: BootedCluster, path: str, **what: str) -> Any:
    url = f"http://127.0.0.1:9090/api/v1/{path}?{urlencode(what)}"
    return json.loads(cluster.service("prometheus", "wget", "-q", "-O", "-", url))["data"]


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, booted_cluster(Path(directory)) as cluster:
        cluster.must_up()
        cluster.agent("dump")
        cluster.submit(script="sleep 600")  # so that there is a node
        await_all(cluster, asked(cluster), 180)
        record(cluster)


if __name__ == "__main__":
    main()
