"""What is drawn is what was measured: gaps stay gaps, buckets add up, names are texts."""

import importlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.panels.model import Kind, Panel, Query, Unit
from ops.report.data import Answer, Series
from ops.report.histogram import bucket_counts, histogram
from ops.report.over_time import MOST_AREAS, MOST_LINES, areas, lines
from ops.report.palette import GREY, OTHER, Palette
from ops.report.plot import Figure
from tests.report.samples import END, EVIL, HOUR, RISING, panel, row, series

go = importlib.import_module("plotly.graph_objects")  # it has no types


def draw(one: Panel, *found: Series) -> Figure:
    """A plot that plotly.js will understand, by plotly's own schema, and a browser can read."""
    answer = Answer(series=found)
    if one.kind is Kind.BUCKETS:
        drawn = histogram(one, answer, Palette())
    else:
        plot = areas if one.kind is Kind.AREAS else lines
        drawn = plot(one, answer, HOUR, Palette())
    assert drawn
    go.Figure(drawn.plot)
    json.dumps(drawn.plot, allow_nan=False)
    return drawn


def test_a_line_has_a_point_for_each_point_of_the_timeline() -> None:
    (trace,) = draw(panel(), row("a", 1, None, 3)).plot["data"]
    assert trace["x0"] == HOUR.start * 1000
    assert trace["dx"] == 60_000
    assert trace["y"] == [None] * 58 + [1, None, 3]


def test_a_value_without_neighbours_is_seen() -> None:
    (trace,) = draw(panel(), row("a", 1, None, 3)).plot["data"]
    assert trace["mode"] == "lines+markers"


def test_values_are_in_the_unit_of_the_axis() -> None:
    drawn = draw(panel(unit=Unit.SECONDS), row("a", 60, 600))
    assert drawn.plot["data"][0]["y"][-2:] == [1, 10]
    assert drawn.plot["layout"]["yaxis"]["ticksuffix"] == " min"
    assert drawn.legend[0].value == "10 min"


def test_lines_are_told_apart_where_colours_do_not_suffice() -> None:
    drawn = draw(panel(), *(row(f"s{n}", n, n) for n in range(MOST_LINES)))
    looks = [(trace["line"]["color"], trace["line"]["dash"]) for trace in drawn.plot["data"]]
    assert len(set(looks)) == MOST_LINES
    assert [key.dotted for key in drawn.legend] == [dash == "dot" for _, dash in looks]


def test_a_series_that_has_ended_has_no_newest_value() -> None:
    assert draw(panel(), row("a", 1, None)).legend[0].value == ""


def test_of_too_many_lines_the_largest_are_drawn_and_it_is_said() -> None:
    drawn = draw(panel(), *(row(f"s{n}", n, n) for n in range(30)))
    assert [key.name for key in drawn.legend] == [f"s{n}" for n in range(30 - MOST_LINES, 30)]
    assert drawn.note == f"The {MOST_LINES} largest of 30."


def test_of_too_many_areas_the_small_ones_are_added_up() -> None:
    drawn = draw(panel(Kind.AREAS), *(row(f"s{n}", n, n) for n in range(30)))
    assert len(drawn.legend) == MOST_AREAS
    assert drawn.legend[-1].name == OTHER
    tops = [trace["y"][-1] for trace in drawn.plot["data"]]
    assert sum(tops) == sum(range(30))


def test_a_time_without_any_value_is_a_gap_between_areas_not_zero() -> None:
    found = (row("a", 1, 2, None, None, 5), row("b", 1, None, None, None, 5))
    drawn = draw(panel(Kind.AREAS), *found)
    parts = [(trace["name"], trace["stackgroup"], trace["y"]) for trace in drawn.plot["data"]]
    assert parts == [("a", "0", [1, 2]), ("a", "1", [5]), ("b", "0", [1, 0]), ("b", "1", [5])]
    assert [key.traces for key in drawn.legend] == [(0, 1), (2, 3)]


