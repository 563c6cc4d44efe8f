"""Numbers as people read them: `12.3 GiB`, `4 min 10 s`, `$1.23`."""

import math
from dataclasses import dataclass

from config.panels.model import Unit

MISSING = "–"  # noqa: RUF001 - an en dash, as in printed tables
_SPANS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))
_SMALL_SPANS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_BINARY = tuple(
    (1024.0**power, name)
    for power, name in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB"), (0, "B"))
)
_DECIMAL = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_RATES = ((1.0, "/s"), (1 / 60, "/min"), (1 / 3600, "/h"))


def text(value: float, unit: Unit, now: float) -> str:
    """A value with its unit. `now` is in seconds since the epoch, for times ago."""
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value < 0 and unit is not Unit.TIME_AGO:
        return f"-{text(-value, unit, now)}"
    match unit:
        case Unit.SECONDS:
            return duration(value)
        case Unit.TIME_AGO:
            return _ago(now - value / 1000)
        case Unit.SHARE:
            return _share(value * 100)
        case Unit.DOLLARS:
            return _dollars(value)
        case Unit.CELSIUS:
            return f"{_short(value)} °C"
        case Unit.NONE:
            return _grouped(value, 4)
        case Unit.COUNT:
            return _count(value)
        case Unit.BYTES | Unit.BYTES_PER_SECOND | Unit.PER_SECOND | Unit.WATTS:
            scale = scale_of(unit, value)
            return f"{_short(value / scale.factor)}{scale.suffix}"


def duration(seconds: float) -> str:
    """A span of time in its two largest units: `3 h 12 min`, `42 s`, `250 ms`."""
    if seconds < 59.5:
        shown = float(round(seconds) if seconds >= 10 else f"{seconds:.3g}")
        size, name = _fitting(_SMALL_SPANS, shown)
        return f"{_short(shown / size)} {name}"
    whole = round(seconds) if seconds < 3_600 else round(seconds / 60) * 60
    size, name = _fitting(_SPANS, whole)
    first, rest = divmod(whole, size)
    below = {"d": (3_600, "h"), "h": (60, "min"), "min": (1, "s")}[name]
    second = int(rest // below[0])
    return f"{int(first)} {name} {second} {below[1]}" if second else f"{int(first)} {name}"


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How an axis is labelled: values divided by `factor`, between `prefix` and `suffix`."""

    factor: float = 1.0
    prefix: str = ""
    suffix: str = ""
    form: str = ",~r"
    """Of plotly's numbers, as d3-format has them."""


def scale_of(unit: Unit, largest: float) -> Scale:
    """One scale for all values of a plot, by the largest of them."""
    match unit:
        case Unit.SECONDS:
            # An axis that reaches a little less than a second would end at `1,000 ms`.
            reached = 1 if 0.8 < largest < 1 else largest
            size, name = _fitting((*_SPANS, *_SMALL_SPANS), reached)
            return Scale(factor=size, suffix=f" {name}")
        case Unit.SHARE:
            return Scale(factor=0.01, suffix="%")
        case Unit.BYTES:
            size, name = _fitting(_BINARY, largest)
            return Scale(factor=size, suffix=f" {name}")
        case Unit.BYTES_PER_SECOND:
            size, name = _fitting(_BINARY, largest)
            return Scale(factor=size, suffix=f" {name}/s")
        case Unit.PER_SECOND:
            size, name = _fitting(_RATES, largest * 10)  # no `0.2 /s` where `12 /min` will do
            return Scale(factor=size, suffix=f" {name}")
        case Unit.WATTS:
            size, name = _fitting(_DECIMAL, largest)
            return Scale(factor=size, suffix=f" {name}W")
        case Unit.DOLLARS:
            return Scale(prefix="$")
        case Unit.CELSIUS:
            return Scale(suffix=" °C")
        case Unit.NONE | Unit.COUNT | Unit.TIME_AGO:
            return Scale()


def _fitting(sizes: tuple[tuple[float, str], ...], value: float) -> tuple[float, str]:
    """The largest size that the value reaches, else the smallest; zero takes the plain one."""
    if value == 0:
        return next(((size, name) for size, name in sizes if size == 1), sizes[-1])
    return next(((size, name) for size, name in sizes if value >= size), sizes[-1])


def _ago(seconds: float) -> str:
    if seconds < -1:
        return f"in {duration(-seconds)}"
    return "now" if seconds < 1 else f"{duration(seconds)} ago"


def _dollars(value: float) -> str:
    if 0 < value < 0.01:
        return f"${value:.2g}" if value >= 0.0001 else "<$0.0001"
    return f"${value:,.2f}" if value < 1_000 else f"${value:,.0f}"


def _share(per_cent: float) -> str:
    if 0 < per_cent < 0.01:
        return "<0.01%"
    return f"{_grouped(per_cent, 2) if per_cent < 1 else _short(per_cent)}%"


def _count(value: float) -> str:
    if value < 100_000:
        return _short(value)
    size, name = _fitting(_DECIMAL, value)
    return f"{_short(value / size)} {name}"


def _short(value: float) -> str:
    """Three digits, but all of them before the point."""
    return _grouped(value, max(3, len(str(int(value)))))


def _grouped(value: float, digits: int) -> str:
    """With so many digits that count, thousands set apart."""
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(value)))
    rounded = f"{value:,.{places}f}"
    return rounded.rstrip("0").rstrip(".") if "." in rounded else rounded
