"""What has been counted of finished jobs since counting began: the values of all counters."""

from bisect import bisect_left
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field, fields
from typing import Any

from job_accounting.cost import Cost
from job_accounting.records import ENDED_STATES, Job

from job_exporter.slurm_queue import first_name

WAIT_BOUNDS = (1, 2, 5, 10, 30, 60, 300, 900, 3600, 14_400, 43_200, 86_400, 259_200)
RUN_BOUNDS = (1, 10, 60, 300, 900, 1800, 3600, 14_400, 43_200, 86_400, 259_200, 604_800)
"""Seconds. A value that equals a bound belongs to it."""

Labels = tuple[str, ...]
Counts = dict[Labels, float]


@dataclass(kw_only=True)
class Distribution:
    """A histogram: how many values were in each bucket alone (the last: above all bounds)."""

    buckets: list[int]
    sum: float = 0.0


@dataclass(kw_only=True)
class Histograms:
    """Histograms of one kind by their labels."""

    bounds: tuple[int, ...]
    by_labels: dict[Labels, Distribution] = field(default_factory=dict)

    def observe(self, labels: Labels, value: float) -> None:
        """Count one value."""
        found = self.by_labels.get(labels)
        if found is None:
            found = self.by_labels[labels] = Distribution(buckets=[0] * (len(self.bounds) + 1))
        found.buckets[bisect_left(self.bounds, value)] += 1
        found.sum += value

    def copy(self) -> "Histograms":
        """One that may grow without this one."""
        return Histograms(
            bounds=self.bounds,
            by_labels={
                labels: Distribution(buckets=list(old.buckets), sum=old.sum)
                for labels, old in self.by_labels.items()
            },
        )


@dataclass(kw_only=True)
class Totals:
    """Labels are in the order of counters.COUNTERS and counters.HISTOGRAMS.

    Units are in the names; `kind` is allocated, used, or unmeasured: what was allocated to jobs of
    which nobody knows what they used.
    """

    finished: Counts = field(default_factory=dict)
    finished_by_user: Counts = field(default_factory=dict)
    cpu_seconds: Counts = field(default_factory=dict)
    memory_byte_seconds: Counts = field(default_factory=dict)
    gpu_seconds: Counts = field(default_factory=dict)
    cost_dollars: Counts = field(default_factory=dict)
    unpriced: Counts = field(default_factory=lambda: {(): 0.0})
    waits: Histograms = field(default_factory=lambda: Histograms(bounds=WAIT_BOUNDS))
    runs: Histograms = field(default_factory=lambda: Histograms(bounds=RUN_BOUNDS))

    def counts(self) -> Iterator[tuple[str, Counts]]:
        """The counters by their names here."""
        for part in fields(self):
            value = getattr(self, part.name)
            if not isinstance(value, Histograms):
                yield part.name, value

    def histograms(self) -> Iterator[tuple[str, Histograms]]:
        """The histograms by their names here."""
        yield "waits", self.waits
        yield "runs", self.runs

    def series(self) -> Iterator[tuple[str, MutableMapping[Labels, Any]]]:
        """All of these by their labels, whatever each of them holds."""
        yield from self.counts()
        for name, histograms in self.histograms():
            yield name, histograms.by_labels

    def copy(self) -> "Totals":
        """Totals that may grow without these."""
        new = Totals(waits=self.waits.copy(), runs=self.runs.copy())
        for name, counts in self.counts():
            setattr(new, name, dict(counts))
        return new

    def count(self, job: Job, cost: Cost, *, account: str, user: str) -> None:
        """Add a finished job. `account` and `user` are the values of its labels."""
        group = (first_name(job.partition), account, job.qos)
        state = job.state if job.state in ENDED_STATES else "other"
        _add(self.finished, (*group, state), 1)
        _add(self.finished_by_user, (account, user, state), 1)
        if job.start is None or job.end is None:
            return  # cancelled in the queue: it waited for no start, and had nothing
        ran = float(job.end - job.start)
        if (eligible := job.eligible if job.eligible is not None else job.submit) is not None:
            self.waits.observe(group, max(0.0, float(job.start - eligible)))
        self.runs.observe(group, ran)
        self._count_use(job, ran, account, user)
        if cost.dollars is None:
            _add(self.unpriced, (), 1)
        else:
            where = (account, user, first_name(job.partition), cost.capacity)
            _add(self.cost_dollars, where, cost.dollars)

    def _count_use(self, job: Job, ran: float, account: str, user: str) -> None:
        allocated, used = (account, user, "allocated"), (account, user, "used")
        _add(self.cpu_seconds, allocated, job.cpus * ran)
        _add(self.cpu_seconds, used, job.cpu_seconds_used)
        unmeasured = (account, user, "unmeasured")
        if job.peak_memory_bytes is None:
            _add(self.memory_byte_seconds, unmeasured, job.memory_bytes * ran)
        else:
            _add(self.memory_byte_seconds, allocated, job.memory_bytes * ran)
            _add(self.memory_byte_seconds, used, job.peak_memory_bytes * ran)
        if not job.gpus:
            return
        if job.gpu_utilisation is None:
            _add(self.gpu_seconds, unmeasured, job.gpus * ran)
        else:
            _add(self.gpu_seconds, allocated, job.gpus * ran)
            _add(self.gpu_seconds, used, job.gpu_utilisation * job.gpus * ran)


def _add(counts: Counts, labels: Labels, value: float) -> None:
    counts[labels] = counts.get(labels, 0.0) + value
