"""Tables of plain text that fit a terminal."""

from collections.abc import Iterable, Sequence

WIDTH = 80
_GAP = "  "
_CUT = ".."


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Iterable[int] = (),
    shrink: int | None = None,
    width: int = WIDTH,
) -> list[str]:
    """The lines of a table, its header first.

    `right`: numbers of the columns that are set to the right. `shrink`: the column that is cut
    where the table is wider than `width`.
    """
    lines = [header, *rows]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    if shrink is not None:
        spare = width - sum(widths) - len(_GAP) * (len(widths) - 1)
        widths[shrink] = max(min(widths[shrink], 4), widths[shrink] + min(0, spare))
    numbers = frozenset(right)
    return [
        _GAP.join(
            cut(cell, size).rjust(size) if column in numbers else cut(cell, size).ljust(size)
            for column, (cell, size) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def cut(text: str, width: int) -> str:
    """A text of at most so many characters; two dots stand for what is left out."""
    return text if len(text) <= width else text[: max(0, width - len(_CUT))] + _CUT[:width]
