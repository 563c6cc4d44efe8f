"""alertmanager.yml: who hears of which alert, how often, and which alerts explain others.

Secrets are files in the container; Alertmanager reads them by itself.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from config.alerts import WATCHDOG, Alert, Severity
from config.render.alert_rules import alerts_of
from config.render.site import SECRETS_DIRECTORY
from config.settings import ClusterSettings
from config.settings.alerting import CHAT_URL, HEARTBEAT_URL, MAIL_LOGIN, Alerts, Email, Sns

_PEOPLE = "people"
_HEARTBEAT = "heartbeat"
_NOBODY = "nobody"

# Alertmanager's templates. What is over is said as well: nobody has to look whether it is.
_SUBJECT = (
    "{{ if eq .Status `firing` }}[{{ .CommonLabels.severity }}]{{ else }}[over]{{ end }}"
    " {{ .CommonLabels.cluster }}: {{ .CommonLabels.alertname }}"
    "{{ if gt (len .Alerts) 1 }} ({{ len .Alerts }}){{ end }}"
)
# What is the same for all alerts of a message, which have one name, is said once.
_TEXT = """\
{{ $time := `2006-01-02 15:04 UTC` }}{{ range .Alerts.Firing }}{{ .Annotations.summary }}.
{{ .Annotations.description }}
Since {{ .StartsAt.UTC.Format $time }}.

{{ end }}{{ range .Alerts.Resolved }}Over: {{ .Annotations.summary }}.
From {{ .StartsAt.UTC.Format $time }} to {{ .EndsAt.UTC.Format $time }}.

{{ end }}{{ if .Alerts.Firing }}What it means: {{ .CommonAnnotations.meaning }}
What to do first: {{ .CommonAnnotations.todo }}
All steps: {{ .CommonAnnotations.runbook_url }}%s
{{ end }}"""


def alertmanager_yml(settings: ClusterSettings) -> str:
    """The file's text."""
    alerts = [alert for group in alerts_of(settings).values() for alert in group]
    return alertmanager_document(settings.monitoring.alerts, alerts)


def alertmanager_document(receivers: Alerts, alerts: Sequence[Alert]) -> str:
    """The text for some receivers and alerts."""
    document = {
        "route": _route(receivers),
        "inhibit_rules": list(_inhibitions(alerts)),
        "receivers": list(_receivers(receivers)),
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000)


def _route(receivers: Alerts) -> dict[str, Any]:
    people = _PEOPLE if _people(receivers) else _NOBODY
    ranks = list(Severity)
    unsent = [rank.value for rank in ranks[ranks.index(Severity(receivers.least_severity)) + 1 :]]
    return {
        "receiver": people,
        "group_by": ["cluster", "alertname"],
        # Faults that come together are one message.
        "group_wait": "30s",
        "group_interval": "5m",
        "repeat_interval": f"{receivers.repeat_hours}h",
        "routes": [
            {
                "matchers": [f'alertname = "{WATCHDOG}"'],
                "receiver": _HEARTBEAT if receivers.heartbeat else _NOBODY,
                "group_wait": "0s",
                # Repeats are looked at once in each interval.
                "group_interval": "1m",
                "repeat_interval": "5m",
            },
            *({"matchers": [f'severity = "{rank}"'], "receiver": _NOBODY} for rank in unsent),
            # As long as a cause and what it explains may be apart in one look at the rules.
            {"matchers": ['severity = "page"'], "receiver": people, "group_wait": "10s"},
        ],
    }


def _inhibitions(alerts: Sequence[Alert]) -> Iterator[dict[str, Any]]:
    for cause in alerts:
        explained = [alert.name for alert in alerts if cause.name in alert.explained_by]
        if explained:
            yield {
                "source_matchers": [f'alertname = "{cause.name}"'],
                "target_matchers": [f'alertname =~ "{"|".join(explained)}"'],
                "equal": ["cluster", *cause.about],
            }


def _receivers(receivers: Alerts) -> Iterator[dict[str, Any]]:
    yield {"name": _NOBODY}
    if people := _people(receivers):
        yield {"name": _PEOPLE, **people}
    if receivers.heartbeat:
        beat = {"url_file": f"{SECRETS_DIRECTORY}/{HEARTBEAT_URL}", "send_resolved": False}
        yield {"name": _HEARTBEAT, "webhook_configs": [beat]}


def _people(receivers: Alerts) -> dict[str, Any]:
    found: dict[str, Any] = {}
    text = _TEXT % ("" if receivers.links_to_runbook else " in your checkout")
    if receivers.email:
        found["email_configs"] = [_mail(receivers.email, text)]
    if receivers.webhook:
        found["slack_configs"] = [
            {
                "api_url_file": f"{SECRETS_DIRECTORY}/{CHAT_URL}",
                **({"channel": receivers.webhook.channel} if receivers.webhook.channel else {}),
                "send_resolved": True,
                "title": _SUBJECT,
                "title_link": "",
                # What a telephone shows of it; by default a link to this machine's 127.0.0.1.
                "fallback": _SUBJECT,
                "text": text,
            }
        ]
    if receivers.sns:
        found["sns_configs"] = [_topic(receivers.sns, text)]
    return found


def _mail(email: Email, text: str) -> dict[str, Any]:
    login = {
        "auth_username": email.username,
        "auth_password_file": f"{SECRETS_DIRECTORY}/{MAIL_LOGIN}",
    }
    return {
        "to": ", ".join(email.to),
        "from": email.sender,
        "smarthost": email.smarthost,
        **(login if email.username else {}),
        "require_tls": email.tls,
        "send_resolved": True,
        "headers": {"Subject": _SUBJECT},
        "html": "",
        "text": text,
    }


def _topic(sns: Sns, text: str) -> dict[str, Any]:
    return {
        "topic_arn": sns.topic_arn,
        "sigv4": {"region": sns.region},
        "send_resolved": True,
        "subject": _SUBJECT,
        "message": text,
    }
