"""Backups that fail, or never were."""

from tests.alerts.cluster import HOST
from tests.alerts.fault import Fault

_LAST = f"hpc_stack_backup_last_success_timestamp_seconds{HOST}"
_HOUR = 60

FAULTS = (
    Fault(
        alert="BackupMissing",
        shows={_LAST: 3600.0},
        says="The last dump in S3 is 1d 5h 0m 0s old; one is due every day.",
        begins=_HOUR,
        fires=30 * _HOUR,
        ends=31 * _HOUR,
        over=32 * _HOUR,
        step=_HOUR,
    ),
    Fault(
        # None ever, and the cluster is not new.
        alert="BackupMissing",
        shows={_LAST: None},
        says="No dump in S3 is known; one is due every day.",
        begins=_HOUR,
        fires=30 * _HOUR,
        ends=31 * _HOUR,
        over=32 * _HOUR,
        step=_HOUR,
    ),
)
