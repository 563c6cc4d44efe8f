"""Alerts of a live cluster, as its Prometheus sees them."""

import json
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.request import ProxyHandler, build_opener

from config.alerts import WATCHDOG
from tests.cluster.running_cluster import await_value

INACTIVE = "inactive"


def ask(address: str) -> Any:
    """The JSON that a server of the cluster answers. Raises OSError."""
    with build_opener(ProxyHandler({})).open(address, timeout=10) as answer:
        return json.load(answer)


def rules(prometheus: str) -> dict[str, Any]:
    """The alerting rules that Prometheus has loaded, by name. `prometheus`: its URL."""
    groups = ask(f"{prometheus}api/v1/rules?type=alert")["data"]["groups"]
    return {rule["name"]: rule for group in groups for rule in group["rules"]}


def states(prometheus: str) -> dict[str, str]:
    """By alert: inactive, pending (what it tells of holds, not yet for long enough), firing."""
    return {name: rule["state"] for name, rule in rules(prometheus).items()}


def begun(prometheus: str, alerts: Iterable[str], seconds: float) -> None:
    """Wait until what each of the alerts tells of holds."""
    for alert in alerts:
        await_value(f"{alert} to begin", _is_not(prometheus, alert, INACTIVE), seconds, 0.5)


def ended(prometheus: str, alerts: Iterable[str], seconds: float) -> None:
    """Wait until none of them holds any more, nor is kept firing."""
    for alert in alerts:
        await_value(
            f"{alert} to end", _is_not(prometheus, alert, "pending", "firing"), seconds, 0.5
        )


def _is_not(prometheus: str, alert: str, *wrong: str) -> Callable[[], bool]:
    def read() -> bool:
        try:
            return states(prometheus)[alert] not in wrong
        except OSError:
            return False  # it is on its way back

    return read


def at_alertmanager(alertmanager: str) -> set[str]:
    """Names of the alerts that Alertmanager has. `alertmanager`: its URL."""
    return {one["labels"]["alertname"] for one in ask(f"{alertmanager}api/v2/alerts")}


def settled(prometheus: str, seconds: float) -> None:
    """Wait until nothing holds but the watchdog, which always does."""
    deadline = time.monotonic() + seconds
    while True:
        holding = {name for name, state in states(prometheus).items() if state != INACTIVE}
        if holding <= {WATCHDOG}:
            return
        found = ", ".join(sorted(holding - {WATCHDOG}))
        assert time.monotonic() < deadline, f"still: {found}"
        time.sleep(0.5)
