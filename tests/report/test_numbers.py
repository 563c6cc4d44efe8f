"""Numbers are written as people read them."""

import math

import pytest

from config.panels.model import Unit
from ops.report.numbers import duration, scale_of, text

NOW = 1_764_111_600.0


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0, Unit.COUNT, "0"),
        (3, Unit.COUNT, "3"),
        (3.14159, Unit.COUNT, "3.14"),
        (99_999, Unit.COUNT, "99,999"),
        (2_500_000, Unit.COUNT, "2.5 M"),
        (26.05, Unit.NONE, "26.05"),
        (0, Unit.SECONDS, "0 s"),
        (0.25, Unit.SECONDS, "250 ms"),
        (0.00031, Unit.SECONDS, "310 µs"),
        (0.9996, Unit.SECONDS, "1 s"),
        (0.00099996, Unit.SECONDS, "1 ms"),
        (9.999, Unit.SECONDS, "10 s"),
        (40.6, Unit.SECONDS, "41 s"),
        (59.7, Unit.SECONDS, "1 min"),
        (250, Unit.SECONDS, "4 min 10 s"),
        (3_599.9, Unit.SECONDS, "1 h"),
        (11_520, Unit.SECONDS, "3 h 12 min"),
        (86_399, Unit.SECONDS, "1 d"),
        (443_520, Unit.SECONDS, "5 d 3 h"),
        (-90, Unit.SECONDS, "-1 min 30 s"),
        (0.032, Unit.SHARE, "3.2%"),
        (1, Unit.SHARE, "100%"),
        (0.000133, Unit.SHARE, "0.013%"),
        (0.00998, Unit.SHARE, "1%"),
        (0.0000000667, Unit.SHARE, "<0.01%"),
        (0, Unit.SHARE, "0%"),
        (12.3 * 2**30, Unit.BYTES, "12.3 GiB"),
        (512, Unit.BYTES, "512 B"),
        (1.5 * 2**20, Unit.BYTES_PER_SECOND, "1.5 MiB/s"),
        (0.002, Unit.PER_SECOND, "0.12 /min"),
        (3, Unit.PER_SECOND, "3 /s"),
        (0, Unit.DOLLARS, "$0.00"),
        (1.234, Unit.DOLLARS, "$1.23"),
        (0.0042, Unit.DOLLARS, "$0.0042"),
        (0.00001, Unit.DOLLARS, "<$0.0001"),
        (1_234.4, Unit.DOLLARS, "$1,234"),
        (-3, Unit.DOLLARS, "-$3.00"),
        (62.04, Unit.CELSIUS, "62 °C"),
        (1_250, Unit.WATTS, "1.25 kW"),
        ((NOW - 250) * 1000, Unit.TIME_AGO, "4 min 10 s ago"),
        ((NOW + 250) * 1000, Unit.TIME_AGO, "in 4 min 10 s"),
        (math.nan, Unit.COUNT, "–"),  # noqa: RUF001
        (math.inf, Unit.SECONDS, "∞"),
    ],
)
def test_a_value_is_written_with_its_unit(value: float, unit: Unit, expected: str) -> None:
    assert text(value, unit, NOW) == expected


@pytest.mark.parametrize("unit", Unit)
@pytest.mark.parametrize("value", [0, 1e-12, 0.5, 1, 1e4, 1e12, -7])
def test_every_value_of_every_unit_can_be_written_and_drawn(unit: Unit, value: float) -> None:
    assert text(value, unit, NOW)
    assert scale_of(unit, value).factor > 0


@pytest.mark.parametrize(
    ("unit", "largest", "factor", "suffix"),
    [
        (Unit.SECONDS, 7_200, 3_600, " h"),
        (Unit.SECONDS, 0.2, 1e-3, " ms"),
        (Unit.SECONDS, 0.95, 1, " s"),
        (Unit.BYTES, 3 * 2**30, 2**30, " GiB"),
        (Unit.SHARE, 1, 0.01, "%"),
        (Unit.PER_SECOND, 0.01, 1 / 60, " /min"),
        (Unit.COUNT, 7, 1, ""),
    ],
)
def test_an_axis_has_one_unit_by_its_largest_value(
    unit: Unit, largest: float, factor: float, suffix: str
) -> None:
    scale = scale_of(unit, largest)
    assert (scale.factor, scale.suffix) == (factor, suffix)


def test_a_duration_never_has_sixty_of_a_unit() -> None:
    for seconds in range(200_000):
        assert "60 " not in duration(seconds)
