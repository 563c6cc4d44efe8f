"""Grafana's files: what Grafana 12 takes, and what panels promise."""

import ast
import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import jsonschema
import promql_parser as parser
import pytest
import yaml

from config.panels import DASHBOARDS
from config.panels.absence import NOT_KNOWN
from config.panels.model import Kind, Needs, Panel, Row
from config.panels.queries import promql
from config.panels.sources import Source, sources_of
from config.panels.steps import BUDGET
from config.render.grafana import (
    dashboards_json,
    datasource_yaml,
    grafana_files,
    provider_yaml,
)
from config.render.grafana_environment import (
    DASHBOARDS_DIRECTORY,
    GRAFANA_ENVIRONMENT,
    PROVISIONING,
)
from config.settings import load_cluster
from ops.environment import CHECKOUT
from tests.unit.settings_samples import settings

FILES = dashboards_json(DASHBOARDS)
PAGES: dict[str, dict[str, Any]] = {name: json.loads(text) for name, text in FILES.items()}
SOURCE = {"type": "prometheus", "uid": "hpc-prometheus"}

_PLACE = {
    "type": "object",
    "required": ["x", "y", "w", "h"],
    "properties": {
        "x": {"type": "integer", "minimum": 0, "maximum": 23},
        "y": {"type": "integer", "minimum": 0},
        "w": {"type": "integer", "minimum": 1, "maximum": 24},
        "h": {"type": "integer", "minimum": 1},
    },
}
_TARGET = {
    "type": "object",
    "required": ["datasource", "expr", "legendFormat", "refId", "instant", "range", "format"],
    "properties": {
        "datasource": {"const": SOURCE},
        "expr": {"type": "string", "minLength": 2},
        "legendFormat": {"type": "string", "minLength": 1},
        "refId": {"type": "string", "pattern": "^[A-Z]$"},
        "format": {"enum": ["time_series", "table", "heatmap"]},
    },
}
_STEP = {
    "type": "object",
    "required": ["color", "value"],
    "properties": {"value": {"type": ["number", "null"]}},
}
_FIELD = {
    "type": "object",
    "required": ["unit", "noValue", "thresholds", "color"],
    "properties": {
        "unit": {"type": "string", "minLength": 1},
        "noValue": {"type": "string", "minLength": 1},
        "thresholds": {
            "type": "object",
            "required": ["mode", "steps"],
            "properties": {"steps": {"type": "array", "minItems": 1, "items": _STEP}},
        },
    },
}
_PANEL = {
    "type": "object",
    "required": [
        "id", "type", "title", "description", "datasource", "gridPos", "targets", "fieldConfig",
        "options", "interval",
    ],
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "type": {"enum": ["stat", "timeseries", "bargauge", "table"]},
        "description": {"type": "string", "minLength": 10},
        "datasource": {"const": SOURCE},
        "gridPos": _PLACE,
        "interval": {"const": "15s"},
        "targets": {"type": "array", "minItems": 1, "items": _TARGET},
        "fieldConfig": {
            "type": "object",
            "required": ["defaults"],
            "properties": {"defaults": _FIELD},
        },
    },
}  # fmt: skip
_ROW = {
    "type": "object",
    "required": ["id", "type", "title", "gridPos", "panels"],
    "properties": {"type": {"const": "row"}, "gridPos": _PLACE, "panels": {"maxItems": 0}},
}
_PAGE = {
    "type": "object",
    "required": ["uid", "title", "schemaVersion", "panels", "templating", "annotations", "time"],
    "properties": {
        "uid": {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,40}$"},
        "editable": {"const": False},
        "tags": {"const": ["hpc-stack"]},
        "panels": {"type": "array", "items": {"anyOf": [_ROW, _PANEL]}},
    },
}


