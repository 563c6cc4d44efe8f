"""Which machine was which node when, and its price: read from what the node manager writes.

One file a month by UTC month, `lives-2026-11.jsonl`, which is only appended to: a line when a
machine comes (with "from") and one when it is gone (with "to"). At a month's change the lines of
machines that still live are written again, so lives are told apart by id and start.
"""

import itertools
import json
import math
import os
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_DIRECTORY = "/var/lib/hpc-stack/ledger"


def directory() -> Path:
    """Where the ledger lies in every container that has it; HPC_STACK_LEDGER names another."""
    return Path(os.environ.get("HPC_STACK_LEDGER", _DIRECTORY))


@dataclass(frozen=True, kw_only=True, slots=True)
class Life:
    """One machine's time as a node. Times are seconds since the epoch; `end` None: it lives."""

    id: str
    node: str
    pool: str
    capacity: str
    """on_demand or spot."""
    price: float
    """Dollars an hour."""
    cpus: int
    memory_mb: int
    gpus: int
    start: float
    end: float | None = None

    def overlap(self, since: float, until: float) -> float:
        """Seconds of this life within a span."""
        end = until if self.end is None else min(self.end, until)
        return max(0.0, end - max(self.start, since))


class Lives:
    """Lives by node, each node's by their start."""

    def __init__(self, lives: Iterable[Life] = ()) -> None:
        by_node: dict[str, list[Life]] = defaultdict(list)
        for life in lives:
            by_node[life.node].append(life)
        self._by_node = {node: _NodeLives(found) for node, found in by_node.items()}

    def on(self, node: str, since: float, until: float) -> tuple[tuple[Life, float], ...]:
        """The lives that a node had within a span, each with its seconds there, by their start."""
        known = self._by_node.get(node)
        found = () if known is None else known.within(since, until)
        pairs = ((life, life.overlap(since, until)) for life in found)
        return tuple((life, seconds) for life, seconds in pairs if seconds > 0)

    def __iter__(self) -> Iterator[Life]:
        return (life for known in self._by_node.values() for life in known.lives)


class _NodeLives:
    """The lives of one node, of which there may be thousands."""

    def __init__(self, lives: Iterable[Life]) -> None:
        self.lives = tuple(sorted(lives, key=lambda life: life.start))
        self._starts = [life.start for life in self.lives]
        ends = (math.inf if life.end is None else life.end for life in self.lives)
        # The latest end so far: a list that only grows, also where lives overlap.
        self._ends = list(itertools.accumulate(ends, max))

    def within(self, since: float, until: float) -> Sequence[Life]:
        """All that touch the span, and maybe some before it."""
        return self.lives[bisect_right(self._ends, since) : bisect_left(self._starts, until)]


class Ledger:
    """The ledger's directory. What was read is kept, and only what was appended is read again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[str, _MonthFile] = {}
        self._read: tuple[tuple[str, int], ...] = ()
        self._lives = Lives()

    def lives(self, since: float, until: float) -> Lives:
        """The lives that touch a span (seconds since the epoch), and maybe others around it.

        A directory or file that is not there holds none. Raises OSError for one that cannot be
        read.
        """
        # The first days of a month may still be in the file before it, if nobody began the new
        # one; what outlives the span ends in the file after it.
        months = _months(since, until)
        files = [self._files.setdefault(month, _MonthFile()) for month in months]
        for month, file in zip(months, files, strict=True):
            file.refresh(self._directory / f"lives-{month}.jsonl")
        read = tuple((month, file.version) for month, file in zip(months, files, strict=True))
        if read != self._read:
            self._lives = Lives(_merged(files))
            self._read = read
        return self._lives


class _MonthFile:
    """What has been read of one file."""

    def __init__(self) -> None:
        self.version = 0
        """Changes whenever something was read."""
        self.lives: dict[tuple[str, float], Life] = {}
        self.strays: dict[str, float] = {}
        """Ends of machines that this file has no life of, by id."""
        self._latest: dict[str, tuple[str, float]] = {}
        self._inode = 0
        self._read = 0

    def refresh(self, path: Path) -> None:
        """Read what has been appended; everything, if it is another file than before."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return  # it never was, or was removed as too old: what is known of it stays true
        with file:
            status = os.fstat(file.fileno())
            if status.st_ino != self._inode or status.st_size < self._read:
                self._forget()
                self._inode = status.st_ino
            if status.st_size == self._read:
                return
            file.seek(self._read)
            # A last line without its end is still being written.
            whole, newline, _ = file.read().rpartition(b"\n")
        if newline:
            self._read += len(whole) + 1
            self.version += 1
            for line in whole.split(b"\n"):
                self._take(line)

    def _forget(self) -> None:
        self.version += 1
        self.lives.clear()
        self.strays.clear()
        self._latest.clear()
        self._read = 0

    def _take(self, line: bytes) -> None:
        try:
            record = json.loads(line)
            if "from" in record:
                life = _life(record)
                key = (life.id, life.start)
                _put(self.lives, life)
                self._latest[life.id] = key
                return
            number, end = str(record["id"]), float(record["to"])
        except (ValueError, KeyError, TypeError):
            return  # a line that was cut off when the machine lost power, or is not ours
        if number in self._latest:
            key = self._latest[number]
            self.lives[key] = replace(self.lives[key], end=max(end, key[1]))
        else:
            self.strays[number] = end


def _life(record: Mapping[str, Any]) -> Life:
    """Raises ValueError, KeyError or TypeError."""
    return Life(
        id=str(record["id"]),
        node=str(record["node"]),
        pool=str(record["pool"]),
        capacity=str(record["capacity"]),
        price=float(record["price"]),
        cpus=int(record["cpus"]),
        memory_mb=int(record["memory_mb"]),
        gpus=int(record["gpus"]),
        start=float(record["from"]),
    )


def _put(lives: dict[tuple[str, float], Life], life: Life) -> None:
    # A machine is written again when it is given its node's name; an end that is known stays.
    known = lives.get((life.id, life.start))
    if known is not None and life.end is None:
        life = replace(life, end=known.end)
    lives[life.id, life.start] = life


def _merged(files: Iterable[_MonthFile]) -> Iterable[Life]:
    """The lives of files, given from the oldest."""
    lives: dict[tuple[str, float], Life] = {}
    latest: dict[str, tuple[str, float]] = {}
    for file in files:
        for key, life in file.lives.items():
            _put(lives, life)
            latest[life.id] = key
        for number, end in file.strays.items():
            key = latest.get(number, ("", 0.0))
            if key in lives and lives[key].end is None:
                lives[key] = replace(lives[key], end=max(end, key[1]))
    return lives.values()


def _months(since: float, until: float) -> list[str]:
    """The UTC months of a span, the one before and the one after: 2026-10, 2026-11, 2026-12."""
    first, last = (datetime.fromtimestamp(at, UTC) for at in (since, max(since, until)))
    numbers = range(first.year * 12 + first.month - 2, last.year * 12 + last.month + 1)
    return [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in numbers]
