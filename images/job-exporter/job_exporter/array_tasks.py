"""How many tasks an expression such as `5-99:2,120%4` stands for, as squeue prints arrays.

squeue shows the tasks of an array that wait as one line. `squeue --array` would print one for each,
which is slow for large arrays, so the expression is read instead.
"""

import re

_PART = re.compile(r"(\d+)(?:-(\d+)(?::(\d+))?)?")


def count(expression: str) -> int:
    """The number of tasks; 1 for what is no array ("N/A") or a single task of one ("7").

    A part that cannot be read counts as one task.
    """
    tasks, _, _limit = expression.partition("%")
    return sum(_count_part(part) for part in tasks.split(","))


def _count_part(part: str) -> int:
    match = _PART.fullmatch(part)
    if match is None or match[2] is None:
        return 1
    first, last, step = int(match[1]), int(match[2]), int(match[3] or 1)
    return max(1, (last - first) // max(1, step) + 1)
