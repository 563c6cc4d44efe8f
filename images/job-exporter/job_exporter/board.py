"""The last answers, for scrapes: written by the loops, read for each scrape.

What is put here never changes afterwards; each attribute is replaced as a whole, which needs no
lock between threads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from job_exporter.counters import counted
from job_exporter.cursor import Key
from job_exporter.formats import OPEN_METRICS, Format
from job_exporter.nodes_out import NodeOut
from job_exporter.slurm_queue import Waiting
from job_exporter.state import State


@dataclass(frozen=True, kw_only=True)
class SoFar:
    """What a job that has not been counted has cost in this period."""

    account: str
    dollars: float


@dataclass(frozen=True, kw_only=True)
class QueueLook:
    """What was seen of the queue and the nodes at a time, seconds since the epoch.

    `running` is None when the ledger could not be read.
    """

    at: float
    waiting: Mapping[tuple[str, str], Waiting]
    running: Mapping[Key, SoFar] | None
    nodes_out: Sequence[NodeOut]


@dataclass(frozen=True, kw_only=True)
class TresLook:
    """Minutes that Slurm counted by account and TRES, at a time, seconds since the epoch."""

    at: float
    used: Mapping[tuple[str, str], int]


@dataclass(frozen=True, kw_only=True)
class Counted:
    """A state that has been saved, and its metrics as Prometheus asks for them.

    They are most of what a scrape gives and change once in a pass over accounting, so their text is
    made then, and not for each scrape.
    """

    state: State
    open_metrics: bytes

    @classmethod
    def of(cls, state: State) -> "Counted":
        """With its text made."""
        return cls(state=state, open_metrics=OPEN_METRICS.text(counted(state)))

    def without_new_jobs(self, state: State) -> "Counted":
        """Of another state that has counted the same jobs."""
        return replace(self, state=state)

    def text(self, format: Format) -> bytes:  # noqa: A002 - the word for it
        """The metrics; in any other format, in which only people ask, made now."""
        return self.open_metrics if format is OPEN_METRICS else format.text(counted(self.state))


@dataclass(frozen=True, kw_only=True)
class Commented:
    """How many jobs' comments came to which result since a time, seconds since the epoch."""

    since: float
    results: Mapping[str, int] = field(
        default_factory=lambda: {"written": 0, "failed": 0, "dropped": 0}
    )

    def plus(self, result: str, more: int) -> "Commented":
        """With more of one result."""
        return replace(self, results={**self.results, result: self.results[result] + more})


class Board:
    """`query_seconds` and `last_success` are None until accounting has answered.

    `commented` is None where jobs get no comments, `tres` where no account has a budget of
    TRES-minutes.
    """

    def __init__(self, state: State) -> None:
        self.counted = Counted.of(state)
        self.queue: QueueLook | None = None
        self.tres: TresLook | None = None
        self.slurmctld_answers = False
        self.slurmdbd_answers = False
        self.query_seconds: float | None = None
        self.last_success: float | None = None
        self.commented: Commented | None = None
