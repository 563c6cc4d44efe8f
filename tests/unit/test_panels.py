"""The pages: every question is one that PromQL understands, and every panel can be read."""

import re
from collections import Counter
from collections.abc import Iterator

import promql_parser as parser
import pytest
from job_exporter.finished_jobs import TIMEOUT
from node_manager.fleet_file import parse_fleet
from node_manager.metrics import Metrics

from config.alerts import ALERTS, WATCHDOG
from config.alerts.services import LONGEST_ROUND
from config.alerts.sources import ALWAYS
from config.panels import DASHBOARDS
from config.panels.absence import (
    FLEET_SEEN,
    JOBS_COUNTED,
    LONGEST_LOOK,
    LONGEST_PASS,
    NOT_KNOWN,
    answers,
    or_not_known,
    or_nothing,
    or_zero,
    rows_or_not_known,
    while_known,
)
from config.panels.cost import period_cost
from config.panels.model import Colour, Dashboard, Kind, Panel, Query, Unit
from config.panels.overview import FIRING
from config.panels.queries import Choice, promql
from config.panels.sources import RULES, SOURCES, Source, state_of, tells_at_once
from config.render.exporter_json import QUERY_SECONDS, QUEUE_SECONDS
from tests.node_manager.builders import fleet_document

PANELS = [panel for page in DASHBOARDS for panel in page.panels]
EXPRESSIONS = {
    f"{page.uid}: {panel.title}: {query.legend}": query.expr
    for page in DASHBOARDS
    for panel in page.panels
    for query in panel.queries
}
VARIABLE = re.compile(r"\$([a-z]\w*)")
# Of slurmctld's own metrics, what the names say is not what they hold (or not in bytes).
TRAPS = re.compile(r"slurm_\w*(memory|mem)_\w+|slurm_nodes_(idle|powering_\w+)|slurm_sdiag_\w+")
# Counters whose exporters do not call them so.
UNTYPED = ("mysql_global_status_", "node_vmstat_")


def parts(expr: str) -> list[parser.Expr]:
    """The parsed query and all that it is made of."""
    found: list[parser.Expr] = []
    parser.walk(parser.parse(promql(expr)), found.append)
    return found


def over_time(expr: str) -> Iterator[tuple[str, str]]:
    """Function and metric, where a function is applied to a metric's past."""
    for part in parts(expr):
        if isinstance(part, parser.Call):
            for arg in part.args:
                if isinstance(arg, parser.MatrixSelector):
                    yield part.func.name, arg.vector_selector.name or ""


def as_they_are(expr: str) -> set[str]:
    """Metrics of which the newest value is used."""
    named: Counter[str] = Counter()
    for part in parts(expr):
        if isinstance(part, parser.VectorSelector):
            named[part.name or ""] += 1
        elif isinstance(part, parser.MatrixSelector):
            named[part.vector_selector.name or ""] -= 1
    return set(+named)


def selectors_of(expr: str) -> list[parser.VectorSelector]:
    """Of all metrics that a query names, also of those over time."""
    return [part for part in parts(expr) if isinstance(part, parser.VectorSelector)]


def sources_of_metric(selector: parser.VectorSelector) -> list[Source]:
    """Who tells it."""
    return [one for one in SOURCES if one.is_read_by(str(selector))]


def test_pages_and_panels_have_names_of_their_own() -> None:
    for names in (
        [page.uid for page in DASHBOARDS],
        [page.title for page in DASHBOARDS],
        # Of sources the row says whose they are.
        [panel.title for panel in PANELS if not panel.tells_of_sources],
    ):
        assert len(names) == len(set(names))


def test_the_first_page_begins_with_the_lights() -> None:
    lights = DASHBOARDS[0].rows[0].panels
    assert DASHBOARDS[0].title == "Overview"
    assert {panel.kind for panel in lights} == {Kind.LIGHT}
    assert sum(panel.width for panel in lights) == 24


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_a_panel_explains_itself(panel: Panel) -> None:
    legends = [query.legend for query in panel.queries]
    assert panel.title[0].isalnum()
    assert panel.about.endswith(".")
    assert panel.empty
    assert legends
    assert all(legends)
    assert len(legends) == len(set(legends))
    assert 1 <= panel.width <= 24
    assert panel.height >= 4


