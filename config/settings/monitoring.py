"""What can be observed of the cluster."""

from config.settings.part import Part, Switch


class Monitoring(Part):
    """What the cluster tells about itself."""

    native_metrics: Switch = True
    """Whether slurmctld itself serves OpenMetrics at its port, inside the cluster's network."""