def test_a_time_in_which_there_was_nothing_is_zero_and_no_area() -> None:
    answer = Answer(series=(row("a", 1, None, None, 4),), nothing="no", zeros=(row("no", 0, None),))
    drawn = areas(panel(Kind.AREAS), answer, HOUR, Palette())
    parts = [(trace["name"], trace["y"]) for trace in drawn.plot["data"]]
    assert parts == [("a", [1]), ("a", [0, 4])]
    assert [key.name for key in drawn.legend] == ["a"]


def test_a_step_is_a_line_where_it_can_be_reached() -> None:
    near = draw(panel(steps=RISING), row("a", 0.6, 0.7)).plot["layout"]["shapes"]
    assert [shape["y0"] for shape in near] == [0.8, 1]
    assert draw(panel(steps=RISING), row("a", 0.1, 0.1)).plot["layout"]["shapes"] == []


def test_a_few_things_are_not_halved() -> None:
    assert draw(panel(), row("a", 0, 3)).plot["layout"]["yaxis"]["dtick"] == 1
    assert "dtick" not in draw(panel(), row("a", 0, 0.5)).plot["layout"]["yaxis"]


@pytest.mark.parametrize("kind", [Kind.LINES, Kind.AREAS, Kind.BUCKETS])
def test_a_name_is_no_html(kind: Kind) -> None:
    drawn = draw(panel(kind), Series(name=EVIL, labels={"le": "1"}, samples=((END, 1.0),)))
    assert all("<" not in trace["name"] for trace in drawn.plot["data"])
    assert drawn.legend[0].name == EVIL  # the template's to escape


def waits(*cumulative: tuple[str, float]) -> Figure:
    one = panel(Kind.BUCKETS, queries=(Query(expr="sum by (le) (wait_seconds_bucket)"),))
    return draw(one, *(series("waits", value, le=le) for le, value in cumulative))


def test_a_histogram_shows_how_much_is_in_each_bucket() -> None:
    (bars,) = waits(("60", 3), ("+Inf", 10), ("1", 0), ("5", 2), ("300", 10)).plot["data"]
    assert bars["x"] == ["1 s", "5 s", "1 min", "5 min", "more"]
    assert bars["y"] == [0, 2, 1, 7, 0]


def test_a_histogram_counts_whole_things() -> None:
    drawn = waits(("1", 0), ("60", 1.33), ("300", 2.67), ("+Inf", 2.67))
    assert drawn.plot["data"][0]["y"] == [0, 1, 2, 0]
    assert drawn.legend[0].value == "3"


def test_empty_buckets_at_the_ends_are_left_out() -> None:
    (bars,) = waits(("1", 0), ("2", 0), ("3", 4), ("4", 4), ("5", 4), ("+Inf", 4)).plot["data"]
    assert bars["x"] == ["2 s", "3 s", "4 s"]


def test_a_histogram_of_nothing_is_none() -> None:
    found = Answer(series=(series("a", 0, le="1"), series("a", 0, le="+Inf")))
    assert histogram(panel(Kind.BUCKETS), found, Palette()) is None


@given(st.dictionaries(st.floats(0.001, 1e6), st.floats(0, 1e9), min_size=1))
def test_buckets_add_up_to_the_largest_and_none_is_negative(found: dict[float, float]) -> None:
    counts = bucket_counts(found)
    assert all(count >= 0 for count in counts.values())
    assert sum(counts.values()) == pytest.approx(max(found.values()))


def test_the_same_thing_has_the_same_colour_in_all_plots() -> None:
    palette = Palette()
    first = dict(zip("abc", palette.colours(["a", "b", "c"], "{{pool}}"), strict=True))
    again = palette.colours(["c", "d", "a"], "{{pool}}")
    assert (again[0], again[2]) == (first["c"], first["a"])
    assert again[1] not in first.values()


def test_colours_in_a_plot_are_different_as_long_as_there_are_enough() -> None:
    palette = Palette()
    names = [f"n{n}" for n in range(7)]
    palette.colours(names[:5], "{{user}}")
    assert len(set(palette.colours(names[::-1], "{{user}}"))) == 7
    assert palette.colours([OTHER]) == [GREY]
    assert len(palette.colours([f"n{n}" for n in range(40)])) == 40
