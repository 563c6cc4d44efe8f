"""The ledger of machines: what is written, what is read back, what a month has cost."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from node_manager.ledger import Ledger
from node_manager.months import month_end, period_start
from node_manager.provider import Instance, InstanceState

from tests.node_manager.builders import make_fleet, make_instance

MARCH = datetime(2026, 3, 31, 23, 0, tzinfo=UTC).timestamp()
HOUR = 3600.0
POOLS = make_fleet().pools


def machine(node: str, created_at: float, price: float = 2.0, **fields: Any) -> Instance:
    return make_instance(node, created_at=created_at, price_per_hour=price, **fields)


def lines(directory: Path, month: str) -> list[dict[str, Any]]:
    text = (directory / f"lives-{month}.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_a_life_is_two_lines(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, POOLS, MARCH)
    one = machine("cpu-1", MARCH)
    ledger.note([one], MARCH + 1)
    ledger.note([one], MARCH + 2)
    ledger.note([replace(one, state=InstanceState.STOPPING)], MARCH + 60)
    ledger.note([], MARCH + 61)
    assert lines(tmp_path, "2026-03") == [
        {
            "id": "id-cpu-1",
            "node": "cpu-1",
            "pool": "cpu",
            "capacity": "on_demand",
            "price": 2.0,
            "cpus": 1,
            "memory_mb": 500,
            "gpus": 0,
            "from": MARCH,
        },
        {"id": "id-cpu-1", "to": MARCH + 60},
    ]


def test_a_machine_that_gets_its_name_late_is_written_down_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, POOLS, MARCH)
    ledger.note([machine("", MARCH, provider_id="i-1")], MARCH + 1)
    ledger.note([machine("cpu-2", MARCH, provider_id="i-1")], MARCH + 9)
    assert [line["node"] for line in lines(tmp_path, "2026-03")] == ["", "cpu-2"]
    assert ledger.spent(MARCH + HOUR - 1) == pytest.approx(2.0, rel=0.01)


def test_a_new_months_file_is_enough_for_that_month(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, POOLS, MARCH)
    stays, goes = machine("cpu-1", MARCH), machine("cpu-2", MARCH)
    ledger.note([stays, goes], MARCH)
    ledger.note([stays], MARCH + HOUR + 1800)
    assert lines(tmp_path, "2026-04") == [
        *(line for line in lines(tmp_path, "2026-03")),
        {"id": "id-cpu-2", "to": MARCH + HOUR + 1800},
    ]
    # In March an hour each; in April half an hour of the one, an hour of the other.
    assert ledger.spent(MARCH + HOUR + 1800) == pytest.approx(2 * 0.5 + 2 * 0.5)
    assert ledger.spent(MARCH + 2 * HOUR) == pytest.approx(2 * 0.5 + 2 * 1.0)


@pytest.mark.parametrize("broken", ["", '{"id": "id-cpu-1", "to', '{"from": 1}\n[]\n'])
def test_another_manager_goes_on_where_the_last_one_was(tmp_path: Path, broken: str) -> None:
    first = Ledger(tmp_path, POOLS, MARCH)
    ended, alive = machine("cpu-1", MARCH), machine("cpu-2", MARCH)
    first.note([ended, alive], MARCH)
    first.note([alive], MARCH + 900)
    with (tmp_path / "lives-2026-03.jsonl").open("a") as file:
        file.write(broken)
    second = Ledger(tmp_path, POOLS, MARCH + 1800)
    assert second.spent(MARCH + 1800) == pytest.approx(first.spent(MARCH + 1800))
    second.note([alive], MARCH + 1800)
    second.note([], MARCH + 1900)
    assert lines_that_can_be_read(tmp_path)[-1] == {"id": "id-cpu-2", "to": MARCH + 1900}
    assert second.spent(MARCH + 1900) == pytest.approx(2.0 * (900 + 1900) / 3600)


def lines_that_can_be_read(directory: Path) -> list[Any]:
    found = []
    for line in (directory / "lives-2026-03.jsonl").read_text().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def test_what_went_while_nobody_looked_is_not_paid_for_until_somebody_does(tmp_path: Path) -> None:
    first = Ledger(tmp_path, POOLS, MARCH - HOUR)
    first.note([machine("cpu-1", MARCH - HOUR)], MARCH - HOUR)
    seen(tmp_path, MARCH - HOUR / 2)
    later = MARCH + 60 * HOUR
    ledger = Ledger(tmp_path, POOLS, later)
    ledger.note([], later)
    assert lines(tmp_path, "2026-04")[-1] == {"id": "id-cpu-1", "to": MARCH - HOUR / 2}
    assert ledger.spent(later) == 0.0
    assert ledger.spent(later, period_start("year", later)) == pytest.approx(2.0 * 0.5)
    assert Ledger(tmp_path, POOLS, later).spent(later) == 0.0


def test_what_went_on_living_while_nobody_looked_is_paid_for(tmp_path: Path) -> None:
    Ledger(tmp_path, POOLS, MARCH).note([machine("cpu-1", MARCH)], MARCH)
    seen(tmp_path, MARCH)
    later = MARCH + 3 * HOUR
    ledger = Ledger(tmp_path, POOLS, later)
    ledger.note([machine("cpu-1", MARCH)], later)
    assert ledger.spent(later) == pytest.approx(2.0 * 2)
    ledger.note([], later + HOUR)
    assert ledger.spent(later + HOUR) == pytest.approx(2.0 * 3)


def seen(directory: Path, at: float) -> None:
    """When a manager last looked, which the file's time says."""
    os.utime(directory / "seen", (at, at))


