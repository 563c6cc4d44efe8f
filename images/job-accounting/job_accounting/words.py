"""Amounts in words, as people read them in a terminal."""

_MIB = 1 << 20
_GIB = 1 << 30
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """A time in its two largest units: 42 s, 4 min 10 s, 24 h, 2 d 3 h."""
    left = round(seconds)
    # A day is more often called 24 hours.
    units = _UNITS if left >= 2 * 86400 else _UNITS[1:]
    parts: list[tuple[int, str]] = []
    for size, name in units:
        if left >= size or parts:
            parts.append((left // size, name))
        left %= size
    return " ".join(f"{count} {name}" for count, name in parts[:2] if count) or "0 s"


def memory(size: float) -> str:
    """An amount of memory, given in bytes: 512 MiB, 0.3 GiB, 16 GiB."""
    if size < _GIB / 10:
        return f"{size / _MIB:.0f} MiB"
    return f"{size / _GIB:.1f}".removesuffix(".0") + " GiB"


def dollars(amount: float | None) -> str:
    """An amount of money; a question mark where it is not known."""
    if amount is None:
        return "?"
    if 0 < amount < 0.005:
        return "<$0.01"
    return f"${amount:,.2f}"


def hours(minutes: float) -> str:
    """A number of hours, given in minutes: 0.03, 0.5, 12, 1,000."""
    digits = 2 if abs(minutes) < 30 else 1
    return f"{minutes / 60:,.{digits}f}".rstrip("0").removesuffix(".")


def percent(share: float) -> str:
    """A share of 0 to 1 in per cent."""
    return f"{100 * share:.0f}%"


def several(count: int, noun: str) -> str:
    """`1 job`, `2 jobs`: for nouns that take an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
