"""How the cluster is observed."""

from typing import Annotated

from pydantic import Field

from config.settings.alerting import Alerts
from config.settings.part import Part, Switch, Whole


class Monitoring(Part):
    """Prometheus with its exporters, alerts and dashboards, beside the controller's services."""

    enabled: Switch = True
    """Whether the cluster is observed. Without it nothing is measured, and no alert is sent."""
    scrape_seconds: Annotated[Whole, Field(ge=5, le=120)] = 15
    """Seconds between two measurements."""
    retention_days: Annotated[Whole, Field(ge=2, le=3650)] = 30
    """Days for which measurements are kept."""
    retention_gb: Annotated[Whole, Field(ge=1, le=10_000)] = 5
    """GiB that they may take; the oldest go first."""
    max_accounts: Annotated[Whole, Field(ge=1, le=10_000)] = 50
    """Accounts with metrics of their own; the others' are added up as `other`."""
    max_users: Annotated[Whole, Field(ge=1, le=10_000)] = 100
    """Users with metrics of their own; the others' are added up as `other`."""
    grafana: Switch = True
    """Whether Grafana runs, wherever its image can be had."""
    job_comments: Switch = False
    """Whether each ended job gets a line about what it used and cost, as its AdminComment:
    `sacct -o JobID,AdminComment%120`."""
    alerts: Alerts = Alerts()
    """Where alerts go."""
