"""What an alert is: a fault, how it shows in the measurements, and what a person does about it.

Prometheus' rules and docs/runbook.md are both made from these, so they cannot differ.
"""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How soon a person has to look."""

    PAGE = "page"
    """At once: jobs or data are at risk, money is being lost, or the cluster cannot be seen."""
    WARNING = "warning"
    """On the next working day."""
    INFO = "info"
    """When there is time. Not sent to anybody, unless the settings say so."""


class Needs(StrEnum):
    """What a cluster must have for an alert to make sense. Where it does not, there is no rule."""

    NOTHING = ""
    AWS = "on AWS"
    GPUS = "with GPU pools"
    COST_LIMIT = "with `limits.max_cost_per_hour`"


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert.

    `expr` may name numbers of the settings as `@name` (config/render/alert_rules.py has them);
    `summary` and `description` may use Prometheus' templates: `{{ $labels.pool }}`, `{{ $value }}`.
    """

    name: str
    severity: Severity
    expr: str
    """PromQL: holds while it has a result."""
    lasts: str
    """How long the expression must hold until the alert fires, such as 2m."""
    keeps: str = ""
    """For how long the alert goes on after that: where it would flap, or where the faults that it
    explains end later than itself."""
    summary: str
    """One line, without a full stop. The cluster's name is put before it."""
    description: str
    """What is so now, with numbers."""
    meaning: str
    """What it means for jobs, users, data or money: in messages, and in the runbook."""
    todo: tuple[str, ...]
    """What to do, in this order: the first in messages, all in the runbook."""
    dashboard: str
    """Uid of the dashboard to look at."""
    needs: Needs = Needs.NOTHING
    about: tuple[str, ...] = ()
    """Labels that tell which thing it is about; none: the whole cluster."""
    explained_by: tuple[str, ...] = ()
    """Alerts that are the cause of this one: it is not sent while one of them fires about the same
    thing."""

    @property
    def anchor(self) -> str:
        """The anchor of its paragraph in the runbook, as GitHub makes it of the heading."""
        return self.name.lower()
