"""The state as a file, replaced as a whole, so that a reader never sees half of one.

One file holds the cursor and the totals: neither can be newer than the other. Its first line is all
but the counted jobs; those follow, some on a line. Counters that it lacks begin at zero, and those
that are not known are ignored: it may be of an earlier or a later exporter.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from job_exporter.births import Births
from job_exporter.counters import end_series
from job_exporter.cursor import Cursor, Key
from job_exporter.label_names import LabelNames
from job_exporter.settings_file import Settings
from job_exporter.spending import Spending
from job_exporter.state import State
from job_exporter.totals import Distribution, Histograms, Labels, Totals

VERSION = 1
RUNS_A_LINE = 1000
"""While Python encodes a line, no scrape is answered. These take about a millisecond."""


class StateError(ValueError):
    """The file is there and cannot be used. The text says why."""


class StateFile:
    """Where the state lies."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "state.json"
        self._unusable = directory / "state.bad"

    def read(self, settings: Settings) -> State | None:
        """The saved state; None when there is none. Raises StateError."""
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StateError(f"{self._path}: {error}") from error
        try:
            document, *runs = map(json.loads, text.splitlines())
            return _state(document, _counted(runs), settings)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StateError(f"{self._path}: {error or type(error).__name__}") from error

    def set_aside(self) -> None:
        """Keep what cannot be used as state.bad, in the place of an earlier one. Raises OSError.

        The file itself stays until another is written: without it, it would be a first start.
        """
        self._unusable.unlink(missing_ok=True)
        self._unusable.hardlink_to(self._path)

    def write(self, state: State) -> None:
        """Replace the saved state. Raises OSError; the old one is then still there."""
        draft = self._path.with_suffix(".new")
        with draft.open("w", encoding="utf-8") as file:
            for part in (_document(state), *_runs(state.cursor.counted)):
                file.write(json.dumps(part, separators=(",", ":")) + "\n")
            file.flush()
            # Without this, a machine that loses power may keep the name and lose the content.
            os.fsync(file.fileno())
        draft.replace(self._path)


def _document(state: State) -> dict[str, Any]:
    cursor, totals = state.cursor, state.totals
    return {
        "version": VERSION,
        "since": cursor.since,
        "counted_until": cursor.counted_until,
        "complete_until": cursor.complete_until,
        "searched_until": cursor.searched_until,
        "spending": {
            "start": state.spending.start,
            "missing": state.spending.missing,
            "unpriced": list(state.spending.unpriced.items()),
            "months": list(state.spending.months.items()),
        },
        "accounts": state.accounts.names(),
        "users": state.users.names(),
        "strangers": {"accounts": state.accounts.strangers(), "users": state.users.strangers()},
        "counts": {
            name: [[list(labels), value] for labels, value in counts.items()]
            for name, counts in totals.counts()
        },
        "histograms": {
            name: {
                "bounds": list(histograms.bounds),
                "values": [
                    [list(labels), found.buckets, found.sum]
                    for labels, found in histograms.by_labels.items()
                ],
            }
            for name, histograms in totals.histograms()
        },
        "births": {
            name: [[list(labels), time] for labels, time in times.items()]
            for name, times in state.births.times.items()
        },
    }


def _runs(counted: Mapping[Key, int]) -> Iterator[list[Any]]:
    runs = iter(counted.items())
    while some := [[job, start, end] for (job, start), end in islice(runs, RUNS_A_LINE)]:
        yield some


def _counted(lines: Iterable[Sequence[Any]]) -> dict[Key, int]:
    return {(job, start): int(end) for line in lines for job, start, end in line}


def _state(document: Mapping[str, Any], counted: dict[Key, int], settings: Settings) -> State:
    if document["version"] != VERSION:
        raise ValueError(f"version {document['version']}; this exporter has version {VERSION}")
    totals = _totals(document["counts"], document["histograms"])
    # Earlier exporters did not tell who was a stranger: those come back with their next job.
    strangers = document.get("strangers", {"accounts": (), "users": ()})
    state = State(
        cursor=Cursor(
            since=int(document["since"]),
            counted_until=int(document["counted_until"]),
            complete_until=int(document["complete_until"]),
            # Earlier exporters went back far each time.
            searched_until=int(document.get("searched_until", document["complete_until"])),
            counted=counted,
        ),
        totals=totals,
        births=_births(document["births"], totals),
        spending=_spending(document["spending"]),
        accounts=LabelNames(
            settings.max_accounts, settings.accounts, document["accounts"], strangers["accounts"]
        ),
        users=LabelNames(settings.max_users, settings.users, document["users"], strangers["users"]),
    )
    end_series(state)
    return state


def _totals(counts: Mapping[str, Any], histograms: Mapping[str, Any]) -> Totals:
    totals = Totals()
    for name, _ in totals.counts():
        if name in counts:
            setattr(totals, name, _by_labels(counts[name]))
    for name, empty in totals.histograms():
        if name in histograms:
            _fill(empty, histograms[name])
    return totals


def _births(document: Mapping[str, Any], totals: Totals) -> Births:
    """Of the series that are known; those that are new are yet to be noted."""
    names = [name for name, _ in (*totals.counts(), *totals.histograms())]
    return Births(times={name: _by_labels(document[name]) for name in names if name in document})


def _by_labels(pairs: list[Any]) -> dict[Labels, float]:
    return {tuple(labels): float(value) for labels, value in pairs}


def _spending(document: Mapping[str, Any]) -> Spending:
    return Spending(
        start=int(document["start"]),
        missing=[(int(start), int(stop)) for start, stop in document["missing"]],
        months={
            int(month): {name: float(value) for name, value in spent.items()}
            for month, spent in document["months"]
        },
        unpriced={int(month): int(jobs) for month, jobs in document.get("unpriced", ())},
    )


def _fill(histograms: Histograms, document: Mapping[str, Any]) -> None:
    if document["bounds"] != list(histograms.bounds):
        raise ValueError("its histograms have other buckets")
    for labels, buckets, total in document["values"]:
        histograms.by_labels[tuple(labels)] = Distribution(
            buckets=[int(count) for count in buckets], sum=float(total)
        )
