"""What only the agent knows, for Prometheus: a file that the host's node_exporter reads.

https://github.com/prometheus/node_exporter#textfile-collector
"""

import contextlib
from pathlib import Path

_DUMPED = "hpc_stack_backup_last_success_timestamp_seconds"


def tell_dumped(at: float, directory: Path) -> None:
    """Say when the database was last dumped, in seconds since the epoch.

    config/render/compose_aws.py names the directory to the exporter. That it cannot be said, as on
    a full disk, makes no dump undone: an alert then says that none was told of.
    """
    with contextlib.suppress(OSError):
        _tell(at, directory)


def _tell(at: float, directory: Path) -> None:
    directory.mkdir(mode=0o755, exist_ok=True)
    # The exporter reads every *.prom: it must not find half of one.
    draft = directory / "backup.new"
    draft.write_text(
        f"# HELP {_DUMPED} When the accounting database was last dumped to S3\n"
        f"# TYPE {_DUMPED} gauge\n{_DUMPED} {at:.0f}\n"
    )
    draft.chmod(0o644)
    draft.replace(directory / "backup.prom")
