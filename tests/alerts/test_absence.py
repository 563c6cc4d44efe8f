"""What panels show while nobody answers, and which starts they mark: Prometheus itself is asked."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from config.alerts import WATCHDOG
from config.alerts.services import LONGEST_ROUND
from config.panels import DASHBOARDS
from config.panels.absence import LONGEST_LOOK, LONGEST_PASS
from config.panels.overview import FIRING
from config.panels.queries import promql
from config.panels.sources import SOURCES, Source, state_of
from config.render.grafana import dashboards_json
from ops.report.silence import last_answer
from ops.report.timeline import Timeline
from tests.alerts import promtool
from tests.alerts.cluster import Signal, exporter, healthy, running, settings

Values = Mapping[str, float]
"""What a query has, by labels."""
NOTHING: Values = {}
ZERO: Values = {"{}": 0}
ONE: Values = {"{}": 1}
UP: Values = {"{}": 2}
NOT_KNOWN: Values = {"{}": -1}
NO_ALERT: Values = {'{alertname="no alert"}': 0}
SECONDS = 15
"""Between two measurements."""

EXPRESSIONS = {
    panel.title: panel.queries[0].expr
    for page in DASHBOARDS
    for panel in page.panels
    if not panel.tells_of_sources
}
SEEN = 'hpc_stack_queue_last_success_timestamp_seconds{job="job-exporter"}'
COUNTED = 'hpc_stack_accounting_last_success_timestamp_seconds{job="job-exporter"}'
ROUND = 'hpc_stack_last_round_timestamp_seconds{job="node-manager"}'
ANSWERS = {'up{job="job-exporter"}': "1x40"}
FRESH = {**ANSWERS, SEEN: "0+15x40"}
STALE = {**ANSWERS, SEEN: "0+15x15 225x25"}
# The exporters answer, and tell the same, whether or not they still succeed.
JOBS = {
    'hpc_stack_user_jobs_finished_total{account="physics",state="failed",user="ada"}': "3x140",
    'hpc_stack_jobs_unpriced_total{job="job-exporter"}': "0x140",
    'hpc_stack_unpriced_jobs_in_period{job="job-exporter"}': "0x140",
    'hpc_stack_account_budget_dollars{account="physics"}': "100x140",
    'hpc_stack_account_cost_period_dollars{account="physics"}': "40x140",
    'up{job="job-exporter"}': "1x140",
}
COUNTS = {**JOBS, COUNTED: "0+15x140"}
LATE_COUNTS = {**JOBS, COUNTED: "0+15x1 15x139"}
FLEET = {
    'hpc_stack_pool_brake{job="node-manager",pool="cpu"}': "0x140",
    'hpc_stack_nodes{job="node-manager",pool="cpu",state="out of service"}': "0x140",
    'hpc_stack_instances{capacity="spot",job="node-manager",pool="cpu"}': "2x140",
    'hpc_stack_cost_dollars_per_hour{job="node-manager"}': "0.5x140",
    'hpc_stack_spent_this_month_dollars{job="node-manager"}': "7x140",
    'up{job="node-manager"}': "1x140",
}
ROUNDS = {**FLEET, ROUND: "0+15x140"}
LATE_ROUNDS = {**FLEET, ROUND: "0+15x10 150x130"}
PHYSICS = '{account="physics"}'
COUNTED_BEFORE: Mapping[str, tuple[Values, Values]] = {
    "Job exporter": (UP, ONE),
    "Finished jobs": (ZERO, NOTHING),
    "Failed": ({'{user="nobody\'s job failed"}': 0}, NOTHING),
    "The class's jobs by state": ({'{state="no job has ended"}': 0}, NOTHING),
    "Jobs without a price": (ZERO, NOTHING),
    "This period by account": ({PHYSICS: 40}, NOTHING),
    "Budgets by account": ({PHYSICS: 0.4}, NOTHING),
    "Left in the budgets": ({PHYSICS: 60}, {'{account="not known yet"}': 0}),
}
"""By panel: what it shows while jobs are counted, and while they are not."""
SEEN_BEFORE: Mapping[str, tuple[Values, Values]] = {
    "Node manager": (UP, ONE),
    "Brake": (ZERO, NOT_KNOWN),
    "Nodes out of service": (ZERO, NOT_KNOWN),
    "Live nodes": ({"{}": 2}, NOTHING),
    "Cost an hour": ({"{}": 0.5}, NOTHING),
    "Spent this month": ({"{}": 7}, NOTHING),
    "Brakes of the pools": ({'{pool="cpu"}': 0}, NOTHING),
}
"""The same of the node manager's rounds."""
BUDGET = {'hpc_stack_account_budget_dollars{account="physics"}': "100x40", COUNTED: "0+15x40"}
COST = {'hpc_stack_account_cost_period_dollars{account="physics"}': "40x40", COUNTED: "0+15x40"}

