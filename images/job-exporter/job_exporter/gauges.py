"""The gauges: what is so now. Their names and labels are in this file and nowhere else.

No command is run here: this is what is on the board. Gauges of the queue, and of what accounts have
used, are left out when the last look is older than two intervals.
"""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from job_exporter.account_costs import account_costs
from job_exporter.board import Board, QueueLook, TresLook
from job_exporter.counters import PREFIX
from job_exporter.period import period_start
from job_exporter.settings_file import Settings
from job_exporter.spending import added
from job_exporter.state import State


def gauges(settings: Settings, board: Board, now: float) -> Iterator[Metric]:
    """All gauges at a time, seconds since the epoch."""
    state, look = board.counted.state, board.queue
    if look is not None and now - look.at > 2 * settings.queue_seconds:
        look = None
    yield from _health(board, state)
    yield from _costs(settings, state, look, now)
    if settings.tres_budgets:
        yield from _tres(settings, board.tres, now)
    if look is not None:
        yield from _queue(look, now)


def _health(board: Board, state: State) -> Iterator[Metric]:
    for daemon, answers in (
        ("slurmctld", board.slurmctld_answers),
        ("slurmdbd", board.slurmdbd_answers),
    ):
        yield _gauge(f"{daemon}_answers", f"1 if {daemon} answered when last asked", answers)
    yield _gauge(
        "queue_last_success_timestamp_seconds",
        "When the queue was last seen; 0: not since the exporter started",
        board.queue.at if board.queue is not None else 0,
    )
    yield _gauge(
        "accounting_cursor_timestamp_seconds",
        "Up to when finished jobs have been counted",
        state.cursor.counted_until,
    )
    if board.query_seconds is not None:
        yield _gauge(
            "accounting_query_seconds",
            "Duration of the last query of accounting",
            board.query_seconds,
        )
    if board.last_success is not None:
        yield _gauge(
            "accounting_last_success_timestamp_seconds",
            "When accounting was last asked and counted",
            board.last_success,
        )


def _costs(
    settings: Settings, state: State, look: QueueLook | None, now: float
) -> Iterator[Metric]:
    budget = GaugeMetricFamily(
        f"{PREFIX}_account_budget_dollars",
        "An account's budget for a period",
        labels=["account"],
    )
    for account, dollars in settings.budgets.items():
        budget.add_metric([account], dollars)
    yield budget
    if look is None or look.running is None or state.spending.missing:
        return  # without running jobs, or those of before the first start, it would be too little
    so_far: dict[str, float] = {}
    for run, job in look.running.items():
        if run not in state.cursor.counted:  # since the look, it may have been
            so_far[job.account] = so_far.get(job.account, 0.0) + job.dollars
    begin = period_start(now, settings.budget_period)
    spent = state.spending.since(begin)
    costs = account_costs(settings, added(spent, so_far), state.accounts.names())
    family = GaugeMetricFamily(
        f"{PREFIX}_account_cost_period_dollars",
        "Cost of an account and those below it since the budgets' period began, with running jobs",
        labels=["account"],
    )
    for account, dollars in costs.items():
        family.add_metric([account], dollars)
    yield family
    yield _gauge(
        "unpriced_jobs_in_period",
        "Finished jobs that these costs lack, as the ledger has no machine for them",
        state.spending.unpriced_since(begin),
    )


def _tres(settings: Settings, look: TresLook | None, now: float) -> Iterator[Metric]:
    budget = GaugeMetricFamily(
        f"{PREFIX}_account_tres_budget_minutes",
        "An account's budget of a TRES for a period; memory in MiB minutes",
        labels=["account", "tres"],
    )
    for account, minutes in settings.tres_budgets.items():
        for tres, most in minutes.items():
            budget.add_metric([account, tres], most)
    yield budget
    if look is None or now - look.at > 2 * settings.query_seconds:
        return
    used = GaugeMetricFamily(
        f"{PREFIX}_account_tres_used_minutes",
        "What an account and those below it have used of it by Slurm's count, with running jobs",
        labels=["account", "tres"],
    )
    for labels, minutes_used in look.used.items():
        used.add_metric(labels, minutes_used)
    yield used


def _queue(look: QueueLook, now: float) -> Iterator[Metric]:
    pending = GaugeMetricFamily(
        f"{PREFIX}_jobs_pending",
        "Jobs that wait, by Slurm's reason; each task of an array is one",
        labels=["partition", "reason"],
    )
    oldest = GaugeMetricFamily(
        f"{PREFIX}_oldest_pending_seconds",
        "Since when the oldest of these jobs could have started",
        labels=["partition", "reason"],
    )
    for labels, waiting in look.waiting.items():
        pending.add_metric(labels, waiting.jobs)
        if waiting.eligible is not None:
            oldest.add_metric(labels, max(0.0, now - waiting.eligible))
    out = GaugeMetricFamily(
        f"{PREFIX}_node_out_of_service",
        "1 for a node on which no job starts",
        labels=["node", "state", "reason"],
    )
    for node in look.nodes_out:
        out.add_metric([node.name, node.state, node.reason], 1)
    yield from (pending, oldest, out)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", about, value=value)
