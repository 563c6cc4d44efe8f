"""What is wrong or absent never looks healthy, and what is fine does not alarm."""

import importlib
import json
import math
import re

import pytest

from config.panels import DASHBOARDS
from config.panels.model import Colour, Dashboard, Kind, Needs, Panel, Query, Step, Unit
from ops.report.data import Answer
from ops.report.page import concerns
from ops.report.verdict import colour_of
from ops.report.views import MOST_ITEMS, Drawing, Section, View, widths
from tests.report.samples import RISING, UP, answers, dashboard, panel, row, series, shares

go = importlib.import_module("plotly.graph_objects")  # it has no types
EMPTY = Answer(series=())
FAILED = Answer(series=(), failures=("Prometheus refuses: no",))


def section(*shown: tuple[Panel, Answer], has: frozenset[Needs] = frozenset()) -> Section:
    by_panel = dict(shown)
    return Drawing(answers(by_panel, has)).section(dashboard(*by_panel))


def view(one: Panel, answer: Answer, **more: frozenset[Needs]) -> View:
    (found,) = section((one, answer), **more).views
    return found


@pytest.mark.parametrize("kind", Kind)
def test_a_failed_query_is_red_and_says_why(kind: Kind) -> None:
    found = view(panel(kind, empty_is_fine=True), FAILED)
    assert (found.colour, found.message) == ("red", "Prometheus refuses: no")
    assert found.urgent


def test_a_panel_of_which_only_a_part_failed_is_red_too() -> None:
    half = Answer(series=(series("a", 1),), failures=("Prometheus refuses: no",))
    assert view(panel(Kind.NUMBER), half).colour == "red"


@pytest.mark.parametrize("kind", set(Kind) - {Kind.LIGHT})
def test_no_data_is_grey_where_that_is_fine_and_red_where_it_is_not(kind: Kind) -> None:
    fine = view(panel(kind, empty="no job yet"), EMPTY)
    assert (fine.kind, fine.colour, fine.message) == ("message", "", "no job yet")
    assert not fine.urgent
    assert view(panel(kind, empty_is_fine=False), EMPTY).colour == "red"


def test_a_light_without_data_is_red() -> None:
    assert view(panel(Kind.LIGHT, empty_is_fine=True), EMPTY).colour == "red"


def test_a_histogram_of_nothing_is_no_data() -> None:
    nothing = Answer(series=(series("a", 0, le="1"), series("a", 0, le="+Inf")))
    assert view(panel(Kind.BUCKETS, empty="no job"), nothing).message == "no job"


def test_what_the_cluster_has_not_is_said_once_for_a_row() -> None:
    one = panel(Kind.LIGHT, needs=Needs.GPUS)
    (found,) = Drawing(answers({})).section(dashboard(one)).rows
    assert found.lacks == ("nodes with GPUs",)
    assert not found.tiles


def test_beside_others_a_panel_says_itself_what_it_needs() -> None:
    drawn = Drawing(answers({panel(): EMPTY}))
    _, found = drawn.section(dashboard(panel(), panel(needs=Needs.BUDGET))).views
    assert (found.message, found.colour) == ("needs a budget in dollars", "")


def test_what_the_cluster_has_is_not_excused() -> None:
    one = panel(Kind.LIGHT, needs=Needs.GPUS)
    assert view(one, EMPTY, has=frozenset({Needs.GPUS})).colour == "red"


def test_a_light_shows_each_series_with_the_worst_first() -> None:
    one = panel(Kind.LIGHT, steps=UP, words=((1, "up"), (0, "down")))
    found = view(one, Answer(series=(series("a", 1), series("b", 0), series("c", 1))))
    assert [(item.name, item.text, item.colour) for item in found.items] == [
        ("b", "down", "red"), ("a", "up", "green"), ("c", "up", "green"),
    ]  # fmt: skip
    assert (found.colour, found.summary) == ("red", "b down")


