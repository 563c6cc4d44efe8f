"""What the manager does and why, for `make status`: a file, since the command is another process.

/run/fleet/report.json holds what only the running manager knows; status.py adds what it reads from
Slurm and the platform.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from node_manager.actions import View
from node_manager.closures import Closures
from node_manager.fleet import Capacity, Fleet, Pool
from node_manager.memory import Memory
from node_manager.schedule import scheduled_nodes
from node_manager.shortages import falls_back


@dataclass(frozen=True, kw_only=True)
class Report:
    """`at`: seconds since the epoch; `cost`: dollars an hour; `notes`: lines by pool."""

    at: float
    cost: float
    notes: Mapping[str, list[str]] = field(default_factory=dict)


def report(
    fleet: Fleet, view: View, memory: Memory, closed: Closures, cost: float, now: float
) -> Report:
    """The report of a round. Pure."""
    notes = {pool.name: _notes(pool, fleet, view, memory, closed, now) for pool in fleet.pools}
    return Report(at=now, cost=cost, notes={name: lines for name, lines in notes.items() if lines})


def _notes(
    pool: Pool, fleet: Fleet, view: View, memory: Memory, closed: Closures, now: float
) -> list[str]:
    lines = []
    for (name, capacity), reason in closed.items():
        if name == pool.name:
            lines.append(f"launches no {capacity.value} nodes: {reason}")
    spot = memory.shortages.get((pool.name, Capacity.SPOT))
    if spot is not None and falls_back(pool, spot, now):
        until = datetime.fromtimestamp(spot.until, UTC).strftime("%H:%M:%SZ")
        lines.append(f"on-demand nodes instead of spot ones until {until}: {spot.message}")
    starts = memory.failed_starts.get(pool.name, 0)
    if starts:
        lines.append(
            f"{starts} starts in a row failed; at {fleet.limits.brake_after} the pool is stopped"
        )
    scheduled = scheduled_nodes(pool, now, fleet.time_zone, fleet.resume_timeout_seconds)
    if scheduled:
        lines.append(f"the schedule wants {scheduled} nodes now")
    if view.budget_reached and fleet.budget:
        lines.append(
            f"the budget of ${fleet.budget.dollars:g} a {fleet.budget.period} is spent: "
            "no node is kept without a job"
        )
    kept = sorted(view.kept.intersection(pool.node_names()))
    if kept:
        lines.append(f"kept although idle: {', '.join(kept)}")
    return lines


class ReportFile:
    """Where the report lies. Written as a whole, so that a reader never sees half of one."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / "report.json"
        self._last: Report | None = None

    def write(self, report: Report) -> None:
        """Replace the report, if anything but its time has changed."""
        last = self._last
        if last is not None and (last.cost, last.notes) == (report.cost, report.notes):
            return
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(report)), encoding="utf-8")
        draft.replace(self._path)
        self._last = report

    def read(self) -> Report | None:
        """The last report; None when no manager has written one."""
        try:
            return Report(**json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
