"""What holds data: homes, Slurm's state, the accounting records, and the secrets."""

from config.settings.part import Part, Switch


class Storage(Part):
    """What happens to data when something would delete it."""

    protect: Switch = True
    """Whether Pulumi refuses to delete data volumes and secrets."""
