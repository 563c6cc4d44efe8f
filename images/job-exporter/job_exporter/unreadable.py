"""An answer that came, and is not what the exporter can read."""

from job_accounting.command import CommandFailed


class Unreadable(CommandFailed):
    """The command succeeded, so the daemon answered. The text is what cannot be read."""
