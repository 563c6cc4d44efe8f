"""Who tells Prometheus what panels show, and how it is known that they still do."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from config.alerts import WATCHDOG
from config.panels.absence import FLEET_SEEN, JOBS_COUNTED, QUEUE_SEEN, answers
from config.panels.model import Kind, Panel

_GATE = re.compile("|".join(re.escape(known) for known in (FLEET_SEEN, JOBS_COUNTED)))
"""What a query asks so that it shows nothing that is old; it does not show that itself."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What tells some metrics, and may fall silent by itself."""

    name: str
    """Sources of one program may share it."""
    metrics: str
    """Regular expression: what a query that reads them has in it."""
    answers: str
    """PromQL that has a result while it answers, as `answers()`."""
    silence: str
    """What is so while it does not."""
    otherwise: str = "vector(0)"
    """PromQL: 0 while it does not answer; no result where none of it has to be there."""

    keeps: bool = False
    """Whether its metrics are there as before while it does not answer."""

    @property
    def may_be_absent(self) -> bool:
        """Whether it is no fault that there is none."""
        return self.otherwise != "vector(0)"

    def is_read_by(self, expr: str) -> bool:
        """Whether the query asks for metrics of it, not only whether somebody answers."""
        return re.search(rf"\b{self.metrics}", _GATE.sub("", expr)) is not None


def _job(job: str, name: str, metrics: str) -> Source:
    """A job with one target, which every cluster has."""
    return Source(
        name=name,
        metrics=metrics,
        answers=answers(job),
        silence=f"the {name} has not answered",
    )


def _slurmctld(part: str, metrics: str) -> Source:
    """One of slurmctld's own endpoints, each a job of Prometheus."""
    return Source(
        name="slurmctld",
        metrics=rf"slurm_(?:{metrics})",
        answers=answers(f"slurm-{part}"),
        silence="slurmctld has not told its metrics",
    )


def _each(job: str, name: str, metrics: str) -> Source:
    """A job with a target for each node that is up: there may be none."""
    return Source(
        name=f"each {name}",
        metrics=metrics,
        # One that has just ended is silent for some seconds before it is no target any more.
        answers=f'(min(max_over_time(up{{job="{job}"}}[2m])) == 1)',
        silence=f"a {name} has not answered",
        otherwise=f'0 * count(up{{job="{job}"}})',
    )


RULES = Source(
    name="alert rules",
    metrics=r"ALERTS\{",
    answers=f'max(ALERTS{{alertname="{WATCHDOG}", alertstate="firing"}})',
    silence="the alert rules have not been evaluated",
)

SOURCES = (
    _slurmctld("jobs", "jobs_"),
    _slurmctld("nodes", "node_"),
    _slurmctld("partitions", "partition_"),
    _slurmctld("scheduler", "sched|bf_|slurmdbd_|server_|agent_"),
    _slurmctld("accounts", "user_|account_"),
    _job(
        "node-manager",
        "node manager",
        "hpc_stack_(?:round_|last_round_|api_calls)",
    ),
    # It may answer while Slurm or the platform does not answer it.
    Source(
        name="node manager: rounds",
        metrics=r"hpc_stack_(?:nodes\b|instances|pool_|launch|terminations|node_start_|node_cost_"
        r"|cost_dollars_|spent_)",
        answers=FLEET_SEEN,
        silence="the node manager has ended no round",
        keeps=True,
    ),
    _job(
        "job-exporter",
        "job exporter",
        "hpc_stack_(?:account_tres_|accounting_cursor_|accounting_last_|slurmctld_|slurmdbd_)",
    ),
    # It may answer while accounting does not answer it. A budget is shown beside what is spent.
    Source(
        name="job exporter: finished jobs",
        metrics="hpc_stack_(?:account_budget_|account_cost_|accounting_query_|job_|jobs_finished_"
        "|jobs_unpriced_|unpriced_|user_)",
        answers=JOBS_COUNTED,
        silence="the job exporter has not counted finished jobs",
        keeps=True,
    ),
    # It may answer and have lost sight of the queue.
    Source(
        name="job exporter: queue",
        metrics=r"hpc_stack_(?:queue_|jobs_pending|oldest_pending_|node_out_of_service)",
        answers=QUEUE_SEEN,
        silence="the job exporter has not seen the queue",
    ),
    # Its exporter may answer without it.
    Source(
        name="MySQL",
        metrics="mysql_",
        answers="max(mysql_up == 1)",
        silence="MySQL or its exporter has not answered",
    ),
    _job("host", "host's exporter", r'node_\w+\{job="host"'),
    _each("node", "node's exporter", r'node_\w+\{job="node"'),
    _each("gpu", "GPU's exporter", "DCGM_"),
    _job("alertmanager", "Alertmanager", "alertmanager_"),
    _job("prometheus", "Prometheus", "prometheus_"),
    RULES,
)
"""All of them. `up` and how long a scrape takes are told of targets that are silent, too."""


def sources_of(panels: Iterable[Panel]) -> tuple[Source, ...]:
    """Whose metrics the panels' queries read."""
    exprs = [query.expr for panel in panels for query in panel.queries]
    return tuple(one for one in SOURCES if any(one.is_read_by(expr) for expr in exprs))


def state_of(sources: Iterable[Source]) -> str:
    """PromQL, one series without labels: 1 while all of them answer, else 0.

    No result where all of them may be absent, and are.
    """
    found = tuple(sources)
    together = " * ".join(one.answers for one in found)
    fallback = next((one for one in found if not one.may_be_absent), found[0]).otherwise
    return f"0 * {together} + 1 or {fallback}"


def tells_at_once(panel: Panel, source: Source) -> bool:
    """Whether Grafana shows the panel red as soon as the source falls silent.

    Not what looks back, which has a value for as long, nor pictures over time and tables; of what
    the source keeps, only what is asked for while it answers.
    """
    return (
        panel.kind in (Kind.LIGHT, Kind.NUMBER, Kind.BARS)
        and not panel.empty_is_fine
        and all(
            source.is_read_by(query.expr)
            and "[" not in query.expr
            and (not source.keeps or source.answers in query.expr)
            # One is of absence.py, for what is said of nothing; more ask somebody else instead.
            and query.expr.count(" or ") <= 1
            for query in panel.queries
        )
    )
