"""The report of a job, written out: who, where, when, what it used of what it had, its cost."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from job_accounting.cost import Cost
from job_accounting.efficiency import Efficiency, Use
from job_accounting.records import Job
from job_accounting.table import WIDTH, table
from job_accounting.words import dollars, duration, memory, percent, several


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a job. `waited`: seconds."""

    job: Job
    cost: Cost
    efficiency: Efficiency
    waited: float
    price_missing: Sequence[str]
    """Pools that its nodes are of, and that cost nothing as far as anybody said."""


def report_lines(run: Run, earlier: Sequence[Run]) -> Iterator[str]:
    """A job's last run for a terminal, with its earlier ones, which were queued again."""
    job = run.job
    yield f"job {job.name_id}, {job.name or 'without a name'}: {_state(job)}"
    yield f"user {job.user}, account {job.account}, pool {job.partition}, QOS {job.qos}"
    yield _times(run)
    if job.start is not None:
        yield f"on {_nodes(job.nodes)}"
    yield _cost(run)
    if earlier:
        known = [one.cost.dollars for one in earlier]
        amount = None if None in known else sum(one or 0.0 for one in known)
        yield f"{several(len(earlier), 'run')} before this one: {dollars(amount)}"
    rows = list(_rows(run.efficiency))
    if rows and job.start is not None:
        yield ""
        yield from table(["", "ASKED", "USED", "WASTED"], rows, right=(1, 2, 3))
    advice = [
        *run.efficiency.hints,
        *(f"pool {pool} had no price. Set price_per_hour." for pool in run.price_missing),
    ]
    if advice:
        yield ""
    for line in advice:
        yield f"- {line}"


def list_lines(runs: Sequence[Run]) -> Iterator[str]:
    """Several jobs, such as those of an array, one line each."""
    rows = [
        [
            run.job.name_id,
            run.job.name,
            run.job.state,
            duration(run.efficiency.seconds),
            _share(run.efficiency.cpus),
            _share(run.efficiency.memory),
            dollars(run.cost.dollars),
        ]
        for run in runs
    ]
    header = ["JOB", "NAME", "STATE", "RAN", "CPU", "MEMORY", "COST"]
    yield from table(header, rows, right=(3, 4, 5, 6), shrink=1)
    yield ""
    yield f"{several(len(runs), 'job')}; more about one: hpc-job {runs[0].job.name_id}"


def report_json(run: Run, earlier: Sequence[Run]) -> dict[str, Any]:
    """A run for programs. Dollars, bytes, seconds, shares of 0 to 1; null: not known."""
    return {
        **asdict(run.job),
        "waited_seconds": run.waited,
        "ran_seconds": run.efficiency.seconds,
        "dollars": run.cost.dollars,
        "capacity": run.cost.capacity,
        "share_of_nodes": run.cost.share,
        "resources": {
            name: None if use is None else {**asdict(use), "wasted": use.wasted}
            for name, use in (
                ("cpus", run.efficiency.cpus),
                ("memory_bytes", run.efficiency.memory),
                ("time_seconds", run.efficiency.time),
                ("gpus", run.efficiency.gpus),
            )
        },
        "hints": list(run.efficiency.hints),
        "earlier_runs": [report_json(one, ()) for one in earlier],
    }


def _state(job: Job) -> str:
    if job.exit_signal:
        return f"{job.state} (signal {job.exit_signal})"
    return f"{job.state} (exit code {job.exit_code})" if job.exit_code else job.state


def _times(run: Run) -> str:
    waited = f"waited {duration(run.waited)}"
    if run.job.start is None:
        return f"{waited}, {'never ran' if run.job.ended else 'has not begun'}"
    until = "still runs" if run.job.end is None else f"to {_when(run.job.end)}"
    ran = duration(run.efficiency.seconds)
    return f"{waited}, ran {ran}: from {_when(run.job.start)} {until}"


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _nodes(nodes: Sequence[str]) -> str:
    text = f"{several(len(nodes), 'node')}: {', '.join(nodes)}"
    if len(text) <= WIDTH - len("on "):
        return text
    return f"{several(len(nodes), 'node')}: {nodes[0]} to {nodes[-1]}"


def _cost(run: Run) -> str:
    cost, job = run.cost, run.job
    if job.start is None:
        return "cost nothing"
    if cost.dollars is None:
        return "cost unknown: no machine is known for its nodes at that time"
    so_far = "" if job.ended else " so far"
    part = "" if cost.share > 0.995 else f"{percent(cost.share)} of "
    bought = {"on_demand": "on demand", "mixed": "both spot and on demand"}.get(
        cost.capacity, cost.capacity
    )
    nodes = "its node" if len(job.nodes) == 1 else "its nodes"
    return f"cost {dollars(cost.dollars)}{so_far}, for {part}{nodes} ({bought})"


def _rows(of: Efficiency) -> Iterator[list[str]]:
    for name, use, show in (
        ("CPUs", of.cpus, _number),
        ("memory", of.memory, memory),
        ("time", of.time, duration),
        ("GPUs", of.gpus, _number),
    ):
        if use is not None:
            used = "?" if use.used is None else show(use.used)
            wasted = "?" if use.wasted is None else percent(use.wasted)
            yield [name, show(use.asked), used, wasted]


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _share(use: Use | None) -> str:
    return "?" if use is None or use.share is None else percent(use.share)