@pytest.mark.parametrize(
    ("value", "colour"), [(-1, Colour.RED), (0.999, Colour.RED), (1, Colour.GREEN)]
)
def test_a_value_has_the_colour_of_the_last_step_it_reaches(value: float, colour: Colour) -> None:
    assert colour_of(panel(steps=UP), value) is colour


def test_without_steps_a_value_has_no_colour() -> None:
    assert colour_of(panel(), 1) is None


def test_bars_are_sorted_and_a_share_is_measured_against_all() -> None:
    found = view(*shares(("low", 0.2), ("high", 0.5)))
    assert [(item.name, item.share) for item in found.items] == [("high", 0.5), ("low", 0.2)]


def test_bars_and_tables_advise_but_do_not_alarm() -> None:
    found = view(*shares(("a", 2.0)))
    assert found.colour == "red"
    assert not found.urgent


def test_bars_of_zero_are_left_out_unless_there_are_no_others() -> None:
    found = Answer(series=(series("a", 0), series("b", 2), series("c", 0)))
    for unit in (Unit.COUNT, Unit.DOLLARS):
        assert [item.name for item in view(panel(Kind.BARS, unit=unit), found).items] == ["b"]
    nothing = Answer(series=(series("a", 0), series("c", 0)))
    assert len(view(panel(Kind.BARS), nothing).items) == 2


@pytest.mark.parametrize("unit", [Unit.SHARE, Unit.SECONDS])
def test_a_zero_that_says_something_is_shown(unit: Unit) -> None:
    found = Answer(series=(series("a", 0), series("b", 2)))
    assert len(view(panel(Kind.BARS, unit=unit), found).items) == 2
    # In a table it may be what is left of a budget.
    assert len(view(panel(Kind.TABLE, unit=Unit.DOLLARS), found).items) == 2


@pytest.mark.parametrize("kind", set(Kind) - {Kind.LIGHT, Kind.BUCKETS})
def test_where_there_is_nothing_it_is_said_and_is_no_fault(kind: Kind) -> None:
    nothing = Answer(series=(), nothing="nobody waits", zeros=(row("nobody waits", 0, 0),))
    found = view(panel(kind, empty="slurmctld is silent", empty_is_fine=False), nothing)
    assert (found.message, found.colour) == ("nobody waits", "")


def test_a_number_that_advises_has_a_colour_and_does_not_alarm() -> None:
    one = panel(Kind.NUMBER, steps=RISING, advises=True, empty_is_fine=False)
    found = view(one, Answer(series=(series("a", 2),)))
    assert (found.colour, found.urgent) == ("red", False)
    assert view(one, EMPTY).urgent
    assert view(one, FAILED).urgent


@pytest.mark.parametrize(
    ("text", "length"), [("88%", ""), ("5 h 56 min", "long"), ("90 days or more", "longer")]
)
def test_longer_texts_are_smaller(text: str, length: str) -> None:
    one = panel(Kind.NUMBER, words=((1, text),))
    assert view(one, Answer(series=(series("a", 1),))).items[0].length == length


@pytest.mark.parametrize("value", [math.inf, -math.inf, 0.0, -3.0])
def test_a_bar_of_any_value_has_a_length(value: float) -> None:
    found = view(panel(Kind.BARS), Answer(series=(series("a", value), series("b", 1))))
    assert all(0 <= item.share <= 1 for item in found.items)


def test_a_table_has_the_columns_in_order_and_the_value_last() -> None:
    one = panel(Kind.TABLE, columns=(("state", "State"), ("node", "Node")), value_heading="Times")
    found = view(one, Answer(series=(series("", 1, node="cpu-1"), series("", 2, state="DOWN"))))
    assert found.headings == ("State", "Node", "Times")
    assert [(item.cells, item.text) for item in found.items] == [
        (("DOWN", ""), "2"), (("", "cpu-1"), "1"),
    ]  # fmt: skip