def test_colours_rise_from_a_first_step_without_a_value() -> None:
    for panel in PANELS:
        if panel.steps:
            first, *others = (step.value for step in panel.steps)
            rising = [value for value in others if value is not None]
            assert first is None, panel.title
            assert others == sorted(set(rising)), panel.title


def test_a_light_without_data_is_red() -> None:
    lights = [panel for panel in PANELS if panel.kind is Kind.LIGHT]
    assert len(lights) >= 8
    for panel in lights:
        assert not panel.empty_is_fine, panel.title
        assert panel.steps[0].colour is Colour.RED, panel.title
        assert panel.words, panel.title


def test_a_table_has_columns_and_one_query() -> None:
    for panel in PANELS:
        assert bool(panel.columns) == (panel.kind is Kind.TABLE), panel.title
        if panel.kind is Kind.TABLE:
            (query,) = panel.queries
            for label, heading in panel.columns:
                assert re.search(rf"\b{label}\b", query.expr), panel.title
                assert heading
            assert panel.value_heading


def test_a_histogram_is_of_buckets_alone() -> None:
    for panel in PANELS:
        of_buckets = {query.expr.startswith("sum by (le) (increase(") for query in panel.queries}
        assert of_buckets == {panel.kind is Kind.BUCKETS}, panel.title


def test_points_in_time_are_in_milliseconds() -> None:
    for panel in PANELS:
        if panel.unit is Unit.TIME_AGO:
            assert all(query.expr.endswith("* 1000") for query in panel.queries), panel.title


