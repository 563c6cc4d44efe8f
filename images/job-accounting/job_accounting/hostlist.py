"""Slurm's short form of lists of node names, as in sacct's NodeList."""

import itertools
import re
from collections.abc import Iterator

# Commas inside brackets separate ranges, those outside separate names.
_NAME = re.compile(r"(?:[^,\[\]]|\[[^\]]*\])+")
_PIECE = re.compile(r"\[([^\]]*)\]|([^\[\]]+)")
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")
_NO_NODES = frozenset({"None assigned", "None", "(null)", "(unknown)", "Unknown"})


def expand(text: str) -> tuple[str, ...]:
    """The names of a short form: `cpu-[1-3,07],gpu-1` is cpu-1, cpu-2, cpu-3, cpu-07 and gpu-1.

    sacct's words for "no nodes" give none.
    """
    if text.strip() in _NO_NODES:
        return ()
    return tuple(name for part in _NAME.findall(text.strip()) for name in _names(part))


def _names(part: str) -> Iterator[str]:
    pieces = [
        [plain] if plain else list(_numbers(ranges)) for ranges, plain in _PIECE.findall(part)
    ]
    return ("".join(chosen) for chosen in itertools.product(*pieces))


def _numbers(ranges: str) -> Iterator[str]:
    for first, last in _RANGE.findall(ranges):
        for number in range(int(first), int(last or first) + 1):
            yield f"{number:0{len(first)}}"