LAST = 300
"""When a source that falls silent was well for the last time, in seconds."""
TWO_HOURS = Timeline.before(7200, "2h", SECONDS)
EVALUATED = f'ALERTS{{alertname="{WATCHDOG}",alertstate="firing",severity="info"}}'
SAID_OTHERWISE = {
    "job exporter: queue": {SEEN: "0+15x20 300x240"},
    "job exporter: finished jobs": {COUNTED: "0+15x20 300x240"},
    "node manager: rounds": {ROUND: "0+15x20 300x240"},
    "MySQL": {'mysql_up{job="mysql"}': "1x20 0x240"},
    "alert rules": {EVALUATED: "1x20 stale"},
}
"""What tells that a source answers until LAST, where it is not `up`."""
PATIENCE = {
    "job exporter: queue": LONGEST_LOOK,
    "job exporter: finished jobs": LONGEST_PASS,
    "node manager: rounds": LONGEST_ROUND,
}
"""How old the last success may be of those that have to succeed again and again, in seconds."""
MARKS = json.loads(dashboards_json(DASHBOARDS)["hpc-overview.json"])["annotations"]["list"]
(RESTARTS,) = (mark["expr"] for mark in MARKS if mark["name"] == "Restarts")
CYCLES = 'slurm_schedule_cycle_cnt{job="slurm-scheduler"}'
SLURMCTLD = 'up{job="slurm-scheduler"}'


def up(**jobs: int) -> Mapping[str, str]:
    return {f'up{{job="{job.replace("_", "-")}"}}': f"{value}x40" for job, value in jobs.items()}


def look(expr: str, at: str, values: Values) -> dict[str, Any]:
    """That a query has these values then, and no others."""
    samples = [{"labels": labels, "value": value} for labels, value in values.items()]
    return {"expr": promql(expr), "eval_time": at, "exp_samples": samples}


def case(name: str, series: Mapping[str, str], *looks: Mapping[str, Any]) -> dict[str, Any]:
    """A test of promtool: what is measured, and what is asked for then."""
    return {
        "name": name,
        "interval": f"{SECONDS}s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": looks,
    }


def shown(title: str, series: Mapping[str, str], **labels: float) -> dict[str, Any]:
    """That a panel shows these values, by the one label that each has, and no others."""
    # Just before the next measurement.
    return case(title, series, look(EXPRESSIONS[title], "5m14s", labels))


def failures(directory: Path, tests: Sequence[Mapping[str, Any]], rules: Iterable[str] = ()) -> str:
    """What promtool says of the tests. `rules`: files of the directory."""
    document = {"rule_files": [*rules], "evaluation_interval": "1m", "tests": tests}
    (directory / "absence.yml").write_text(json.dumps(document))
    return promtool.run(directory, "test", ["absence.yml"])


def up_of(source: Source) -> str:
    """The series that tells whether its job's target answers."""
    (series,) = re.findall(r'up\{job="[^"]+"\}', source.answers)
    return str(series)


