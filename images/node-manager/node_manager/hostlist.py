"""Slurm's short form of lists of node names, there and back."""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

_PART = re.compile(r"([^,\[\]]+)(?:\[([0-9,-]+)\])?(?:,|$)")


def hostlist(names: Iterable[str]) -> str:
    """Slurm's short form of node names: cpu-1, cpu-2, cpu-3, gpu-1 become cpu-[1-3],gpu-1."""
    plain: list[str] = []
    numbers: dict[str, list[int]] = {}
    for name in names:
        stem = name.rstrip("0123456789")
        digits = name[len(stem) :]
        if not digits or (digits[0] == "0" and digits != "0"):
            plain.append(name)  # a padded number would lose its zeros
        else:
            numbers.setdefault(stem, []).append(int(digits))
    parts = [_numbered(stem, sorted(set(found))) for stem, found in sorted(numbers.items())]
    return ",".join([*sorted(plain), *parts])


def _numbered(stem: str, numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"{stem}{numbers[0]}"
    # In a run of consecutive numbers, number minus position is constant.
    runs = itertools.groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    ranges = []
    for _, pairs in runs:
        run = [number for _, number in pairs]
        ranges.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
    return f"{stem}[{','.join(ranges)}]"


def expand(text: str) -> list[str]:
    """The names of a short form: cpu-[1-3],gpu-1 is cpu-1, cpu-2, cpu-3 and gpu-1."""
    return [name for stem, numbers in _PART.findall(text) for name in _names(stem, numbers)]


def _names(stem: str, numbers: str) -> Iterator[str]:
    if not numbers:
        yield stem
    for part in numbers.split(",") if numbers else ():
        first, _, last = part.partition("-")
        for number in range(int(first), int(last or first) + 1):
            yield f"{stem}{number:0{len(first)}}"
