"""Colours of series: told apart by everybody, and the same for the same thing in all plots."""

from collections.abc import Sequence

# Okabe and Ito, https://jfly.uni-koeln.de/color/, without yellow, which is too faint on white.
BLUE, ORANGE, GREEN, PURPLE, SKY, RED, BROWN, GREY = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c6d46", "#a3adb8",
)  # fmt: skip
OTHER = "other"
"""What is added up because there is too much of it."""
_IN_TURN = (BLUE, ORANGE, GREEN, PURPLE, SKY, BROWN, RED)
_MEANT = {
    **dict.fromkeys(("completed", "up", "busy", "allocated"), GREEN),
    **dict.fromkeys(("failed", "node_fail", "out of service", "out_of_service", "down"), RED),
    **dict.fromkeys(("idle", "off", "unknown", OTHER), GREY),
}
"""Words that have a colour of their own."""


class Palette:
    """Hands out colours, and remembers who has which."""

    def __init__(self) -> None:
        self._given: dict[str, dict[str, str]] = {}

    def colours(self, names: Sequence[str], kind: str = "") -> list[str]:
        """Of one plot's series, in order; different as long as there are enough colours.

        Names of one kind, such as pools, have the same colours in all plots.
        """
        given = self._given.setdefault(kind, {}) if kind else {}
        chosen: list[str] = []
        for name in names:
            own = _MEANT.get(name) or given.get(name)
            if own is None or own in chosen:
                taken = {*chosen, *given.values()}
                own = _first_not_in(taken) or _first_not_in(chosen) or _turn(len(chosen))
            given.setdefault(name, own)
            chosen.append(own)
        return chosen


def _first_not_in(taken: Sequence[str] | set[str]) -> str | None:
    return next((colour for colour in _IN_TURN if colour not in taken), None)


def _turn(number: int) -> str:
    return _IN_TURN[number % len(_IN_TURN)]
