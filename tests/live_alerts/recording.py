"""What was measured while faults were done to a live cluster, for rules to be tried with.

A recording is JSON: when it begins, when each alert began, fired and ended, and each series with
its values in promtool's notation. It has the series that rules of alerts read, and no others.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from urllib.parse import urlencode

from ops.environment import CHECKOUT
from tests.alerts.promtool import notation
from tests.alerts.recorded import STEP, series_name
from tests.cluster.selectors import parse, selectors
from tests.cluster.watching import ask, rules
from tests.live_alerts.watch import Seen

DRAFT = CHECKOUT / ".state" / "recorded.json"
"""What was measured last, also in a session in which something went wrong."""


def record(prometheus: str, alerts: Mapping[str, Seen], begun: float, ended: float) -> None:
    """Write what Prometheus, by its URL, has of the time between two times (epoch seconds)."""
    texts = {
        selector.text
        for rule in rules(prometheus).values()
        for selector in selectors(parse(prometheus, rule["query"]))
    }
    start = int(begun) // STEP * STEP
    times = range(start, int(ended) + STEP, STEP)
    series = {
        labels: values
        for text in sorted(texts)
        for labels, values in _series(prometheus, text, times)
    }
    document = {
        "start": start,
        "alerts": {
            name: {key: at and round(at - start) for key, at in asdict(seen).items()}
            for name, seen in sorted(alerts.items())
        },
        "series": dict(sorted(series.items())),
    }
    DRAFT.write_text(json.dumps(document, indent=0))


def _series(prometheus: str, selector: str, times: range) -> Iterator[tuple[str, str]]:
    # What is older than one measurement is not there: an exporter that is away tells nothing.
    query = {
        "query": f"last_over_time({selector}[{STEP}s])",
        "start": times[0],
        "end": times[-1],
        "step": STEP,
    }
    found = ask(f"{prometheus}api/v1/query_range?{urlencode(query)}")["data"]["result"]
    for one in found:
        at = {int(time): float(value) for time, value in one["values"]}
        yield series_name(one["metric"]), " ".join(notation([at.get(time) for time in times]))