def falls_silent(source: Source) -> Mapping[str, str]:
    """What tells that it answers until LAST, and no more for more than an hour."""
    if source.name in SAID_OTHERWISE:
        return SAID_OTHERWISE[source.name]
    series = up_of(source)
    # One of several targets is enough.
    others = {series.replace("}", ',node="other"}'): "1x260"} if source.may_be_absent else {}
    return {series: "1x20 0x240", **others}


def last_seen(source: Source) -> int:
    """Until when it is held to answer, in seconds."""
    if source.may_be_absent:
        return LAST + 120 - SECONDS  # it may be about to end
    return LAST + PATIENCE.get(source.name, SECONDS) - SECONDS


def test_nothing_is_told_from_what_nobody_knows(tmp_path: Path) -> None:
    wait, out, left = "Longest wait now", "Why nodes are out of service", "Left in the budgets"
    slurm = {**ROUNDS, **up(slurm_partitions=1)}
    tests = [
        shown(wait, FRESH, **ZERO),
        shown(wait, STALE),
        shown(out, FRESH),
        shown(out, STALE, **{'{reason="not known: the queue is not seen"}': 0}),
        shown("CPUs in jobs", {**slurm, **up(slurm_nodes=1)}, **ZERO),
        shown("CPUs in jobs", {**slurm, **up(slurm_nodes=0)}),
        shown("CPUs in jobs", {**slurm, **up(slurm_nodes=1), **LATE_ROUNDS}),
        shown(left, {**BUDGET, **COST}, **{'{account="physics"}': 60}),
        shown(left, BUDGET, **{'{account="not known yet"}': 0}),
        shown(left, COST),
    ]
    assert failures(tmp_path, tests) == ""


def test_what_was_counted_before_is_not_known_to_be_so_still(tmp_path: Path) -> None:
    tests = []
    for title, (counted, late) in COUNTED_BEFORE.items():
        expr = EXPRESSIONS[title]
        tests += [
            case(title, COUNTS, look(expr, "30m", counted)),
            case(f"{title}, late", LATE_COUNTS, look(expr, "30m", late)),
            # Until accounting has been asked there is no time of it.
            case(f"{title}, started", JOBS, look(expr, "30m", late)),
        ]
    assert failures(tmp_path, tests) == ""


def test_what_the_last_round_saw_is_not_known_to_be_so_still(tmp_path: Path) -> None:
    tests = []
    for title, (seen, late) in SEEN_BEFORE.items():
        expr = EXPRESSIONS[title]
        tests += [
            case(title, ROUNDS, look(expr, "30m", seen)),
            case(f"{title}, late", LATE_ROUNDS, look(expr, "30m", late)),
            case(f"{title}, started", {**FLEET, ROUND: "0x140"}, look(expr, "30m", late)),
        ]
    assert failures(tmp_path, tests) == ""


def test_a_source_that_falls_silent_is_silent_whatever_it_told_before(tmp_path: Path) -> None:
    tests = []
    for source in SOURCES:
        state, last = state_of([source]), last_seen(source)
        looks = (
            look(state, f"{last}s", ONE),
            look(state, f"{last + SECONDS}s", ZERO),
            look(state, "65m", ZERO),
            look(last_answer(source, TWO_HOURS), "65m", {"{}": last}),
        )
        tests.append(case(source.answers, falls_silent(source), *looks))
    assert failures(tmp_path, tests) == ""


def test_a_source_that_never_was_there_is_silent_if_it_has_to_be_there(tmp_path: Path) -> None:
    looks = []
    for source in SOURCES:
        values = NOTHING if source.may_be_absent else ZERO
        looks += [
            look(state_of([source]), "5m", values),
            look(last_answer(source, TWO_HOURS), "5m", NOTHING),
        ]
    assert failures(tmp_path, [case("nothing is measured", {}, *looks)]) == ""


def test_where_there_were_targets_there_may_be_none_any_more(tmp_path: Path) -> None:
    tests = [
        case(
            source.name,
            {up_of(source): "1x20 0x1 stale"},
            look(state_of([source]), "5m30s", ONE),
            look(state_of([source]), "8m", NOTHING),
        )
        for source in SOURCES
        if source.may_be_absent
    ]
    assert failures(tmp_path, tests) == ""


