"""Prometheus' own tester of rules, and the files that it reads: rules, and tests of them.

It takes a quarter of a millisecond for each rule at each time, so what can have no consequences
beyond its own group of rules is tried with that group alone.
"""

import json
import math
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from config.alerts import ALERT_GROUPS, ALERTS, WATCHDOG
from config.render.alert_rules import alert_rules
from config.render.compose_monitoring import PROMETHEUS_IMAGE
from config.settings import ClusterSettings
from tests.alerts.cluster import Signal, healthy, just_begun
from tests.alerts.fault import EVALUATION, Fault

_BY_NAME = {alert.name: alert for alert in ALERTS}
_ALL = tuple(ALERT_GROUPS)
_RULES = {
    "services": _ALL,
    "exporters": _ALL,
    "observers": _ALL,
    "queue": ("queue", "nodes"),
    "nodes": ("queue", "nodes"),
}
"""The groups of rules with which faults of a group are tried, where it is more than their own."""
_FIRING = 'count by (alertname) (ALERTS{alertstate="firing"}) > bool 0'


def run(directory: Path, command: str, names: Iterable[str]) -> str:
    """What promtool says of files in a directory; empty: all is well."""
    done = subprocess.run(
        (
            *("docker", "run", "--rm", "--network", "none", "--user", f"{os.getuid()}"),
            # A quarter of its time goes into collecting garbage, of which there is little.
            *("--env", "GOGC=400"),
            *("--volume", f"{directory}:/files:ro", "--workdir", "/files"),
            *("--entrypoint", "promtool", PROMETHEUS_IMAGE, command, "rules", *names),
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr if done.returncode else ""


def rule_files(settings: ClusterSettings) -> dict[str, str]:
    """The rules, a file for each group."""
    groups = yaml.safe_load(alert_rules(settings))["groups"]
    return {rules_file(group["name"]): json.dumps({"groups": [group]}) for group in groups}


def test_files(settings: ClusterSettings, faults: Mapping[str, Sequence[Fault]]) -> dict[str, str]:
    """The tests, by file: for each group one for each distance of looks at the rules."""
    files = {"healthy.yml": _file(_ALL, EVALUATION, [_calm("healthy", healthy(), 120)])}
    files["begun.yml"] = _file(_ALL, 1, [_calm("just begun", just_begun(), 20, step=1)])
    for group, some in faults.items():
        for minutes in sorted({fault.evaluation for fault in some}):
            rules = _RULES.get(group, (group,))
            calm = {WATCHDOG} if rules == _ALL else set()
            tests = [_test(settings, fault, calm) for fault in some if fault.evaluation == minutes]
            files[f"{group}_{minutes}m.yml"] = _file(rules, minutes, tests)
    return files


def rules_file(group: str) -> str:
    return f"rules_{group}.yml"


def _file(groups: Iterable[str], evaluation: int, tests: Sequence[Mapping[str, Any]]) -> str:
    rules = [rules_file(group) for group in groups]
    interval = f"{evaluation}m"
    return json.dumps({"rule_files": rules, "evaluation_interval": interval, "tests": tests})


def _calm(
    name: str, shown: Mapping[str, Signal], minutes: int, *, step: int = EVALUATION
) -> dict[str, Any]:
    """Nothing fires but the watchdog."""
    times = range(minutes + 1)
    series = [
        _input(series, [signal(minute * 60.0) if callable(signal) else signal for minute in times])
        for series, signal in shown.items()
    ]
    looks = [_only({WATCHDOG}, minute) for minute in times[::step]]
    return {
        "name": name,
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": looks,
    }


def _test(settings: ClusterSettings, fault: Fault, calm: set[str]) -> dict[str, Any]:
    # At the first look it has not lasted yet.
    at_once = not minutes(_BY_NAME[fault.alert].lasts)
    too_early = fault.begins - fault.evaluation if at_once else fault.begins
    return {
        "name": fault.alert,
        "interval": f"{fault.step}m",
        "input_series": [_input(name, values) for name, values in fault.series()],
        "alert_rule_test": [
            {"eval_time": f"{minute}m", "alertname": fault.alert, "exp_alerts": alerts}
            for minute, alerts in (
                (too_early, []),
                (fault.fires, [expected(settings, fault)]),
                (fault.over, []),
            )
        ],
        "promql_expr_test": [
            _only(calm, fault.begins - fault.evaluation),
            _only({fault.alert, *fault.also, *fault.beside, *calm}, fault.fires),
            _only(calm, fault.over),
        ],
    }


def expected(settings: ClusterSettings, fault: Fault) -> dict[str, Any]:
    """What Prometheus makes of a fault, but for what it puts to every alert of a cluster."""
    alert = _BY_NAME[fault.alert]
    summary = alert.summary
    for name, value in fault.labels.items():
        summary = summary.replace(f"{{{{ $labels.{name} }}}}", value)
    return {
        "exp_labels": {"severity": alert.severity.value, **fault.labels},
        "exp_annotations": {
            "summary": f"Cluster {settings.name}: {summary}",
            "description": fault.says,
            "meaning": alert.meaning,
            "todo": alert.todo[0],
            "runbook_url": f"{settings.monitoring.alerts.runbook_base}#{alert.anchor}",
            "dashboard": alert.dashboard,
        },
    }


def _only(names: set[str], minute: int) -> dict[str, Any]:
    """That of all alerts these fire, and no others."""
    labels = (f'{{alertname="{name}"}}' for name in sorted(names))
    samples = [{"labels": label, "value": 1} for label in labels]
    return {"expr": _FIRING, "eval_time": f"{minute}m", "exp_samples": samples}


def _input(name: str, values: Sequence[float | None]) -> dict[str, str]:
    return {"series": name, "values": " ".join(notation(values))}


def notation(values: Sequence[float | None]) -> Iterator[str]:
    """Promtool's shorthand: `1x4` is five times 1. A series that ends is stale, as in real life."""
    there = False
    for value, same in groupby(values):
        more = len(list(same)) - 1
        if value is None:
            yield ("stale" if there else "_") + (f" _x{more}" if more else "")
        elif math.isfinite(value):
            yield f"{value:.12g}" + (f"x{more}" if more else "")
        else:
            yield from [f"{value}"] * (more + 1)  # `infx1` would be a word
        there = value is not None


def minutes(duration: str) -> int:
    """Of a duration with one unit, or of none."""
    return int(duration[:-1]) * {"m": 1, "h": 60, "d": 1440}[duration[-1]] if duration else 0