@pytest.mark.parametrize("expr", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_promql_understands_every_query(expr: str) -> None:
    text = promql(expr)
    assert not VARIABLE.search(text)
    assert "__" not in text
    parser.parse(text)


def test_a_legend_names_labels_of_its_query() -> None:
    for name, expr in EXPRESSIONS.items():
        for label in re.findall(r"{{(\w+)}}", name):
            assert re.search(rf"\b{label}\b", expr), name


@pytest.mark.parametrize("page", DASHBOARDS, ids=lambda page: page.uid)
def test_a_page_offers_the_choices_that_its_queries_use(page: Dashboard) -> None:
    queries = [query.expr for panel in page.panels for query in panel.queries]
    used = {variable for expr in queries for variable in VARIABLE.findall(expr)}
    assert used == set(page.variables)
    assert bool(page.variables) == bool(page.variable_source)
    for expr in queries:
        for variable in page.variables:
            # Several values may be chosen.
            assert expr.count(f"${variable}") == expr.count(f'=~"${variable}"'), expr


def test_rates_are_of_counters() -> None:
    # Slurm's own metrics are gauges, also those whose names sound otherwise.
    for name, expr in EXPRESSIONS.items():
        for function, metric in over_time(expr):
            counter = metric.endswith(("_total", "_bucket", "_sum", "_count"))
            if function in {"rate", "irate", "increase"}:
                assert counter or metric.startswith(UNTYPED), name
            else:
                assert not counter, name


def test_a_counter_is_not_shown_as_it_is() -> None:
    for name, expr in EXPRESSIONS.items():
        # Counting series is another matter.
        if not expr.startswith("count("):
            metrics = as_they_are(expr)
            assert not [m for m in metrics if m.endswith(("_total", "_bucket"))], name


def test_costs_of_accounts_that_hold_each_other_are_not_added() -> None:
    # Each has those of the accounts below it, and root is the whole cluster.
    of_accounts = re.compile(r"hpc_stack_account_(cost_period|budget)_dollars")
    for name, expr in EXPRESSIONS.items():
        if of_accounts.search(expr):
            found = [part for part in parts(expr) if isinstance(part, parser.AggregateExpr)]
            assert found, name
            assert {str(part.op) for part in found} == {"max"}, name


def test_the_alert_that_always_fires_is_not_shown() -> None:
    (firing,) = FIRING.queries
    shown, _, fallback = firing.expr.partition(" or ")
    assert f'alertname!="{WATCHDOG}"' in shown
    assert f'alertname="{WATCHDOG}"' not in shown
    # That there is none is known while that one fires.
    assert fallback.count(RULES.answers) == 1
    assert not FIRING.empty_is_fine


def test_names_that_mislead_are_not_used() -> None:
    assert [name for name, expr in EXPRESSIONS.items() if TRAPS.search(expr)] == []


def test_lines_do_not_go_back_over_all_the_time_at_every_point() -> None:
    for panel in PANELS:
        if panel.kind in (Kind.LINES, Kind.AREAS):
            assert not [q for q in panel.queries if "$__range" in q.expr], panel.title


def test_variables_are_filled_in_for_everybody() -> None:
    expr = 'sum(rate(a_total{x=~"$account", y=~"${user}"}[$__rate_interval])) + b[$__range]'
    assert promql(expr, rate_interval="1m", time_range="2h") == (
        'sum(rate(a_total{x=~".*", y=~".*"}[1m])) + b[2h]'
    )


CLASS = Choice(accounts=("class", "class-s.1"), users=("ada", "ben"))


def test_variables_are_filled_in_for_what_was_chosen() -> None:
    expr = 'a{account=~"$account", user=~"$user", pool=~"$pool"}'
    # In a string of PromQL a backslash is written as two.
    accounts = "class|class" + r"\\-s" + r"\\.1"
    assert promql(expr, choice=CLASS) == f'a{{account=~"{accounts}", user=~".*", pool=~".*"}}'
    parser.parse(promql(expr, choice=CLASS))


def test_users_are_chosen_by_their_accounts_where_a_metric_knows_no_account() -> None:
    assert promql('a{username=~"$user"}', choice=CLASS) == 'a{username=~"ada|ben"}'
    nobody = Choice(accounts=("class",), users=())
    assert promql('a{username=~"$user"}', choice=nobody) == 'a{username=~""}'


@pytest.mark.parametrize("expr", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_promql_understands_every_query_about_an_account(expr: str) -> None:
    parser.parse(promql(expr, choice=CLASS))


def test_shares_are_in_per_cent_in_words_as_well() -> None:
    for panel in PANELS:
        if panel.unit is Unit.SHARE:
            assert not re.search(r"\b(at|below|above) (0\.\d+|1)\b(?! %)", panel.about, re.I)


def test_counts_that_prometheus_extrapolates_are_whole() -> None:
    things = re.compile(r"increase\(\w*_(jobs|launches|launch_failures|terminations)\w*_total")
    for panel in PANELS:
        for query in panel.queries:
            if panel.unit is Unit.COUNT and things.search(query.expr):
                assert "round(" in query.expr, panel.title


def test_nobody_wastes_less_than_nothing() -> None:
    (wasted,) = (p for p in PANELS if p.title.startswith("Wasted"))
    assert "clamp_min(" in wasted.queries[0].expr


def test_what_is_spent_comes_after_the_overview() -> None:
    assert [page.title for page in DASHBOARDS[:2]] == ["Overview", "Cost and budget"]


def test_a_value_that_nobody_tells_is_not_known() -> None:
    assert or_not_known("max(a)") == f"max(a) or vector({NOT_KNOWN:.0f})"


def test_nothing_is_zero_only_while_the_job_answers() -> None:
    assert or_zero("a", answers("x", "y")) == (
        'a or on () 0 * max(up{job="x"} == 1) * max(up{job="y"} == 1)'
    )
    assert or_nothing("a", answers("x"), "reason", "none", "{{reason}}") == Query(
        expr='a or on () label_replace(0 * max(up{job="x"} == 1), "reason", "none", "", "")',
        legend="{{reason}}",
        nothing="none",
    )


def test_a_zero_with_a_name_is_marked_as_no_series() -> None:
    # Grafana shows it, so that there is a picture; the report says that there is nothing.
    for panel in PANELS:
        for query in panel.queries:
            found = FALLBACK.search(query.expr)
            named = bool(found and found["rest"].startswith("label_replace(0 * max("))
            assert named == bool(query.nothing), panel.title
            assert f'"{query.nothing}"' in query.expr or not query.nothing


def test_an_empty_table_is_told_from_a_silent_job() -> None:
    assert rows_or_not_known("a", "max(b)", "reason", "not known") == (
        'a or label_replace(0 * absent(max(b)), "reason", "not known", "", "")'
    )


def test_the_queue_is_seen_as_long_as_the_job_exporter_tells_it() -> None:
    assert LONGEST_LOOK == 2 * QUEUE_SECONDS


def test_finished_jobs_are_counted_although_accounting_is_slow() -> None:
    # The pause after a pass is as long as the pass was, or what is left until the next.
    assert 2 * max(QUERY_SECONDS, TIMEOUT) < LONGEST_PASS


def test_the_fleet_is_not_seen_as_soon_as_the_alert_about_rounds_begins_to_hold() -> None:
    (stuck,) = (alert for alert in ALERTS if alert.name == "NodeManagerStuck")
    assert stuck.expr.endswith(f"(hpc_stack_last_round_timestamp_seconds) > {LONGEST_ROUND}")
    assert FLEET_SEEN.endswith(f"hpc_stack_last_round_timestamp_seconds < {LONGEST_ROUND})")


@pytest.mark.parametrize("expr", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_each_metric_has_one_source(expr: str) -> None:
    for selector in selectors_of(expr):
        # These are told of targets that are silent as well.
        expected = selector.name not in ("up", "scrape_duration_seconds")
        assert len(sources_of_metric(selector)) == expected, str(selector)


def test_a_metric_of_the_node_manager_is_not_looked_for_elsewhere() -> None:
    metrics = Metrics(parse_fleet(fleet_document()))
    told = {family.name for family in metrics.registry.collect()}
    assert len(told) >= 14
    for name in told:
        (source,) = (one for one in SOURCES if one.is_read_by(name))
        assert source.name.startswith("node manager"), name


def test_sources_are_jobs_that_every_cluster_has_or_may_have() -> None:
    asked = {job for source in SOURCES for job in re.findall(r'job="([^"]+)"', source.answers)}
    # Of MySQL its own word counts, of what is done again and again when it last succeeded.
    assert asked == {*ALWAYS, "node", "gpu"} - {"mysql"}
    assert {one.name for one in SOURCES if one.may_be_absent} == {
        "each node's exporter", "each GPU's exporter",
    }  # fmt: skip


def test_sources_answer_together_or_not_at_all() -> None:
    first, second = (one for one in SOURCES if one.name in ("node manager", "Alertmanager"))
    assert state_of([first, second]) == (
        '0 * max(up{job="node-manager"} == 1) * max(up{job="alertmanager"} == 1) + 1 or vector(0)'
    )
    (nodes,) = (one for one in SOURCES if one.name == "each node's exporter")
    assert state_of([nodes]).endswith(' or 0 * count(up{job="node"})')
    assert state_of([nodes, first]).endswith(" or vector(0)")
    for one in SOURCES:
        parser.parse(state_of([one]))


def test_a_panel_tells_at_once_only_of_what_it_asks_for_now() -> None:
    (source,) = (one for one in SOURCES if one.name == "job exporter")
    (keeps,) = (one for one in SOURCES if one.name == "job exporter: finished jobs")
    now = Query(expr="max(hpc_stack_slurmdbd_answers)", legend="a")
    past = Query(expr="sum(increase(hpc_stack_job_cost_dollars_total[$__range]))", legend="b")
    else_ = Query(expr="max(hpc_stack_slurmctld_answers) or max(a) or vector(0)", legend="c")

    def tells(kind: Kind, *queries: Query, fine: bool = False, of: Source = source) -> bool:
        panel = Panel(title="t", about="a", kind=kind, queries=queries, empty_is_fine=fine)
        return tells_at_once(panel, of)

    assert [kind for kind in Kind if tells(kind, now)] == [Kind.LIGHT, Kind.NUMBER, Kind.BARS]
    assert not tells(Kind.NUMBER, now, fine=True)
    assert not tells(Kind.NUMBER, past)
    assert not tells(Kind.NUMBER, now, past)
    assert not tells(Kind.LIGHT, else_)
    # What it told before is there although it is late.
    cost = Query(expr="max(hpc_stack_account_cost_period_dollars)", legend="d")
    gated = Query(expr=while_known(cost.expr, JOBS_COUNTED), legend="e")
    assert not tells(Kind.NUMBER, cost, of=keeps)
    assert not tells(Kind.NUMBER, cost, gated, of=keeps)
    assert tells(Kind.NUMBER, gated, of=keeps)


def test_what_stays_as_it_was_is_shown_as_present_only_while_its_source_answers() -> None:
    late = [one for one in SOURCES if one.keeps]
    assert [one.answers for one in late] == [FLEET_SEEN, JOBS_COUNTED]
    shown = 0
    for panel in PANELS:
        if panel.kind in (Kind.LIGHT, Kind.NUMBER, Kind.BARS, Kind.TABLE):
            for query in panel.queries:
                for one in late:
                    if one.is_read_by(query.expr) and "[" not in query.expr:
                        assert one.answers in query.expr, panel.title
                        shown += 1
    assert shown >= 15


# By the beginning of the metric's name: the gate, where it is not that its source answers.
GATES = {
    "hpc_stack_account_cost_period_dollars": period_cost(),
    # What gates are made of.
    "hpc_stack_accounting_last_success_timestamp_seconds": "",
    "hpc_stack_last_round_timestamp_seconds": "",
    # There with a budget in the settings.
    "hpc_stack_account_budget_dollars": "",
    # Some of the GPUs are enough to say that none has an error.
    "DCGM_": answers("gpu"),
}
FALLBACK = re.compile(
    r" or (?:on \(\) )?(?P<rest>(?:label_replace\()?0 \* (?:absent\()?(?P<gate>.+))$"
)


def gates(expr: str) -> tuple[set[str], str]:
    """The gates that a query's metrics want, and the rest of it, where its fallback begins."""
    found = FALLBACK.search(expr)
    assert found
    wanted = set()
    for selector in selectors_of(expr[: found.start()]):
        name = selector.name or ""
        own = [gate for start, gate in GATES.items() if name.startswith(start)]
        wanted |= set(own or [one.answers for one in sources_of_metric(selector)]) - {""}
    return wanted, found["gate"]


OF_SOURCES = {query.expr for panel in PANELS if panel.tells_of_sources for query in panel.queries}
WITH_A_FALLBACK = {
    name: expr
    for name, expr in EXPRESSIONS.items()
    if FALLBACK.search(expr) and expr not in OF_SOURCES
}


@pytest.mark.parametrize("expr", WITH_A_FALLBACK.values(), ids=WITH_A_FALLBACK)
def test_nothing_is_told_only_while_the_metrics_source_answers(expr: str) -> None:
    wanted, gate = gates(expr)
    assert wanted
    rest = gate
    for one in wanted:
        assert one in rest
        rest = rest.replace(one, "")
    # And nothing else, but what closes the functions and sets the label.
    assert not re.search(r"max|up\{|hpc_stack|ALERTS", rest)


def test_no_query_has_a_value_of_its_own_but_lights() -> None:
    lights = {query.expr for panel in PANELS if panel.kind is Kind.LIGHT for query in panel.queries}
    assert len(WITH_A_FALLBACK) >= 15
    for name, expr in EXPRESSIONS.items():
        if expr not in lights | OF_SOURCES:
            assert "vector(" not in expr, name
            assert (" or " in expr) == (name in WITH_A_FALLBACK), name
