"""What jobs cost within a span of time, and sums of it. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from job_accounting.cost import Cost, job_cost, machines
from job_accounting.ledger import Lives
from job_accounting.records import Job


@dataclass(frozen=True, kw_only=True)
class Charge:
    """A run of a job and what its part within the span cost."""

    job: Job
    cost: Cost
    seconds: float
    """How long it ran within the span."""

    @property
    def dollars(self) -> float:
        """0 where the cost is not known."""
        return self.cost.dollars or 0.0


@dataclass(frozen=True, kw_only=True)
class Sum:
    """Charges together. `so_far`: the dollars of those that still run, which `dollars` include."""

    jobs: int
    dollars: float
    running: int
    so_far: float
    unpriced: int


def charges(
    jobs: Iterable[Job], lives: Lives, now: float, since: float, until: float
) -> list[Charge]:
    """The charges of the runs that touch a span, the dearest first; each run once."""
    found = {}
    for job in jobs:
        if job.start is None:
            continue
        end = now if job.end is None else job.end
        # One that ended at the very beginning had no part in it, one that took no time has.
        if job.start < until and (end > since or job.start >= since):
            found[job.id, job.start] = Charge(
                job=job,
                cost=job_cost(job, lives, now, since, until),
                seconds=max(0.0, min(end, until) - max(job.start, since)),
            )
    return sorted(found.values(), key=lambda charge: (-charge.dollars, -charge.seconds))


def total(of: Iterable[Charge]) -> Sum:
    """The sum of charges."""
    listed = list(of)
    running = [charge for charge in listed if not charge.job.ended]
    return Sum(
        jobs=len(listed),
        dollars=sum(charge.dollars for charge in listed),
        running=len(running),
        so_far=sum(charge.dollars for charge in running),
        unpriced=sum(charge.cost.dollars is None for charge in listed),
    )


def totals(of: Iterable[Charge], key: Callable[[Job], str]) -> Mapping[str, Sum]:
    """Sums by what `key` says of each job, the dearest first."""
    groups: dict[str, list[Charge]] = defaultdict(list)
    for charge in of:
        groups[key(charge.job)].append(charge)
    sums = {name: total(group) for name, group in groups.items()}
    return dict(sorted(sums.items(), key=lambda item: (-item[1].dollars, item[0])))


def pools_without_price(jobs: Iterable[Job], lives: Lives, now: float) -> list[str]:
    """The pools of machines that jobs ran on and that had a price of 0: nobody had set one."""
    found = (life for job in jobs for node in machines(job, lives, now) for life in node)
    return sorted({life.pool for life in found if life.price == 0})
