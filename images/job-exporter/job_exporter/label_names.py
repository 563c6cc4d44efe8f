"""Which names are values of a label, so that there are at most so many; all others are "other".

Names in the settings (accounts and users that are there now) have a place, from their first job on.
Names that the settings do not know, of accounts and users made by hand, come first come first
served in what is left. Where the settings alone have more names than there are places, so do these.

A place is lost only as the exporter starts, which it does whenever its settings change: by names
that have left them, and by the last names made by hand if the settings need their places. Not while
jobs are counted: what had been counted in the same pass would end unseen. The series of such a name
end (`counters.end_series`), and nothing of them is added to "other": Prometheus would take it for
jobs that have ended now, and count them twice. It keeps what it saw of a series that ended, all but
what was counted since its last scrape, so sums of increases over any time stay right; sums of the
counters themselves become smaller. A name that comes back begins a new series at 0, with a birth of
its own (`births`).

Places follow from the settings and from the names that the state keeps, in their order. So a start
with the same settings changes nothing, and a slice counted again gives places to the same names.
"""

from collections.abc import Collection, Iterable

OTHER = "other"


class LabelNames:
    """At most `limit` names. `settled`: those in the settings."""

    def __init__(
        self,
        limit: int,
        settled: Collection[str] = (),
        names: Iterable[str] = (),
        strangers: Collection[str] = (),
    ) -> None:
        """`names`: those that had a place, in their order; `strangers`: which were made by hand."""
        self._limit = limit
        self._settled = frozenset(settled)
        self._used: dict[str, None] = {}
        self._strangers: dict[str, None] = {}
        by_hand = frozenset(strangers)
        for name in names:
            if name in self._settled or name in by_hand:
                self.word(name)

    def word(self, name: str) -> str:
        """The name itself, or "other" when there is no place for it."""
        if name in self._settled:
            places, most = self._used, self._limit
        else:
            places, most = self._strangers, self._limit - len(self._settled)
        if name not in places:
            if len(places) >= most:
                return OTHER
            places[name] = None
        return name

    def __contains__(self, value: str) -> bool:
        """Whether a series may have this value."""
        return value == OTHER or value in self._used or value in self._strangers

    def names(self) -> list[str]:
        """All that are used: those in the settings, then those made by hand, each as they came."""
        return [*self._used, *self._strangers]

    def strangers(self) -> list[str]:
        """Those made by hand."""
        return list(self._strangers)

    def copy(self) -> "LabelNames":
        """One that may grow without this one."""
        return LabelNames(self._limit, self._settled, self.names(), self.strangers())
