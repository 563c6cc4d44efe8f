"""What a run of a job used and cost, as one short line. Pure.

Nothing in it is the user's own words: it goes into a command of Slurm, and into its database.
"""

import re
from collections.abc import Callable, Iterator

from job_accounting.cost import Cost
from job_accounting.efficiency import Use, efficiency
from job_accounting.records import Job
from job_accounting.words import dollars, duration, memory, percent

LONGEST = 120
"""Characters."""

# What a hint says to ask for: with "more than" where the job was killed at that.
_ADVICE = re.compile(r"(?:more than )?--[a-z-]+=[0-9A-Za-z:]+")


def comment_text(job: Job, cost: Cost, now: float) -> str:
    """The line; as much of the advice as there is room for."""
    found = efficiency(job, now)
    text = ", ".join(
        (
            *_shares("cpu", found.cpus),
            *_amounts("mem ", found.memory, memory),
            *_shares("gpu", found.gpus),
            *(_amounts("", found.time, duration) if found.time else (duration(found.seconds),)),
            f"cost {dollars(None)}" if cost.dollars is None else dollars(cost.dollars),
        )
    )
    mark = ": "
    for advice in _ADVICE.findall(" ".join(found.hints)):
        if len(text) + len(mark) + len(advice) <= LONGEST:
            text += mark + advice
            mark = " "
    return text[:LONGEST]


def _shares(name: str, use: Use | None) -> Iterator[str]:
    """`cpu 12% of 8`."""
    if use is not None:
        yield f"{name} {'?' if use.share is None else percent(use.share)} of {use.asked:.0f}"


def _amounts(name: str, use: Use | None, words: Callable[[float], str]) -> Iterator[str]:
    """`mem 0.3 of 16 GiB`: the unit is said once where it is the same."""
    if use is not None:
        asked = words(use.asked)
        unit = asked.partition(" ")[2]
        used = "?" if use.used is None else words(use.used)
        yield f"{name}{used.removesuffix(f' {unit}')} of {asked}"