def test_a_line_that_a_full_disk_cut_off_takes_no_other_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path, POOLS, MARCH)
    file = tmp_path / "lives-2026-03.jsonl"
    with monkeypatch.context() as full:
        full.setattr("node_manager.ledger.json.dumps", refuse)
        with pytest.raises(OSError, match="full"):
            ledger.note([machine("cpu-1", MARCH)], MARCH)
    file.write_text('{"id": "half')
    ledger._whole = False
    ledger.note([machine("cpu-1", MARCH)], MARCH)
    assert lines_that_can_be_read(tmp_path)[0]["id"] == "id-cpu-1"


def refuse(_line: object) -> str:
    raise OSError("full")


def test_a_clock_that_is_set_back_brings_no_month_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, POOLS, MARCH)
    alive = [machine("cpu-1", MARCH)]
    for now in (MARCH, MARCH + HOUR + 60, MARCH + HOUR - 60, MARCH + HOUR + 120):
        ledger.note(alive, now)
    then = MARCH + 2 * HOUR
    assert ledger.spent(then, period_start("year", then)) == pytest.approx(2.0 * 2)


def test_files_that_are_not_a_months_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "lives-2026-03-old.jsonl").write_text("{}")
    (tmp_path / "lives-2026-02.jsonl").write_bytes(b"\xff\xfe\n")
    assert Ledger(tmp_path, POOLS, MARCH).spent(MARCH) == 0.0


def test_a_longer_period_counts_its_earlier_months_also_after_a_restart(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, POOLS, MARCH - HOUR)
    ledger.note([machine("cpu-1", MARCH - HOUR)], MARCH - HOUR)
    ledger.note([machine("cpu-1", MARCH - HOUR)], MARCH + 2 * HOUR)  # April
    now = MARCH + 3 * HOUR
    for one in (ledger, Ledger(tmp_path, POOLS, now)):
        assert one.spent(now) == pytest.approx(2.0 * 2)
        assert one.spent(now, period_start("quarter", now)) == pytest.approx(2.0 * 2)
        assert one.spent(now, period_start("year", now)) == pytest.approx(2.0 * 4)
        assert one.spent(now, period_start("forever", now)) == pytest.approx(2.0 * 4)


@pytest.mark.parametrize(
    ("period", "begun"),
    [("month", (2026, 11)), ("quarter", (2026, 10)), ("year", (2026, 1)), ("forever", (1970, 1))],
)
def test_when_a_period_began(period: str, begun: tuple[int, int]) -> None:
    now = datetime(2026, 11, 25, 23, tzinfo=UTC).timestamp()
    assert period_start(period, now) == datetime(*begun, 1, tzinfo=UTC).timestamp()


def test_a_month_ends_where_the_next_begins() -> None:
    december = datetime(2026, 12, 31, 23, 59, tzinfo=UTC).timestamp()
    assert month_end(december) == datetime(2027, 1, 1, tzinfo=UTC).timestamp()
