"""The page of all alerts: what each means and what to do, made from config/alerts.

`python -m config.runbook` writes it, `python -m config.runbook --check` says whether it is current.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from config.alerts import ALERT_GROUPS, ALERTS, Alert
from config.panels import DASHBOARDS

ROOT = Path(__file__).resolve().parent.parent
PAGE = Path("docs/runbook.md")

INTRODUCTION = """\
# Runbook

<!-- Made by `python -m config.runbook` from config/alerts. Do not edit. -->

Every alert, what it means, and what to do. An alert's message links to its paragraph here.

| severity | when somebody has to look |
| --- | --- |
| page | at once: jobs or data are at risk, money is being lost, or the cluster cannot be seen |
| warning | on the next working day |
| info | when there is time; seen in Prometheus and Grafana, not sent to anybody |

What has a cause of its own is not sent while that cause is: one fault, one message. Where alerts go
is set in `monitoring.alerts` ([configuration.md](configuration.md)); what a rule asks exactly is on
Prometheus' page Alerts.

In the commands, words in capitals are yours to fill in: NAME is the cluster's name, NODE a node's.
`make` means the cluster `local` without `STACK=NAME`. Slurm's commands work in `make shell`, as an
admin (`make shell AS=USER`) where they change something. `docker` is for the machine of the
services, on AWS the controller ([aws.md](aws.md)).
"""

TITLES = {
    "services": "Services of the cluster",
    "queue": "Queue and accounting records",
    "nodes": "Nodes",
    "machine": "Machines",
    "money": "Money",
    "backup": "Backups",
    "gpus": "GPUs",
    "exporters": "What measures",
    "observers": "Prometheus and Alertmanager",
}
"""Headings by the name of the group of alerts."""


def page() -> str:
    """The text of docs/runbook.md."""
    parts = [INTRODUCTION, "\n".join(_table())]
    for group, alerts in ALERT_GROUPS.items():
        parts += [f"## {TITLES[group]}\n", *("\n".join(_paragraph(alert)) for alert in alerts)]
    return "\n".join(parts)


def _table() -> Iterator[str]:
    yield "| alert | severity | says |"
    yield "| --- | --- | --- |"
    for alert in ALERTS:
        says = re.sub(r"\{\{ \$labels\.(\w+) \}\}", r"`\1`", alert.summary)
        yield f"| [{alert.name}](#{alert.anchor}) | {alert.severity} | {says} |"
    yield ""


def _paragraph(alert: Alert) -> Iterator[str]:
    titles = {dashboard.uid: dashboard.title for dashboard in DASHBOARDS}
    lasts = f", after {_in_words(alert.lasts)}" if int(alert.lasts[:-1]) else ""
    needs = f", {alert.needs}" if alert.needs else ""
    yield f"### {alert.name}\n"
    yield f"{alert.severity}{lasts}{needs}; dashboard {titles[alert.dashboard]}.\n"
    yield f"{alert.meaning}\n"
    yield from (f"{number}. {step}" for number, step in enumerate(alert.todo, start=1))
    if alert.explained_by:
        known = {other.name: other for other in ALERTS}
        causes = (f"[{name}](#{known[name].anchor})" for name in alert.explained_by)
        yield f"\nNot sent while its cause is: {', '.join(causes)}."
    yield ""


def _in_words(duration: str) -> str:
    number, unit = duration[:-1], {"m": "minute", "h": "hour", "d": "day"}[duration[-1]]
    return f"{number} {unit}" + ("" if number == "1" else "s")


def main() -> int:
    """Writes the page, or with --check only compares; 1 when it is not current."""
    parser = argparse.ArgumentParser(prog="python -m config.runbook", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether it is current")
    check = parser.parse_args().check
    path = ROOT / PAGE
    if path.is_file() and path.read_text(encoding="utf-8") == page():
        return 0
    if check:
        print(f"{PAGE} is not current: run `python -m config.runbook`", file=sys.stderr)
        return 1
    path.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
