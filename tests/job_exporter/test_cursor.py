"""Which runs a pass counts, and how far back the next one goes."""

import pytest
from job_accounting.records import Job
from job_exporter.cursor import FAR_EVERY, OVERLAP, SHORT_OVERLAP, Cursor

from tests.job_exporter.builders import DAY, MONTH, NOW, make_job


def ended(number: int, end: int, start: int | None = None) -> Job:
    return make_job(JobIDRaw=number, End=end, Start=end - 60 if start is None else start)


def complete(at: int = NOW) -> Cursor:
    return Cursor(since=MONTH, counted_until=at, complete_until=at, searched_until=at)


def test_counting_begins_with_the_month_and_not_before() -> None:
    cursor = Cursor.starting(MONTH)
    assert cursor.pass_start(NOW, delivered=True) == MONTH
    assert cursor.pass_start(NOW, delivered=False) == MONTH


def test_each_pass_goes_back_a_little_behind_the_one_before() -> None:
    assert complete().pass_start(NOW + 60, delivered=True) == NOW - SHORT_OVERLAP
    assert complete().pass_start(NOW + 60, delivered=False) == NOW - SHORT_OVERLAP


def test_now_and_then_a_pass_goes_back_behind_the_last_that_did() -> None:
    cursor = complete()
    almost = NOW + FAR_EVERY - 1
    cursor.advance(almost, begun=NOW - SHORT_OVERLAP, delivered=True)
    assert cursor.pass_start(almost, delivered=True) == almost - SHORT_OVERLAP
    far = cursor.pass_start(NOW + FAR_EVERY, delivered=True)
    assert far == NOW - OVERLAP
    cursor.advance(NOW + FAR_EVERY, begun=far, delivered=True)
    after = cursor.pass_start(NOW + FAR_EVERY + 60, delivered=True)
    assert after == NOW + FAR_EVERY - SHORT_OVERLAP


@pytest.mark.parametrize("target", [NOW + DAY, NOW - 1])
def test_after_a_time_away_and_when_the_clock_was_set_back_a_pass_goes_back_far(
    target: int,
) -> None:
    assert complete().pass_start(target, delivered=True) == NOW - OVERLAP


def test_after_an_outage_a_pass_goes_back_to_where_all_was_known() -> None:
    cursor = complete()
    cursor.advance(NOW + DAY, begun=NOW - SHORT_OVERLAP, delivered=False)
    later = NOW + DAY + 60
    assert cursor.pass_start(later, delivered=False) == NOW + DAY - SHORT_OVERLAP
    far = cursor.pass_start(later, delivered=True)
    assert far == NOW - OVERLAP
    cursor.advance(NOW + DAY, begun=far, delivered=True)
    assert cursor.pass_start(later, delivered=True) == NOW + DAY - SHORT_OVERLAP


def test_a_run_is_counted_once_and_the_next_run_of_its_job_too() -> None:
    cursor = complete()
    first, second = ended(1, NOW, start=NOW - 60), ended(1, NOW, start=NOW - 30)
    assert cursor.take([first, first], NOW - OVERLAP) == [first]
    assert cursor.take([first, second], NOW - OVERLAP) == [second]


def test_what_ended_before_the_slice_may_have_been_forgotten_and_is_not_counted() -> None:
    assert complete().take([ended(1, NOW - 1)], NOW) == []
    assert complete().take([make_job(End="Unknown", State="RUNNING")], NOW) == []


def test_only_what_can_come_again_is_remembered() -> None:
    cursor = complete(NOW - 60)
    cursor.take([ended(1, NOW - OVERLAP - 1), ended(2, NOW - OVERLAP)], NOW - 60 - OVERLAP)
    cursor.advance(NOW, begun=NOW - 60 - SHORT_OVERLAP, delivered=True)
    cursor.advance(NOW, begun=NOW - 60 - OVERLAP, delivered=False)
    assert len(cursor.counted) == 2
    cursor.advance(NOW, begun=NOW - 60 - OVERLAP, delivered=True)
    assert list(cursor.counted) == [("2", NOW - OVERLAP - 60)]


def test_looking_back_can_be_given_up() -> None:
    cursor = complete()
    cursor.take([ended(1, NOW)], NOW - OVERLAP)
    cursor.advance(NOW + DAY, begun=NOW - SHORT_OVERLAP, delivered=False)
    cursor.stop_looking_back()
    assert cursor.counted == {}
    assert cursor.pass_start(NOW + DAY, delivered=True) == NOW + DAY - SHORT_OVERLAP


def test_a_clock_that_was_set_back_moves_nothing_back() -> None:
    cursor = complete()
    cursor.advance(NOW - 600, begun=NOW - 600 - OVERLAP, delivered=True)
    assert (cursor.counted_until, cursor.complete_until, cursor.searched_until) == (NOW, NOW, NOW)
