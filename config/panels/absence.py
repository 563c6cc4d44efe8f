"""Queries that tell "there is nothing" from "nobody answers"."""

from config.panels.model import Query

NOT_KNOWN = -1.0
"""In the place of a value that nobody tells."""

LONGEST_LOOK = 30
"""Seconds after which the job exporter no longer tells what it saw of the queue: two looks."""

_SEEN = "hpc_stack_queue_last_success_timestamp_seconds"
QUEUE_SEEN = f"max(timestamp({_SEEN}) - {_SEEN} < {LONGEST_LOOK})"
"""Has a result while the queue's gauges are told. The job exporter itself may answer without them.

As old as the look was when it was measured: how often that is done does not matter.
"""


def answers(*jobs: str) -> str:
    """Has a result, 1, while all of these jobs of Prometheus answer."""
    return " * ".join(f'max(up{{job="{job}"}} == 1)' for job in jobs)


def or_not_known(expr: str) -> str:
    """The value, or NOT_KNOWN. `expr` has one series without labels, as after `max()`."""
    return f"{expr} or vector({NOT_KNOWN:.0f})"


def or_zero(expr: str, known: str) -> str:
    """The series; while there are none and `known` has a result, one of 0.

    `known`: QUEUE_SEEN or `answers()`, of all that the metrics in `expr` come from.
    """
    return f"{expr} or on () 0 * {known}"


def or_nothing(expr: str, known: str, label: str, text: str, legend: str) -> Query:
    """As `or_zero()`; the 0 has `label` as `text`, which says that there is nothing."""
    nothing = f'label_replace(0 * {known}, "{label}", "{text}", "", "")'
    return Query(expr=f"{expr} or on () {nothing}", legend=legend, nothing=text)


def rows_or_not_known(expr: str, known: str, label: str, text: str) -> str:
    """A table's rows; while `known` has no result, one row with `text` in the column `label`.

    No rows then means that there is nothing to list.
    """
    return f'{expr} or label_replace(0 * absent({known}), "{label}", "{text}", "", "")'
