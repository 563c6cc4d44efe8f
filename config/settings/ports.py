"""Ports of this machine at which the cluster is reached; always on 127.0.0.1 only."""

from typing import Annotated

from pydantic import Field

from config.settings.part import Part, Whole

Port = Annotated[Whole, Field(ge=1, le=65_535)]


class Ports(Part):
    """Published ports. Clusters that run side by side on one machine need different ones."""

    ssh: Port = 2022
    """SSH of the login node."""
    rest: Port = 6820
    """Slurm's REST interface."""
    prometheus: Port = 9090
    """Prometheus."""
    alertmanager: Port = 9093
    """Alertmanager."""
    grafana: Port = 3000
    """Grafana."""
