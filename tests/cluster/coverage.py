"""Whether a live cluster measures what expressions ask for, and what of them was checked."""

import re
import time
from dataclasses import dataclass, field, replace

from config.panels.queries import promql
from ops.report.prometheus import Prometheus
from tests.cluster.selectors import Selector, parse, selectors

ABSENT = {
    "DCGM_FI": "needs nodes with GPUs",
    'job="gpu"': "needs nodes with GPUs",
    "hpc_stack_backup": "needs AWS",
}
"""Parts of selectors of what the test's cluster cannot have, each with the reason."""
ELSEWHERE = "nodes here are containers, so their host was asked; tests/rehearsal asks machines"
# What has these values only in trouble; the labels are there all the same.
_TROUBLE = re.compile(r',?(reason|result|code|state)(=~|!~|!=|=)"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """What was asked of a cluster's Prometheus."""

    prometheus: Prometheus
    since: float
    """When the workload that should show everything began, in seconds since the epoch."""
    checked: dict[str, list[str]] = field(default_factory=dict)
    """By kind, such as panels: names, each with its expression."""
    left: dict[str, None] = field(default_factory=dict)
    """What was not checked, and why: a set that keeps its order."""

    def leave(self, name: str, why: str) -> None:
        """Something is not to be checked."""
        self.left[f"{name}: {why}"] = None

    def missing(
        self, kind: str, name: str, expr: str, *, whatever_value: bool = False
    ) -> list[str]:
        """What an expression asks for and nobody has measured since."""
        asked = [one for one in self.selectors_of(expr) if not self._is_left(name, one)]
        if asked:
            self.checked.setdefault(kind, []).append(f"{name}: {expr}")
        found = (self._unmet(name, selector, whatever_value) for selector in asked)
        return [f"{name}: {what}" for what in found if what]

    def selectors_of(self, expr: str) -> list[Selector]:
        """All that an expression of a panel or an alert asks for."""
        return list(selectors(parse(self.prometheus.url, promql(expr))))

    def told(self) -> str:
        """All of it as text."""
        parts = {**self.checked, "not checked, and why": list(self.left)}
        lines = ([f"{kind}:", *(f"  {one}" for one in some), ""] for kind, some in parts.items())
        return "\n".join(line for part in lines for line in part)

    def _is_left(self, name: str, selector: Selector) -> bool:
        reasons = [why for sign, why in ABSENT.items() if sign in selector.text]
        for why in reasons:
            self.leave(f"{name}: {selector.text}", why)
        return bool(reasons)

    def _unmet(self, name: str, selector: Selector, whatever_value: bool) -> str:
        # The one alert that always fires stands for those that should not.
        text = selector.text.replace('alertname!="Watchdog",', "")
        labels = selector.labels
        if 'job="node"' in text:
            # The same exporter tells of the containers' machine, without a pool.
            self.leave(f"{name}: {selector.text}", ELSEWHERE)
            labels -= {"node", "pool"}
            text = text.replace('job="node"', 'job=~"node|host"').replace('pool=~".*",', "")
        if whatever_value:
            text = _TROUBLE.sub("", text).replace("{,", "{")
        span = f"{int(time.time() - self.since) + 60}s"
        found = self.prometheus.now(f"last_over_time({text}[{span}])", time.time())
        return replace(selector, text=text, labels=labels).unmet([one.labels for one in found])
