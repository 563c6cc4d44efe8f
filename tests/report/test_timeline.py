"""The range that was asked for becomes points that a plot can show."""

import pytest

from ops.report.timeline import MOST_POINTS, Timeline, moment
from ops.stack import StackProblem

END = 1_764_111_600.0


@pytest.mark.parametrize("wanted", ["15m", "1h", "24h", "7d", "2w", "365d", "999w"])
def test_a_plot_has_few_points_and_the_last_is_now(wanted: str) -> None:
    timeline = Timeline.before(END, wanted, 15)
    assert timeline.end == END
    assert timeline.points <= MOST_POINTS + 1
    assert timeline.place(timeline.start) == 0
    assert timeline.place(END) == timeline.points - 1


def test_no_point_is_closer_than_two_measurements() -> None:
    assert Timeline.before(END, "15m", 60).step == 60
    assert Timeline.before(END, "15m", 15).step == 15


def test_rates_lose_nothing_between_two_points() -> None:
    assert Timeline.before(END, "15m", 15).rate_interval == "60s"
    assert Timeline.before(END, "24h", 15).rate_interval == "315s"


def test_time_before_the_first_measurement_is_left_out() -> None:
    timeline = Timeline.before(END, "24h", 15).since(END - 1_800)
    assert timeline.is_shortened
    assert END - 1_900 < timeline.start <= END - 1_800
    assert timeline.step == 15
    assert timeline.wanted == "24h"


def test_a_range_that_is_measured_from_its_beginning_stays() -> None:
    timeline = Timeline.before(END, "24h", 15)
    assert timeline.since(timeline.start + 60) is timeline


@pytest.mark.parametrize("wanted", ["", "24", "0h", "1.5h", "24h; rm", "1y", "1000d"])
def test_what_is_no_range_is_refused_with_an_example(wanted: str) -> None:
    with pytest.raises(StackProblem, match="for instance --range 24h"):
        Timeline.before(END, wanted, 15)


@pytest.mark.parametrize(("wanted", "words"), [("1h", "Last hour"), ("7d", "Last 7 days")])
def test_a_range_is_said_in_words(wanted: str, words: str) -> None:
    assert Timeline.before(END, wanted, 15).words == words


def test_times_are_in_utc_and_say_so() -> None:
    assert moment(END) == "25 Nov 2025, 23:00 UTC"
