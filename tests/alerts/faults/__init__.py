"""A fault for every alert, in files like those of the alerts."""

from collections.abc import Mapping

from tests.alerts.fault import Fault
from tests.alerts.faults import (
    backup,
    exporters,
    gpus,
    machine,
    money,
    nodes,
    observers,
    queue,
    services,
)

FAULTS: Mapping[str, tuple[Fault, ...]] = {
    "services": services.FAULTS,
    "queue": queue.FAULTS,
    "nodes": nodes.FAULTS,
    "machine": machine.FAULTS,
    "money": money.FAULTS,
    "backup": backup.FAULTS,
    "gpus": gpus.FAULTS,
    "exporters": exporters.FAULTS,
    "observers": observers.FAULTS,
}
"""By the group of their alerts."""
