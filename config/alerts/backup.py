"""Alerts about backups."""

from config.alerts.alert import Alert, Needs, Severity
from config.alerts.dashboards import DATABASE

_LAST = "hpc_stack_backup_last_success_timestamp_seconds"

BACKUP = (
    Alert(
        name="BackupMissing",
        severity=Severity.WARNING,
        # A cluster that is new has none yet: it is one for as long as Prometheus has not looked for
        # 26 hours.
        expr=f"""
            time() - max({_LAST} > 0) > 26 * 3600
            or (absent({_LAST} > 0) and on () count(up{{job="prometheus"}} offset 26h))
        """,
        lasts="30m",
        summary="the accounting database was not backed up",
        description="{{ if gt $value 1.0 }}The last dump in S3 is {{ $value | humanizeDuration }}"
        " old{{ else }}No dump in S3 is known{{ end }}; one is due every day.",
        meaning="If the controller's volume were lost now, accounting since the last dump could"
        " only come from the volume's daily snapshot.",
        todo=(
            "`make logs STACK=NAME SERVICE=host-agent SINCE=26h`: why the dump failed.",
            "A role that lost its permission: `make up`. A full disk: see DiskNearlyFull.",
            "[aws.md](aws.md) says how to list the dumps and how to bring one back.",
        ),
        dashboard=DATABASE,
        needs=Needs.AWS,
        explained_by=("HostExporterDown",),
    ),
)
