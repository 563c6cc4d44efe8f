"""Every query is asked once, a few at a time; what fails is known to have failed."""

import math

from config.panels.model import Kind, Needs, Panel, Query
from config.panels.queries import Choice
from ops.report.data import PATIENCE, THREADS, Answers, ask, began
from ops.report.prometheus import Prometheus
from tests.report.samples import END, HOUR, dashboard, panel
from tests.report.stand_in import StandIn, listening


def asked(server: StandIn, *panels: Panel, has: frozenset[Needs] = frozenset()) -> Answers:
    return ask([dashboard(*panels)], Prometheus(server.url), HOUR, has)


def names(server: StandIn, one: Panel) -> list[str]:
    return [series.name for series in asked(server, one).by_panel[one].series]


def test_plots_over_time_ask_for_a_range_and_all_else_for_now() -> None:
    with listening(StandIn()) as server:
        asked(server, *(panel(kind, kind.value) for kind in Kind))
    paths = {one["query"]: one["path"].rpartition("/")[2] for one in server.asked}
    ranged = {query for query, path in paths.items() if path == "query_range"}
    assert ranged == {Kind.LINES.value, Kind.AREAS.value}
    assert len(paths) == len(Kind)


def test_grafanas_variables_are_filled_in() -> None:
    expr = 'increase(x{account=~"$account"}[$__range]) + rate(x[$__rate_interval])'
    with listening(StandIn()) as server:
        asked(server, panel(expr=expr))
    assert server.asked[0]["query"] == 'increase(x{account=~".*"}[1h]) + rate(x[75s])'


def test_what_two_panels_ask_is_asked_once() -> None:
    with listening(StandIn()) as server:
        found = asked(server, panel(title="One"), panel(title="Other"))
    assert len(server.asked) == found.queries == 1
    assert len(found.by_panel) == 2


def test_only_a_few_queries_run_at_a_time() -> None:
    with listening(StandIn(seconds=0.02)) as server:
        asked(server, *(panel(expr=f"x{n}") for n in range(20)))
    assert server.most_at_once == THREADS


def test_panels_for_what_the_cluster_has_not_are_not_asked_for() -> None:
    gpus = panel(needs=Needs.GPUS)
    with listening(StandIn()) as server:
        assert asked(server, gpus).by_panel == {}
        assert gpus in asked(server, gpus, has=frozenset({Needs.GPUS})).by_panel


def test_a_legend_names_labels() -> None:
    legend = panel(queries=(Query(expr="x", legend="{{ pool }} on {{capacity}}{{none}}"),))
    with listening(StandIn(found={"x": [({"pool": "cpu", "capacity": "spot"}, 1)]})) as server:
        assert names(server, legend) == ["cpu on spot"]


def test_without_a_legend_the_labels_are_the_name() -> None:
    found = [({"__name__": "x", "a": "1", "b": "2"}, 1.0), ({}, 1.0)]
    with listening(StandIn(found={"x": found})) as server:
        assert names(server, panel(title="All")) == ["1, 2", "All"]


def test_buckets_of_one_histogram_have_one_name() -> None:
    buckets = panel(Kind.BUCKETS, queries=(Query(expr="x", legend="up to {{le}} s"),))
    found = [({"le": "1", "pool": "cpu"}, 1.0), ({"le": "2", "pool": "cpu"}, 1.0)]
    with listening(StandIn(found={"x": found})) as server:
        assert names(server, buckets) == ["cpu", "cpu"]


def test_what_is_no_number_is_no_value() -> None:
    with listening(StandIn(found={"x": [({"a": "1"}, math.nan), ({"a": "2"}, 0.0)]})) as server:
        assert names(server, panel(Kind.NUMBER)) == ["2"]


def test_a_series_that_says_that_there_is_none_is_none() -> None:
    waits = panel(Kind.BARS, queries=(Query(expr="x", legend="{{reason}}", nothing="nobody"),))
    found = [({"reason": "nobody"}, 0.0), ({"reason": "Priority"}, 2.0)]
    with listening(StandIn(found={"x": found})) as server:
        answer = asked(server, waits).by_panel[waits]
    assert [one.name for one in answer.series] == ["Priority"]
    assert answer.nothing == "nobody"
    assert [one.name for one in answer.zeros] == ["nobody"]


def test_what_was_chosen_is_asked_for() -> None:
    one = panel(expr='x{account=~"$account"}')
    choice = Choice(accounts=("class", "class-s01"), users=())
    with listening(StandIn()) as server:
        ask([dashboard(one)], Prometheus(server.url), HOUR, frozenset(), choice)
    assert server.asked[0]["query"] == r'x{account=~"class|class\\-s01"}'


def test_a_refused_query_is_the_failure_of_its_panel_alone() -> None:
    good, bad = panel(expr="good"), panel(expr="bad")
    with listening(StandIn(refused={"bad": "too many samples"})) as server:
        found = asked(server, good, bad)
    assert found.failed == 1
    assert found.by_panel[bad].failures == ("Prometheus refuses: too many samples",)
    assert found.by_panel[good].failures == ()


def test_a_server_that_falls_silent_is_not_asked_for_ever() -> None:
    with listening(StandIn(page=(502, "Bad Gateway"))) as server:
        found = asked(server, *(panel(expr=f"x{n}") for n in range(40)))
    assert found.failed == found.queries == 40
    assert PATIENCE <= len(server.asked) <= PATIENCE + THREADS
    told = {failure for answer in found.by_panel.values() for failure in answer.failures}
    assert told == {
        "Prometheus does not answer: it says 502 Bad Gateway",
        "not asked: Prometheus did not answer other queries",
    }


def test_it_is_known_when_measuring_began() -> None:
    with listening(StandIn(began=END - 600)) as server:
        assert began(Prometheus(server.url), HOUR) == END - 600
