"""Prometheus and Alertmanager do not do their work."""

from tests.alerts.cluster import ALERTMANAGER, PROMETHEUS, at
from tests.alerts.fault import BEGIN, Fault

_ERRORS = "prometheus_notifications_errors_total" + at(
    "prometheus", "localhost:9090", alertmanager="http://alertmanager:9093/"
)
_FAILED = "alertmanager_notifications_failed_total" + at(
    "alertmanager", "alertmanager:9093", integration="email", reason="other"
)
_RULES = "/etc/prometheus/alerts.yml;nodes"
_RULE_FAILURES = "prometheus_rule_evaluation_failures_total" + at(
    "prometheus", "localhost:9090", rule_group=_RULES
)


def _growing(seconds: float) -> float:
    return seconds / 60 - BEGIN + 1


FAULTS = (
    Fault(
        alert="AlertmanagerDown",
        shows={
            f"up{ALERTMANAGER}": 0.0,
            f"alertmanager_config_last_reload_successful{ALERTMANAGER}": None,
            _FAILED: None,
            _ERRORS: _growing,
        },
        says="Nothing has answered at Alertmanager's port for 2 minutes: no alert is sent.",
        fires=25,
        ends=30,
        over=45,
        also=frozenset({"AlertmanagerUnreachable"}),
    ),
    Fault(
        alert="AlertsNotSent",
        shows={_FAILED: _growing},
        labels={"integration": "email"},
        says="6 notifications by email failed in the last 15 minutes, although each was tried"
        " several times.",
        fires=10,
        ends=15,
        over=35,
    ),
    Fault(
        alert="AlertmanagerUnreachable",
        shows={_ERRORS: _growing},
        says="10 alerts could not be handed over in the last 10 minutes.",
        fires=25,
        ends=30,
        over=40,
    ),
    Fault(
        alert="RulesFailing",
        shows={_RULE_FAILURES: _growing},
        labels={"rule_group": _RULES},
        says=f"15 evaluations of {_RULES} failed in the last 15 minutes: these alerts may not fire."
        f"",
        fires=25,
        ends=30,
        over=45,
    ),
    Fault(
        alert="PrometheusStorageFailing",
        shows={f"prometheus_tsdb_compactions_failed_total{PROMETHEUS}": _growing},
        says="6 operations on its files failed in the last 30 minutes.",
        fires=10,
        ends=15,
        over=45,
    ),
    Fault(
        alert="ConfigurationRefused",
        shows={f"alertmanager_config_last_reload_successful{ALERTMANAGER}": 0.0},
        labels={"job": "alertmanager"},
        says="alertmanager could not read its configuration the last time it tried, and goes on"
        " with the one before.",
        fires=10,
        ends=15,
        over=15,
    ),
)
