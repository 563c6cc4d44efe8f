"""The ledger: which machine was which node, from when to when, and at what price.

Job costs are worked out from it (images/job-accounting), so it outlives the nodes and the manager:
one file a month, lines of JSON, only ever appended to. A month's file is enough for that month:
machines that live on are written down again at its head.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from node_manager.fleet import Pool
from node_manager.months import month_end, month_name, month_of_name, month_start
from node_manager.provider import Instance


@dataclass(frozen=True, kw_only=True)
class Life:
    """A machine's, as far as it is known. Times in seconds since the epoch, dollars an hour."""

    id: str
    node: str
    pool: str
    capacity: str
    price: float
    cpus: int
    memory_mb: int
    gpus: int
    start: float

    def cost(self, since: float, until: float) -> float:
        """Dollars from `since` on, as far as it had begun."""
        return self.price * max(0.0, until - max(self.start, since)) / 3600


class Ledger:
    """Writes the lives of machines; knows what they have cost. Months are UTC's."""

    def __init__(self, directory: Path, pools: Sequence[Pool], now: float) -> None:
        self._directory = directory
        self._pools: Mapping[str, Pool] = {pool.name: pool for pool in pools}
        self._month = month_name(now)
        self._past: dict[str, float] = {}  # dollars by month
        self._open: dict[str, Life] = {}
        self._ended = 0.0  # dollars of this month's lives that are over
        self._whole = True  # the last line that was begun has its end
        self._seen = directory / "seen"
        self._last_seen = self._when_seen()
        for path in sorted(directory.glob("lives-[0-9][0-9][0-9][0-9]-[01][0-9].jsonl")):
            self._read(path)

    def note(self, instances: Sequence[Instance], now: float) -> None:
        """Write down who has come and who has gone. Raises OSError.

        What went while nobody looked is taken to have gone when somebody last did.
        """
        lines: list[dict[str, Any]] = []
        # A clock that is set back does not bring an earlier month again.
        if month_name(now) > self._month:
            self._turn_to(now)
            lines += [_line(life) for life in self._open.values()]
        live = {one.provider_id: one for one in instances if one.state.live}
        # One that gets its name only now is written down again.
        came = [
            self._life(one)
            for key, one in live.items()
            if key not in self._open or self._open[key].node != one.node
        ]
        gone = [life for key, life in self._open.items() if key not in live]
        lines += [_line(life) for life in came]
        end = now if self._last_seen is None else min(now, self._last_seen)
        lines += [{"id": life.id, "to": round(max(end, life.start), 1)} for life in gone]
        self._append(lines)
        self._open |= {life.id: life for life in came}
        for life in gone:
            self._ended += self._closed(life, end, month_of_name(self._month))
            del self._open[life.id]
        self._seen.touch()
        self._last_seen = None

    def _closed(self, life: Life, end: float, begun: float) -> float:
        """Its dollars from `begun`; earlier months, which took it for living, are put right."""
        for month in self._past:
            if (month_over := month_end(month_of_name(month))) > end:
                paid = max(month_of_name(month), end)
                self._past[month] -= life.cost(paid, month_over)
        return life.cost(begun, end)

    def _append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        if not lines:
            return
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        # After a disk was full, half a line may be there: the next one must not be its end.
        text = text if self._whole else f"\n{text}"
        self._whole = False
        with self._file(self._month).open("a", encoding="utf-8") as file:
            file.write(text)
        self._whole = True

    def _when_seen(self) -> float | None:
        try:
            return self._seen.stat().st_mtime
        except OSError:
            return None

    def spent(self, now: float, since: float | None = None) -> float:
        """Dollars that machines have cost until now: since the month began, or an earlier one."""
        this = month_start(now)
        living = sum(life.cost(this, now) for life in self._open.values())
        earlier = 0.0 if since is None else self._past_cost(since)
        return self._ended + living + earlier

    def _past_cost(self, since: float) -> float:
        return sum(cost for month, cost in self._past.items() if month >= month_name(since))

    def _turn_to(self, now: float) -> None:
        end = month_end(month_of_name(self._month))
        begun = month_of_name(self._month)
        living = sum(life.cost(begun, end) for life in self._open.values())
        self._past[self._month] = self._ended + living
        self._month, self._ended = month_name(now), 0.0

    def _life(self, machine: Instance) -> Life:
        pool = self._pools.get(machine.pool)
        return Life(
            id=machine.provider_id,
            node=machine.node,
            pool=machine.pool,
            capacity=machine.capacity.value,
            price=machine.price_per_hour,
            cpus=pool.cpus if pool else 0,
            memory_mb=pool.memory_mb if pool else 0,
            gpus=pool.gpus.count if pool and pool.gpus else 0,
            start=round(machine.created_at, 1),
        )

    def _read(self, path: Path) -> None:
        month = path.stem.removeprefix("lives-")
        begun = month_of_name(month)
        text = path.read_text(encoding="utf-8", errors="replace")
        if month == self._month and text and not text.endswith("\n"):
            self._whole = False
        ended = 0.0
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                if "from" in entry:
                    life = _life(entry)
                    self._open[life.id] = life
                elif over := self._open.pop(entry["id"], None):
                    ended += self._closed(over, entry["to"], begun)
            except (ValueError, TypeError, KeyError):
                continue  # cut off, or somebody's own
        if month == self._month:
            self._ended = ended
        else:
            end = month_end(begun)
            living = sum(life.cost(begun, end) for life in self._open.values())
            self._past[month] = ended + living

    def _file(self, month: str) -> Path:
        return self._directory / f"lives-{month}.jsonl"


def _life(entry: Mapping[str, Any]) -> Life:
    known = {key: entry[key] for key in Life.__dataclass_fields__ if key != "start"}
    return Life(start=entry["from"], **known)


def _line(life: Life) -> dict[str, Any]:
    entry = asdict(life)
    entry["from"] = entry.pop("start")
    return entry
