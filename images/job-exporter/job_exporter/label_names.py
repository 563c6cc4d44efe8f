"""Bounded values of a label: the first names that are used are kept, later ones become "other"."""

OTHER = "other"


class LabelNames:
    """Names in the order in which they came, at most `limit`."""

    def __init__(self, limit: int, names: list[str] | None = None) -> None:
        self._limit = limit
        # Those of a state from before the limit was lowered stay: their series exist.
        self._names = dict.fromkeys(names or ())

    def word(self, name: str) -> str:
        """The name itself, or "other" when it came too late."""
        if name not in self._names:
            if len(self._names) >= self._limit:
                return OTHER
            self._names[name] = None
        return name

    def names(self) -> list[str]:
        """All that are kept."""
        return list(self._names)

    def copy(self) -> "LabelNames":
        """One that may grow without this one."""
        return LabelNames(self._limit, self.names())
