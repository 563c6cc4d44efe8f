"""Amounts are written as people read them."""

import pytest
from job_accounting.words import dollars, duration, hours, memory, percent, several

MIB, GIB = 1 << 20, 1 << 30


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (42, "42 s"),
        (59.6, "1 min"),
        (250, "4 min 10 s"),
        (3600, "1 h"),
        (3605, "1 h"),
        (86400, "24 h"),
        (47 * 3600 + 60, "47 h 1 min"),
        (2 * 86400 + 3 * 3600 + 59, "2 d 3 h"),
    ],
)
def test_times(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (5 * MIB, "5 MiB"),
        (300 * MIB, "0.3 GiB"),
        (16 * GIB, "16 GiB"),
        (1.46 * GIB, "1.5 GiB"),
        (10 * GIB, "10 GiB"),
    ],
)
def test_memory(size: float, text: str) -> None:
    assert memory(size) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "?"),
        (0.0, "$0.00"),
        (0.001, "<$0.01"),
        (0.005, "$0.01"),
        (1234.5, "$1,234.50"),
    ],
)
def test_money(amount: float | None, text: str) -> None:
    assert dollars(amount) == text


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(0, "0"), (1, "0.02"), (30, "0.5"), (720, "12"), (600_000, "10,000"), (61, "1")],
)
def test_hours(minutes: float, text: str) -> None:
    assert hours(minutes) == text


def test_shares_and_counts() -> None:
    assert percent(0.349) == "35%"
    assert (several(1, "job"), several(2, "job")) == ("1 job", "2 jobs")
