"""Queries that tell "there is nothing" from "nobody answers"."""

from config.alerts.services import LONGEST_ROUND
from config.panels.model import Query

NOT_KNOWN = -1.0
"""In the place of a value that nobody tells."""

LONGEST_LOOK = 30
"""Seconds after which the job exporter no longer tells what it saw of the queue: two looks."""

LONGEST_PASS = 300
"""Seconds after which finished jobs are held not to be counted. Where accounting is slow, a pass
takes up to two minutes, and so does the pause after it."""


def _newer_than(seconds: int, success: str) -> str:
    """Has a result while the last success, a point in time, is not older.

    As old as it was when it was measured: how often that is done does not matter.
    """
    return f"max(timestamp({success}) - {success} < {seconds})"


QUEUE_SEEN = _newer_than(LONGEST_LOOK, "hpc_stack_queue_last_success_timestamp_seconds")
"""Has a result while the queue's gauges are told. The job exporter itself may answer without them.
"""

JOBS_COUNTED = _newer_than(LONGEST_PASS, "hpc_stack_accounting_last_success_timestamp_seconds")
"""Has a result while finished jobs are counted. The job exporter may answer with what it counted
before; until it has first asked accounting, it has no such metric."""

FLEET_SEEN = _newer_than(LONGEST_ROUND, "hpc_stack_last_round_timestamp_seconds")
"""Has a result while the node manager's rounds end. It may answer with what the last one saw; until
the first has ended, that is 0."""

NOT_COUNTED = "not known: the job exporter is late or down"
"""What is said while JOBS_COUNTED has no result."""

NO_ROUND = "not known: the node manager is late or down"
"""The same of FLEET_SEEN."""


def answers(*jobs: str) -> str:
    """Has a result, 1, while all of these jobs of Prometheus answer."""
    return " * ".join(f'max(up{{job="{job}"}} == 1)' for job in jobs)


def while_known(expr: str, known: str) -> str:
    """The series while `known` has a result: where they would stay as they were without it."""
    return f"{expr} and on () {known}"


def or_not_known(expr: str) -> str:
    """The value, or NOT_KNOWN. `expr` has one series without labels, as after `max()`."""
    return f"{expr} or vector({NOT_KNOWN:.0f})"


def or_zero(expr: str, known: str) -> str:
    """The series; while there are none and `known` has a result, one of 0.

    `known`: `answers()`, or such as QUEUE_SEEN, of all that the metrics in `expr` come from.
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