def test_a_table_without_columns_has_all_labels() -> None:
    found = view(panel(Kind.TABLE), Answer(series=(series("", 1, __name__="x", a="1", b="2"),)))
    assert found.headings == ("a", "b", "value")


@pytest.mark.parametrize("kind", list(MOST_ITEMS))
def test_what_is_too_much_is_cut_and_it_is_said(kind: Kind) -> None:
    many = Answer(series=tuple(series(f"s{n}", n) for n in range(1, 100)))
    found = view(panel(kind, steps=RISING), many)
    assert len(found.items) == MOST_ITEMS[kind]
    assert "of 99" in found.note
    assert found.colour == "red"  # also of those that are not shown


def test_concerns_are_red_first_and_what_has_one_reason_is_one() -> None:
    warm = panel(Kind.NUMBER, title="Warm", steps=RISING)
    silent = [panel(title=f"Silent {n}", empty="MySQL is silent", empty_is_fine=False)
              for n in range(4)]  # fmt: skip
    found = section((warm, Answer(series=(series("a", 0.9),))), *((one, EMPTY) for one in silent))
    assert [(one.colour, one.title, one.text) for one in concerns([found])] == [
        ("red", "Silent 0, Silent 1 and 2 more", "MySQL is silent"),
        ("yellow", "Warm", "0.9"),
    ]
    assert found.colour == "red"


@pytest.mark.parametrize(
    ("given", "wide"),
    [
        ([12, 12], [False, False]),
        ([8, 8, 8], [False, False, True]),
        ([12, 24, 12, 12], [True, True, False, False]),
        ([6], [True]),
        ([], []),
    ],
)
def test_no_line_of_the_page_has_a_hole(given: list[int], wide: list[bool]) -> None:
    assert widths([panel(width=width) for width in given]) == wide


ALL_NEEDS = frozenset(Needs)


@pytest.mark.parametrize("one", DASHBOARDS, ids=lambda one: one.title)
def test_every_panel_of_the_cluster_can_be_shown_without_data(one: Dashboard) -> None:
    drawn = Drawing(answers(dict.fromkeys(one.panels, EMPTY), ALL_NEEDS))
    assert all(found.message for found in drawn.section(one).views)
    assert not drawn.plots


@pytest.mark.parametrize("one", DASHBOARDS, ids=lambda one: one.title)
def test_every_panel_of_the_cluster_can_be_shown_with_data(one: Dashboard) -> None:
    drawn = Drawing(answers({shown: plenty(shown) for shown in one.panels}, ALL_NEEDS))
    found = list(drawn.section(one).views)
    assert not [shown.title for shown in found if shown.kind == "message"]
    # The report says at the row's heading what a light of sources says.
    panels = [shown for shown in one.panels if not shown.tells_of_sources]
    assert len({shown.id for shown in found}) == len(panels)
    for plot in drawn.plots.values():
        go.Figure(plot)
        json.dumps(plot, allow_nan=False)


def plenty(one: Panel) -> Answer:
    """Two series for each query, with all the labels that the panel may name."""
    labels = {
        *re.findall(r"\{\{\s*(\w+)", " ".join(query.legend for query in one.queries)),
        *(label for label, _ in one.columns),
    }
    if one.kind is Kind.BUCKETS:
        return Answer(series=(series("a", 1, le="1"), series("a", 3, le="+Inf")))
    if one.kind in (Kind.LINES, Kind.AREAS):
        return Answer(series=(row("a", 1, 2), row("b", 0.5, None)))
    return Answer(
        series=tuple(series(name, 1, **dict.fromkeys(labels, name)) for name in ("a", "b"))
    )


def test_steps_without_a_beginning_leave_small_values_uncoloured() -> None:
    one = panel(
        Kind.NUMBER,
        unit=Unit.SHARE,
        steps=(Step(value=0.5, colour=Colour.RED),),
        queries=(Query(expr="x", legend="a"),),
    )
    assert view(one, Answer(series=(series("a", 0.1),))).items[0].colour == ""
