"""What a job cost: the share of its nodes that it held, at the price of the machines they were.

Pure. A job that shares nodes pays for the largest of its shares of their CPUs, memory and GPUs.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from job_accounting.ledger import Life, Lives
from job_accounting.records import Job

BILLING_MINUTES_PER_DOLLAR = 600_000
"""Slurm counts in whole numbers: its billing unit is 1/10000 dollar an hour, its time a minute."""

CLOCK_DIFFERENCE = 120.0
"""Seconds by which a job's times (slurmctld's) and its node's in the ledger may miss each other."""

_HOUR = 3600.0
_MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Dollars that a job cost; None: not known, since the ledger has no machine for some node.

    `capacity`: how its nodes were bought: on_demand, spot, mixed, or unknown. `share`: the part of
    its nodes that it held, 0 to 1.
    """

    dollars: float | None
    capacity: str
    share: float


FREE = Cost(dollars=0.0, capacity="unknown", share=0.0)
"""Of a job that never had a machine."""

_UNPRICED = Cost(dollars=None, capacity="unknown", share=0.0)


def job_cost(
    job: Job, lives: Lives, now: float, since: float | None = None, until: float | None = None
) -> Cost:
    """The cost of one run of a job, so far if it still runs; only its part between two times.

    Parts that follow one another add up to the whole. A job runs on a machine all the time, so a
    run that began before its node's life in the ledger (which was not written then, or by another
    clock) is priced as if the life had begun with it. After the end of a machine, CLOCK_DIFFERENCE
    is priced too; what is later costs nothing, as where Slurm took minutes to see that it was gone.
    A node of which no life touches the run, give or take CLOCK_DIFFERENCE, makes the cost unknown,
    unless the run never began: then its machine could not be had, and cost nothing.
    """
    if job.start is None or not job.nodes:
        return FREE
    start, end = _span(job.start, job.end, now)
    by_node = machines(job, lives, now)
    if job.stepless:
        by_node = [found for found in by_node if found]
        if not by_node:
            return FREE
    if not all(by_node):
        return _UNPRICED
    begin = start if since is None else max(start, since)
    finish = end if until is None else min(end, until)
    share = _share(job, [found[-1] for found in by_node])
    price = sum(_dollars(found, begin, finish) for found in by_node)
    kinds = {life.capacity for found in by_node for life in found}
    return Cost(
        dollars=share * price,
        capacity=kinds.pop() if len(kinds) == 1 else "mixed",
        share=share,
    )


def machines(job: Job, lives: Lives, now: float) -> list[Sequence[Life]]:
    """The lives that a run, so far if it still runs, had on each of its nodes."""
    if job.start is None:
        return []
    start, end = _span(job.start, job.end, now)
    return [_lives(lives, node, start, max(start, end)) for node in job.nodes]


def _span(start: int, end: int | None, now: float) -> tuple[float, float]:
    return float(start), float(now if end is None else end)


def _lives(lives: Lives, node: str, start: float, end: float) -> Sequence[Life]:
    """The lives that a run had on a node: those within it, else the one nearest to it."""
    within = [life for life, _ in lives.on(node, start, end)]
    if within:
        return within
    near = lives.on(node, start - CLOCK_DIFFERENCE, end + CLOCK_DIFFERENCE)
    return sorted((life for life, _ in near), key=lambda life: _distance(life, start, end))[:1]


def _distance(life: Life, start: float, end: float) -> float:
    after = start - life.end if life.end is not None else 0.0
    return max(life.start - end, after, 0.0)


def _dollars(lives: Sequence[Life], begin: float, finish: float) -> float:
    """The price of a span: of each life until its end or the next one, of the first from before."""
    total = 0.0
    for life, following in itertools.zip_longest(lives, lives[1:]):
        first = begin if life is lives[0] else max(begin, life.start)
        last = finish if following is None else min(finish, following.start)
        if life.end is not None:
            last = min(last, life.end + CLOCK_DIFFERENCE)
        total += life.price * max(0.0, last - first) / _HOUR
    return total


def _share(job: Job, machines: Sequence[Life]) -> float:
    if any(machine.cpus <= 0 for machine in machines):
        return 1.0  # of a pool that the node manager no longer knew: its nodes' size is not known
    pairs = (
        (job.cpus, sum(machine.cpus for machine in machines)),
        (job.memory_bytes, sum(machine.memory_mb for machine in machines) * _MIB),
        (job.gpus, sum(machine.gpus for machine in machines)),
    )
    return min(1.0, max(held / there if there > 0 else 0.0 for held, there in pairs))
