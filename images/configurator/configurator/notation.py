"""How sacctmgr prints limits, read back into values that compare equal when they mean the same."""

import re

Tres = dict[str, int]

_MEBIBYTES = {"": 1, "K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2, "P": 1024**3}


def tres(text: str) -> Tres:
    """`cpu=4,mem=2G` as counts by type, memory in MiB; the empty text is no limit."""
    counts = {}
    for pair in filter(None, text.split(",")):
        kind, _, number = pair.partition("=")
        match = re.fullmatch(r"([\d.]+)([KMGTP]?)", number)
        if match is None:
            raise ValueError(f"not a TRES count: {pair!r}")
        scale = _MEBIBYTES[match[2]] if kind == "mem" else 1
        counts[kind] = round(float(match[1]) * scale)
    return counts


def minutes(text: str) -> int | None:
    """A time span (`1-02:30:00`, `15:00:00`, `30`) in minutes; None for no limit."""
    if not text:
        return None
    days, _, clock = text.rpartition("-")
    fields = [int(field) for field in clock.split(":")]
    if days:
        hours, mins, _ = [*fields, 0, 0][:3]
        return int(days) * 24 * 60 + hours * 60 + mins
    if len(fields) == 3:
        return fields[0] * 60 + fields[1]
    return fields[0]


def count(text: str) -> int | None:
    """A number; None for no limit."""
    return int(text) if text else None