def test_each_of_several_sources_with_one_light_makes_it_red(tmp_path: Path) -> None:
    tests = []
    for source in SOURCES:
        same = [one for one in SOURCES if one.name == source.name]
        if len(same) > 1:
            state, others = state_of(same), {up_of(one): "1x260" for one in same if one != source}
            silent = {**others, **falls_silent(source)}
            tests += [
                case(source.answers, silent, look(state, "5m", ONE), look(state, "65m", ZERO)),
                case(source.answers, others, look(state, "5m", ZERO)),
            ]
    assert tests
    assert failures(tmp_path, tests) == ""


def test_that_there_is_no_alert_is_said_while_the_rules_are_evaluated(tmp_path: Path) -> None:
    firing, evaluated = FIRING.queries[0].expr, {EVALUATED: "1x20 stale"}
    alert = 'ALERTS{alertname="A",alertstate="firing",severity="page"}'
    shown_alert: Values = {'{alertname="A",severity="page"}': 1}
    tests = [
        case("none", evaluated, look(firing, "5m", NO_ALERT), look(firing, "6m", NOTHING)),
        case("one", {**evaluated, alert: "1x20"}, look(firing, "5m", shown_alert)),
    ]
    assert failures(tmp_path, tests) == ""


def test_in_a_healthy_cluster_all_sources_answer_and_there_is_no_alert(tmp_path: Path) -> None:
    times = range(0, LAST + 1, SECONDS)
    # No alert asks for it.
    counts: dict[str, Signal] = {
        exporter("hpc_stack_accounting_last_success_timestamp_seconds"): running
    }
    series = {
        name: " ".join(
            promtool.notation([signal(at) if callable(signal) else signal for at in times])
        )
        for name, signal in {**healthy(), **counts}.items()
    }
    looks = [look(state_of([source]), "5m", ONE) for source in SOURCES]
    looks.append(look(FIRING.queries[0].expr, "5m", NO_ALERT))
    rules = promtool.rule_files(settings())
    for name, text in rules.items():
        (tmp_path / name).write_text(text)
    assert failures(tmp_path, [case("healthy", series, *looks)], rules) == ""


def test_a_start_is_marked_once(tmp_path: Path) -> None:
    # Between two measurements, in the first minutes of an hour that is not the day's first.
    anew, since = "0+15x240 0+15x40", "5x240 3605x40"
    series = {
        SLURMCTLD: "1x281",
        CYCLES: anew,
        'hpc_stack_round_seconds_count{job="node-manager"}': anew,
        'mysql_global_status_uptime{job="mysql"}': anew,
        **{
            f'process_start_time_seconds{{job="{job}"}}': since
            for job in ("prometheus", "alertmanager", "host")
        },
    }
    jobs = ("slurmctld", "node-manager", "mysql", "prometheus", "alertmanager")
    marked = {f'{{job="{job}"}}': 1 for job in jobs}
    looks = (
        look(RESTARTS, "60m", NOTHING),
        look(RESTARTS, "61m45s", marked),
        look(RESTARTS, "63m", NOTHING),
    )
    assert failures(tmp_path, [case("starts", series, *looks)]) == ""


def test_what_slurmctld_sets_to_zero_at_midnight_is_no_start(tmp_path: Path) -> None:
    day = 24 * 60 * 60 // SECONDS
    cycles = f"0+1x{day} 0+1x40"
    in_a_week = promql(RESTARTS, rate_interval="315s")
    tests = [
        case(
            name,
            {CYCLES: cycles, SLURMCTLD: answered},
            look(RESTARTS, "24h1m", values),
            look(in_a_week, "24h5m", values),
        )
        for name, answered, values in (
            ("midnight", f"1x{day + 40}", NOTHING),
            ("a start at midnight", f"1x{day - 2} 0x1 1x40", {'{job="slurmctld"}': 1}),
        )
    ]
    assert failures(tmp_path, tests) == ""