def drawn(page: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A page's panels without its rows' headings."""
    return (panel for panel in page["panels"] if panel["type"] != "row")


def by_kind(kind: Kind) -> list[Any]:
    """Panels of a kind, with what they became."""
    return [
        pytest.param(panel, one, id=panel.title)
        for page in DASHBOARDS
        for panel, one in zip(page.panels, drawn(PAGES[f"{page.uid}.json"]), strict=True)
        if panel.kind is kind
    ]


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_page_has_the_shape_that_grafana_takes(page: dict[str, Any]) -> None:
    jsonschema.validate(page, _PAGE)
    ids = [panel["id"] for panel in page["panels"]]
    assert len(ids) == len(set(ids))
    for panel in drawn(page):
        refs = [target["refId"] for target in panel["targets"]]
        assert len(refs) == len(set(refs))


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_panels_lie_beside_each_other_within_the_page(page: dict[str, Any]) -> None:
    places = [panel["gridPos"] for panel in page["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert not [pair for pair in combinations(places, 2) if overlap(*pair)]


def test_every_page_and_panel_is_there_in_order() -> None:
    assert list(PAGES) == [f"{page.uid}.json" for page in DASHBOARDS]
    for page in DASHBOARDS:
        titles = [panel["title"] for panel in drawn(PAGES[f"{page.uid}.json"])]
        assert titles == [panel.title for panel in page.panels]


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_lines_are_full(page: dict[str, Any]) -> None:
    widths: dict[int, int] = {}
    for panel in page["panels"]:
        place = panel["gridPos"]
        widths[place["y"]] = widths.get(place["y"], 0) + place["w"]
    assert set(widths.values()) == {24}


def rows() -> Iterator[Any]:
    """Every row with what its panels became."""
    for page in DASHBOARDS:
        found = drawn(PAGES[f"{page.uid}.json"])
        for row in page.rows:
            name = f"{page.title}: {row.title}"
            yield pytest.param(row, [next(found) for _ in row.panels], id=name)


def asks_now(expr: str) -> bool:
    """Whether it looks at the newest values alone."""
    found: list[parser.Expr] = []
    parser.walk(parser.parse(promql(expr)), found.append)
    return not any(isinstance(part, parser.MatrixSelector) for part in found)


def goes_red_with(one: dict[str, Any], source: Source) -> bool:
    """Whether what Grafana draws is red as soon as this source falls silent."""
    if one["type"] not in ("stat", "bargauge"):
        return False
    field = one["fieldConfig"]["defaults"]
    steps = [step["color"] for step in field["thresholds"]["steps"]]
    special = [m["options"]["result"] for m in field["mappings"] if m["type"] == "special"]
    exprs = [target["expr"] for target in one["targets"]]
    if steps == ["red", "green"] and any(source.answers in expr for expr in exprs):
        return True  # a light
    return [result["color"] for result in special] == ["red"] and all(
        asks_now(expr) and source.is_read_by(expr) for expr in exprs
    )


@pytest.mark.parametrize(("row", "panels"), rows())
def test_a_row_goes_red_with_each_of_its_sources(row: Row, panels: list[dict[str, Any]]) -> None:
    sources = sources_of(row.panels)
    assert sources
    for source in sources:
        assert any(goes_red_with(one, source) for one in panels), source.name


def test_a_light_of_sources_is_small_and_said_in_words() -> None:
    lights = [
        (row.panels.index(panel), panel)
        for page in DASHBOARDS
        for row in page.rows
        for panel in row.panels
        if panel.tells_of_sources
    ]
    assert len(lights) >= 15
    for place, panel in lights:
        assert place, "what the row is about comes first"
        assert panel.width == 3
        assert {value for value, _ in panel.words} & {0.0, NOT_KNOWN}
        # A cluster without such nodes has nothing that could be silent.
        assert panel.empty_is_fine == (panel.needs in (Needs.GPUS, Needs.MACHINES))
        # Finished jobs and rounds alone: who tells of them answers, and is late.
        is_late = (0.0, "late or down") in panel.words
        assert is_late == panel.title.endswith((": finished jobs", ": rounds"))


def test_the_same_pages_give_the_same_text() -> None:
    assert dashboards_json(DASHBOARDS) == FILES
    for name, text in FILES.items():
        assert text == json.dumps(PAGES[name], separators=(",", ":"), sort_keys=True)


def test_pages_ask_what_the_report_asks() -> None:
    for page in DASHBOARDS:
        for panel, one in zip(page.panels, drawn(PAGES[f"{page.uid}.json"]), strict=True):
            asked = [target["expr"] for target in one["targets"]]
            for query, expr in zip(panel.queries, asked, strict=True):
                assert query.expr in expr


@pytest.mark.parametrize(("panel", "one"), [*by_kind(Kind.LIGHT), *by_kind(Kind.NUMBER)])
def test_a_number_without_data_says_so_and_is_red_where_that_is_a_fault(
    panel: Panel, one: dict[str, Any]
) -> None:
    field = one["fieldConfig"]["defaults"]
    assert one["type"] == "stat"
    assert field["noValue"].startswith(panel.empty)
    nothing = [m["options"]["result"] for m in field["mappings"] if m["type"] == "special"]
    if panel.empty_is_fine:
        assert nothing == []
    else:
        assert [(m["text"], m["color"]) for m in nothing] == [(field["noValue"], "red")]


@pytest.mark.parametrize(("panel", "one"), by_kind(Kind.LIGHT))
def test_a_light_says_words_for_values(panel: Panel, one: dict[str, Any]) -> None:
    (words,) = (m for m in one["fieldConfig"]["defaults"]["mappings"] if m["type"] == "value")
    assert {key: result["text"] for key, result in words["options"].items()} == {
        f"{value:.0f}": text for value, text in panel.words
    }
    assert one["fieldConfig"]["defaults"]["thresholds"]["steps"][0] == {
        "value": None,
        "color": "red",
    }


@pytest.mark.parametrize(("panel", "one"), [*by_kind(Kind.LINES), *by_kind(Kind.AREAS)])
def test_lines_are_asked_over_time_and_areas_add_up(panel: Panel, one: dict[str, Any]) -> None:
    assert one["type"] == "timeseries"
    assert all(target["range"] and not target["instant"] for target in one["targets"])
    stacked = one["fieldConfig"]["defaults"]["custom"].get("stacking", {}).get("mode") == "normal"
    assert stacked == (panel.kind is Kind.AREAS)


@pytest.mark.parametrize(("panel", "one"), by_kind(Kind.BARS))
def test_the_largest_bar_is_first(panel: Panel, one: dict[str, Any]) -> None:
    assert one["type"] == "bargauge"
    assert all(target["instant"] for target in one["targets"])
    if len(panel.queries) == 1:
        assert one["targets"][0]["expr"] == f"sort_desc({panel.queries[0].expr})"


@pytest.mark.parametrize(("panel", "one"), by_kind(Kind.TABLE))
def test_a_table_shows_its_columns_and_the_value_last(panel: Panel, one: dict[str, Any]) -> None:
    (target,) = one["targets"]
    shown, arranged = one["transformations"]
    labels = [label for label, _ in panel.columns]
    assert (target["format"], target["instant"]) == ("table", True)
    assert shown["options"]["include"]["names"] == [*labels, "Value"]
    order = arranged["options"]["indexByName"]
    assert sorted(order, key=order.__getitem__) == [*labels, "Value"]
    assert arranged["options"]["renameByName"]["Value"] == panel.value_heading


@pytest.mark.parametrize(("panel", "one"), by_kind(Kind.BUCKETS))
def test_buckets_are_made_not_cumulative(panel: Panel, one: dict[str, Any]) -> None:
    assert [target["format"] for target in one["targets"]] == ["heatmap"]


@pytest.mark.parametrize("page", DASHBOARDS, ids=lambda page: page.uid)
def test_choices_begin_with_all_and_narrow_each_other(page: Any) -> None:
    choices = PAGES[f"{page.uid}.json"]["templating"]["list"]
    assert [choice["name"] for choice in choices] == list(page.variables)
    for index, choice in enumerate(choices):
        assert choice["current"]["value"] == ["$__all"]
        assert (choice["includeAll"], choice["allValue"], choice["multi"]) == (True, ".*", True)
        assert choice["query"]["query"].startswith(f"label_values({page.variable_source}")
        assert choice["query"]["query"].endswith(f", {choice['name']})")
        for before in page.variables[:index]:
            assert f'{before}=~"${before}"' in choice["query"]["query"]


def test_who_chooses_is_told_what() -> None:
    assert [page.uid for page in DASHBOARDS if page.choose] == ["hpc-class"]
    said = PAGES["hpc-class.json"]["description"]
    assert "Choose the class's account above" in said
    assert PAGES["hpc-overview.json"]["description"] == DASHBOARDS[0].about


def test_pages_lead_to_each_other() -> None:
    for name, page in PAGES.items():
        everything, *direct = page["links"]
        assert (everything["type"], everything["tags"]) == ("dashboards", ["hpc-stack"])
        assert everything["asDropdown"]
        urls = [link["url"] for link in direct]
        if name == "hpc-overview.json":
            assert urls == [f"/d/{other.uid}" for other in DASHBOARDS[1:]]
        else:
            assert urls == ["/d/hpc-overview"]
        assert all(link["keepTime"] for link in page["links"])


def test_restarts_and_launches_are_marked_on_every_page() -> None:
    for page in PAGES.values():
        marks = page["annotations"]["list"]
        assert [mark["name"] for mark in marks] == [
            "Restarts", "slurmctld is silent", "Launches of nodes", "Ends of nodes",
        ]  # fmt: skip
        for mark in marks:
            assert mark["datasource"] == SOURCE
            assert mark["titleFormat"]
            assert "$" not in promql(mark["expr"])
            parser.parse(promql(mark["expr"]))


def test_a_service_that_tells_of_its_start_is_marked_by_its_name() -> None:
    (started,) = (
        mark["expr"]
        for mark in PAGES["hpc-overview.json"]["annotations"]["list"]
        if mark["titleFormat"] == "{{job}} started"
    )
    # The others are the jobs' own.
    assert 'job=~"prometheus|alertmanager"' in started
    assert '"job", "slurmctld", "", ""' in started
    assert " by " not in started


def test_data_comes_from_the_cluster_s_prometheus() -> None:
    (source,) = yaml.safe_load(datasource_yaml(30))["datasources"]
    assert (source["type"], source["uid"]) == (SOURCE["type"], SOURCE["uid"])
    assert source["url"] == "http://prometheus:9090"
    assert source["editable"] is False
    assert source["jsonData"]["timeInterval"] == "30s"
    assert source["jsonData"]["manageAlerts"] is False


def test_pages_are_not_changed_in_grafana() -> None:
    (provider,) = yaml.safe_load(provider_yaml())["providers"]
    assert (provider["folder"], provider["allowUiUpdates"]) == ("hpc-stack", False)
    assert provider["options"]["path"] == DASHBOARDS_DIRECTORY


def test_all_files_are_where_grafana_looks() -> None:
    files = grafana_files(load_cluster(settings()))
    assert f"{PROVISIONING}/datasources/hpc-stack.yaml" in files
    assert f"{PROVISIONING}/dashboards/hpc-stack.yaml" in files
    assert {f"{DASHBOARDS_DIRECTORY}/{name}" for name in PAGES} <= set(files)
    assert GRAFANA_ENVIRONMENT["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] in files


def test_panels_follow_the_time_between_measurements() -> None:
    page = json.loads(dashboards_json(DASHBOARDS[:1], 60)["hpc-overview.json"])
    assert {panel["interval"] for panel in drawn(page)} == {"60s"}


def test_budgets_turn_yellow_where_the_alert_begins_to_hold() -> None:
    observed = {"scrape_seconds": 60}
    files = grafana_files(load_cluster(settings(budget={"warn_at": 0.5}, monitoring=observed)))
    pages = {
        page.uid: json.loads(files[f"{DASHBOARDS_DIRECTORY}/{page.uid}.json"])
        for page in DASHBOARDS
    }
    of_budgets = [
        one["fieldConfig"]["defaults"]["thresholds"]["steps"]
        for page in DASHBOARDS
        for panel, one in zip(page.panels, drawn(pages[page.uid]), strict=True)
        if panel.steps == BUDGET
    ]
    assert len(of_budgets) == 4
    for steps in of_budgets:
        assert [(one["value"], one["color"]) for one in steps] == [
            (None, "green"), (0.5, "yellow"), (1, "red"),
        ]  # fmt: skip
    assert {panel["interval"] for panel in drawn(pages["hpc-cost"])} == {"60s"}


def test_pages_are_as_they_are_with_the_settings_defaults() -> None:
    files = grafana_files(load_cluster(settings()))
    assert (
        FILES.items()
        <= {
            path.removeprefix(f"{DASHBOARDS_DIRECTORY}/"): text for path, text in files.items()
        }.items()
    )


def test_everybody_may_look_and_nobody_outside_hears_of_it() -> None:
    environment = GRAFANA_ENVIRONMENT
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "true"
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_USERS_ALLOW_SIGN_UP"] == "false"
    assert environment["GF_ANALYTICS_REPORTING_ENABLED"] == "false"
    assert environment["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/run/secrets/grafana_password"
    # Who only looks silences nothing: Grafana has no alerts of its own, nor Alertmanager's.
    assert environment["GF_UNIFIED_ALERTING_ENABLED"] == "false"
    assert all(re.fullmatch(r"GF_[A-Z_]+", name) for name in environment)
    assert not [name for name in environment if "PASSWORD" in name and not name.endswith("__FILE")]


def test_grafana_s_library_is_imported_by_its_renderer_alone() -> None:
    users = set()
    for path in [*(CHECKOUT / "config").rglob("*.py"), *(CHECKOUT / "components").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if any(name.startswith("grafana_foundation_sdk") for name in names):
                users.add(path.name)
    assert users == {"grafana.py", "grafana_panels.py"}
