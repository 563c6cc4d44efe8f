"""Alerts about Prometheus and Alertmanager themselves."""

from config.alerts.alert import Alert, Severity
from config.alerts.dashboards import HOST

_STORAGE_FAULTS = (
    "prometheus_tsdb_compactions_failed_total",
    "prometheus_tsdb_head_truncations_failed_total",
    "prometheus_tsdb_reloads_failures_total",
    "prometheus_tsdb_wal_corruptions_total",
    "prometheus_tsdb_wal_truncations_failed_total",
    "prometheus_tsdb_wal_writes_failed_total",
)
_STORAGE = " + ".join(f"sum(increase({metric}[30m]))" for metric in _STORAGE_FAULTS)

OBSERVERS = (
    Alert(
        name="Watchdog",
        severity=Severity.INFO,
        expr="vector(1)",
        lasts="0m",
        summary="alerts can be sent",
        description="This alert always fires. It goes to the heartbeat, which sounds when it hears"
        " nothing.",
        meaning="As long as it arrives, Prometheus measures, its rules are evaluated, and"
        " Alertmanager sends. It is no fault, and nobody is told of it.",
        todo=(
            "When the heartbeat sounds: is the controller's machine up, does it reach the internet?"
            "",
            "`make status`: do `prometheus` and `alertmanager` run? `make logs"
            " SERVICE=alertmanager`: can it not send?",
        ),
        dashboard=HOST,
    ),
    Alert(
        name="AlertmanagerDown",
        severity=Severity.PAGE,
        expr='max(up{job="alertmanager"}) == 0',
        lasts="2m",
        keeps="5m",
        summary="Alertmanager is down",
        description="Nothing has answered at Alertmanager's port for 2 minutes: no alert is sent.",
        meaning="This one is seen in Prometheus and Grafana alone. Where a heartbeat is set, it"
        " sounds.",
        todo=(
            "`make logs SERVICE=alertmanager SINCE=30m`: the last lines before it ended.",
            "`make up`: it starts what is not running.",
        ),
        dashboard=HOST,
    ),
    Alert(
        name="AlertsNotSent",
        severity=Severity.PAGE,
        expr="sum by (integration) (increase(alertmanager_notifications_failed_total[15m])) > 0",
        lasts="5m",
        keeps="5m",
        summary="alerts cannot be sent by {{ $labels.integration }}",
        description='{{ $value | printf "%.0f" }} notifications by {{ $labels.integration }} failed'
        " in"
        " the last 15 minutes, although each was tried several times.",
        meaning="Somebody who should hear of faults does not.",
        todo=(
            "`make logs SERVICE=alertmanager SINCE=30m`: what does the receiver say?",
            "Is the secret still right (the mail server's password, the webhook's URL)? May the"
            " controller reach the receiver?",
        ),
        dashboard=HOST,
        about=("integration",),
    ),
    Alert(
        name="AlertmanagerUnreachable",
        severity=Severity.PAGE,
        # Not the first errors: all services start at once, Prometheus mostly before Alertmanager.
        expr="""
            sum(increase(prometheus_notifications_errors_total[10m]))
            + sum(increase(prometheus_notifications_dropped_total[10m])) > 0
        """,
        lasts="15m",
        summary="Prometheus cannot hand alerts to Alertmanager",
        description='{{ $value | printf "%.0f" }} alerts could not be handed over in the last 10'
        " minutes.",
        meaning="Alerts are seen in Prometheus, and not sent.",
        todo=(
            "`make logs SERVICE=prometheus SINCE=30m`: what does it say of Alertmanager?",
            "`make status`: is `alertmanager` healthy?",
        ),
        dashboard=HOST,
        explained_by=("AlertmanagerDown",),
    ),
    Alert(
        name="RulesFailing",
        severity=Severity.WARNING,
        expr="sum by (rule_group) (increase(prometheus_rule_evaluation_failures_total[15m])) > 0",
        lasts="5m",
        summary="alert rules cannot be evaluated",
        description='{{ $value | printf "%.0f" }} evaluations of {{ $labels.rule_group }} failed in'
        " the"
        " last 15 minutes: these alerts may not fire.",
        meaning="A rule does not go with what is measured, for instance two series where there"
        " should be one.",
        todo=(
            "Prometheus' page Status > Rule health: which rule, and its error.",
            "It is a bug of hpc-stack: config/alerts. Tell us.",
        ),
        dashboard=HOST,
        about=("rule_group",),
    ),
    Alert(
        name="PrometheusStorageFailing",
        severity=Severity.WARNING,
        expr=f"{_STORAGE} > 0",
        lasts="5m",
        summary="Prometheus cannot store its measurements",
        description='{{ $value | printf "%.0f" }} operations on its files failed in the last 30'
        " minutes.",
        meaning="Measurements may be lost, and with them alerts that look back.",
        todo=(
            "`make logs SERVICE=prometheus SINCE=1h`: no space, or a damaged block?",
            "Free disk (DiskNearlyFull), or lower `monitoring.retention_gb`.",
            "A damaged block: stop Prometheus and remove that block's directory from the volume"
            " `hpc-NAME_prometheus`. Its two hours or days are lost, nothing else.",
        ),
        dashboard=HOST,
    ),
    Alert(
        name="ConfigurationRefused",
        severity=Severity.WARNING,
        expr="""
            min by (job) (prometheus_config_last_reload_successful
            or alertmanager_config_last_reload_successful) == 0
        """,
        lasts="5m",
        summary="{{ $labels.job }} refuses its configuration",
        description="{{ $labels.job }} could not read its configuration the last time it tried, and"
        " goes on with the one before.",
        meaning="Changes of rules or receivers have no effect.",
        todo=(
            "`make logs SERVICE=prometheus SINCE=1h`, or `alertmanager`: which line does it refuse?"
            "",
            "`make up` renders it again. If it is refused again, it is a bug of hpc-stack: tell us."
            "",
        ),
        dashboard=HOST,
        about=("job",),
    ),
)
