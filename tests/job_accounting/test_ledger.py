"""The ledger is read as it is written: appended to, month by month, by a process that may die."""

from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from job_accounting.ledger import Ledger, Lives

from tests.job_accounting.builders import NOW, came, gone, life, write

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC).timestamp()


def test_a_machine_that_is_not_gone_lives_on(tmp_path: Path) -> None:
    write(tmp_path / "lives-2026-11.jsonl", came())
    lives = Ledger(tmp_path).lives(NOW - 10, NOW)
    assert list(lives) == [life()]
    assert lives.on("cpu-1", NOW - 10, NOW) == ((life(), 10.0),)
    assert lives.on("cpu-2", NOW - 10, NOW) == ()


def test_a_machine_that_is_gone_has_an_end(tmp_path: Path) -> None:
    write(tmp_path / "lives-2026-11.jsonl", came(), gone("i-1", NOW - 4))
    ended = life(end=NOW - 4)
    lives = Ledger(tmp_path).lives(NOW - 10, NOW)
    assert lives.on("cpu-1", NOW - 10, NOW) == ((ended, 6.0),)
    assert lives.on("cpu-1", NOW - 4, NOW) == ()


def test_only_what_was_appended_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "lives-2026-11.jsonl"
    ledger = Ledger(tmp_path)
    write(file, came())
    first = ledger.lives(NOW, NOW)
    assert ledger.lives(NOW, NOW) is first
    # What was read may even have become unreadable.
    with file.open("r+b") as changed:
        changed.write(b"#")
    write(file, came(id="i-2", node="cpu-2"), gone("i-1", NOW))
    assert set(ledger.lives(NOW, NOW)) == {life(end=NOW), life(id="i-2", node="cpu-2")}


def test_a_replaced_file_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "lives-2026-11.jsonl"
    ledger = Ledger(tmp_path)
    write(file, came(), came(id="i-2"))
    ledger.lives(NOW, NOW)
    write(tmp_path / "new", came(id="i-3"), came(id="i-4"), came(id="i-5"))
    (tmp_path / "new").replace(file)
    assert {one.id for one in ledger.lives(NOW, NOW)} == {"i-3", "i-4", "i-5"}
    file.write_text(came(id="i-6"), encoding="utf-8")
    assert {one.id for one in ledger.lives(NOW, NOW)} == {"i-6"}


def test_a_torn_last_line_waits_for_its_end(tmp_path: Path) -> None:
    file = tmp_path / "lives-2026-11.jsonl"
    line = came(id="i-2")
    write(file, came(), line[:30])
    ledger = Ledger(tmp_path)
    assert {one.id for one in ledger.lives(NOW, NOW)} == {"i-1"}
    write(file, line[30:])
    assert {one.id for one in ledger.lives(NOW, NOW)} == {"i-1", "i-2"}


def test_lines_that_are_no_record_and_unknown_keys_are_passed_over(tmp_path: Path) -> None:
    odd = '{"id":"i-9","node":"cp\n[1]\n3\n{"id":"i-8"}\n{"id":"i-7","from":"never"}\n\xff\n\n'
    line = came().replace("{", '{"zone":"a",', 1)
    write(tmp_path / "lives-2026-11.jsonl", odd, line)
    assert list(Ledger(tmp_path).lives(NOW, NOW)) == [life()]


def test_a_machine_is_written_again_when_it_gets_its_name(tmp_path: Path) -> None:
    write(tmp_path / "lives-2026-11.jsonl", came(node=""), came(), gone("i-1", NOW))
    assert list(Ledger(tmp_path).lives(NOW, NOW)) == [life(end=NOW)]


def test_a_machine_that_outlives_a_month_is_one_life(tmp_path: Path) -> None:
    begun = DECEMBER - 7200
    write(tmp_path / "lives-2026-11.jsonl", came(start=begun))
    write(tmp_path / "lives-2026-12.jsonl", came(start=begun), gone("i-1", DECEMBER + 7200))
    whole = life(start=begun, end=DECEMBER + 7200)
    ledger = Ledger(tmp_path)
    for since in (DECEMBER - 3600, DECEMBER + 3600):
        assert list(ledger.lives(since, since + 60)) == [whole]


def test_a_month_that_nobody_has_begun_goes_on_from_the_one_before(tmp_path: Path) -> None:
    write(tmp_path / "lives-2026-10.jsonl", came(start=NOVEMBER - 600))
    ledger = Ledger(tmp_path)
    assert ledger.lives(NOVEMBER + 5, NOVEMBER + 65).on("cpu-1", NOVEMBER, NOVEMBER + 60)
    # An end without the life written again before it is that life's all the same.
    write(tmp_path / "lives-2026-11.jsonl", gone("i-1", NOVEMBER + 10))
    ((one, seconds),) = ledger.lives(NOVEMBER, NOVEMBER + 60).on("cpu-1", NOVEMBER, NOVEMBER + 60)
    assert (one.end, seconds) == (NOVEMBER + 10, 10)


def test_an_id_may_live_twice(tmp_path: Path) -> None:
    write(
        tmp_path / "lives-2026-11.jsonl",
        came(start=NOW - 300.0),
        gone("i-1", NOW - 200),
        came(start=NOW - 100.0),
    )
    spans = [(one.start, one.end) for one in Ledger(tmp_path).lives(NOW, NOW)]
    assert spans == [(NOW - 300, NOW - 200), (NOW - 100, None)]


def test_no_directory_is_no_lives(tmp_path: Path) -> None:
    assert list(Ledger(tmp_path / "none").lives(NOW, NOW)) == []


def test_a_month_that_was_removed_stays_known_as_long_as_the_reader_runs(tmp_path: Path) -> None:
    file = tmp_path / "lives-2026-11.jsonl"
    write(file, came())
    ledger = Ledger(tmp_path)
    ledger.lives(NOW, NOW)
    file.unlink()
    assert list(ledger.lives(NOW, NOW)) == [life()]


def test_files_that_have_not_changed_are_not_read(tmp_path: Path) -> None:
    write(tmp_path / "lives-2026-11.jsonl", came())
    ledger = Ledger(tmp_path)
    ledger.lives(NOW, NOW)
    with patch("job_accounting.ledger.json.loads", side_effect=AssertionError("read again")):
        ledger.lives(NOW, NOW)


span = st.tuples(st.integers(0, 100), st.integers(1, 50) | st.none())


@given(st.lists(span, max_size=8), st.integers(0, 120), st.integers(0, 60))
def test_the_lives_of_a_span_are_all_that_overlap_it(
    spans: list[tuple[int, int | None]], since: int, length: int
) -> None:
    known = [
        life(id=str(number), start=start, end=None if lasts is None else start + lasts)
        for number, (start, lasts) in enumerate(spans)
    ]
    until = since + length
    expected = {(one.id, one.overlap(since, until)) for one in known if one.overlap(since, until)}
    found = Lives(known).on("cpu-1", since, until)
    assert {(one.id, seconds) for one, seconds in found} == expected
    assert [one.start for one, _ in found] == sorted(one.start for one, _ in found)
