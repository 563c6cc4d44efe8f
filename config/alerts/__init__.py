"""The alerts: what is watched, what each means, and what to do. One module for each kind of thing.

`ALERT_GROUPS` has them all, whatever a cluster needs of them.
"""

from collections.abc import Mapping

from config.alerts.alert import Alert, Needs, Severity
from config.alerts.backup import BACKUP
from config.alerts.exporters import EXPORTERS
from config.alerts.gpus import GPU_ALERTS
from config.alerts.machine import MACHINE
from config.alerts.money import MONEY_ALERTS
from config.alerts.nodes import NODE_ALERTS
from config.alerts.observers import OBSERVERS
from config.alerts.queue import QUEUE_ALERTS
from config.alerts.services import SERVICES

WATCHDOG = "Watchdog"
"""The alert that always fires."""

ALERT_GROUPS: Mapping[str, tuple[Alert, ...]] = {
    "services": SERVICES,
    "queue": QUEUE_ALERTS,
    "nodes": NODE_ALERTS,
    "machine": MACHINE,
    "money": MONEY_ALERTS,
    "backup": BACKUP,
    "gpus": GPU_ALERTS,
    "exporters": EXPORTERS,
    "observers": OBSERVERS,
}
"""By the name of the group: in the rules, and as a heading of the runbook."""

ALERTS: tuple[Alert, ...] = tuple(alert for group in ALERT_GROUPS.values() for alert in group)

__all__ = ["ALERTS", "ALERT_GROUPS", "WATCHDOG", "Alert", "Needs", "Severity"]
