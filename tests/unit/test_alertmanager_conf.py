"""Who hears of which alert, and that no secret is in the configuration."""

from typing import Any

import pytest
import yaml

from config.render.alertmanager import alertmanager_yml
from config.settings import load_cluster
from config.settings.alerting import Alerts, misplaced_receivers
from tests.unit.settings_samples import Case, mistakes, pool, settings
from tests.unit.test_settings_aws import on_aws

EMAIL = {
    "to": ["ops@example.org", "admin@example.org"],
    "sender": "hpc@example.org",
    "smarthost": "mail.example.org:587",
}
TOPIC = {"topic_arn": "arn:aws:sns:eu-west-1:123456789012:hpc"}


def configuration(**alerts: Any) -> dict[str, Any]:
    """Alertmanager's configuration of a cluster on AWS with these settings of alerts."""
    text = alertmanager_yml(load_cluster(on_aws(monitoring={"alerts": alerts})))
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def receiver(name: str, **alerts: Any) -> dict[str, Any]:
    (found,) = (one for one in configuration(**alerts)["receivers"] if one["name"] == name)
    return dict(found)


def test_without_a_receiver_alerts_go_to_nobody() -> None:
    found = configuration()
    assert found["receivers"] == [{"name": "nobody"}]
    assert {route["receiver"] for route in [found["route"], *found["route"]["routes"]]} == {
        "nobody"
    }


def test_mail_goes_to_all_addresses_and_the_password_is_read_from_a_file() -> None:
    (mail,) = receiver("people", email={**EMAIL, "username": "hpc"})["email_configs"]
    assert mail["to"] == "ops@example.org, admin@example.org"
    assert (mail["from"], mail["smarthost"]) == ("hpc@example.org", "mail.example.org:587")
    assert mail["auth_password_file"] == "/run/secrets/alert_email_password"
    assert mail["require_tls"] is True


def test_a_mail_server_that_asks_for_no_password_gets_none() -> None:
    (mail,) = receiver("people", email={**EMAIL, "tls": False})["email_configs"]
    assert "auth_username" not in mail
    assert "auth_password_file" not in mail
    assert mail["require_tls"] is False


def test_a_chats_address_is_read_from_a_file() -> None:
    (chat,) = receiver("people", webhook={"channel": "#hpc"})["slack_configs"]
    assert (chat["api_url_file"], chat["channel"]) == ("/run/secrets/alert_webhook_url", "#hpc")
    assert "channel" not in receiver("people", webhook={})["slack_configs"][0]


def test_a_topic_is_asked_in_its_own_region() -> None:
    (topic,) = receiver("people", sns=TOPIC)["sns_configs"]
    assert topic["topic_arn"] == TOPIC["topic_arn"]
    assert topic["sigv4"] == {"region": "eu-west-1"}


def test_all_receivers_get_the_same_words() -> None:
    found = receiver("people", email=EMAIL, webhook={}, sns=TOPIC)
    (mail,), (chat,), (topic,) = (found[f"{kind}_configs"] for kind in ("email", "slack", "sns"))
    assert mail["headers"]["Subject"] == chat["title"] == chat["fallback"] == topic["subject"]
    assert mail["text"] == chat["text"] == topic["message"]


@pytest.mark.parametrize(
    ("base", "end"),
    [
        ("https://wiki.example.org/runbook", "All steps: {{ .CommonAnnotations.runbook_url }}\n"),
        ("docs/runbook.md", "All steps: {{ .CommonAnnotations.runbook_url }} in your checkout\n"),
    ],
)
def test_a_path_is_not_told_as_if_it_were_a_link(base: str, end: str) -> None:
    (mail,) = receiver("people", email=EMAIL, runbook_base=base)["email_configs"]
    assert end in mail["text"]


def test_only_the_watchdog_goes_to_the_heartbeat_and_often() -> None:
    found = configuration(heartbeat=True, email=EMAIL)
    (beat,) = receiver("heartbeat", heartbeat=True)["webhook_configs"]
    assert beat == {"url_file": "/run/secrets/alert_heartbeat_url", "send_resolved": False}
    routes = [one for one in found["route"]["routes"] if one["receiver"] == "heartbeat"]
    assert [route["matchers"] for route in routes] == [['alertname = "Watchdog"']]
    assert routes[0]["repeat_interval"] == "5m"


def test_alerts_that_still_hold_are_repeated_as_the_settings_say() -> None:
    assert configuration(repeat_hours=12)["route"]["repeat_interval"] == "12h"


@pytest.mark.parametrize(
    ("least", "unsent"),
    [("info", set()), ("warning", {"info"}), ("page", {"info", "warning"})],
)
def test_less_severe_alerts_are_sent_to_nobody(least: str, unsent: set[str]) -> None:
    routes = configuration(email=EMAIL, least_severity=least)["route"]["routes"]
    nobodys = [route["matchers"][0] for route in routes[1:] if route["receiver"] == "nobody"]
    assert set(nobodys) == {f'severity = "{severity}"' for severity in unsent}


def test_one_cause_is_one_message() -> None:
    rules = configuration()["inhibit_rules"]
    (mysql,) = (one for one in rules if one["source_matchers"] == ['alertname = "MysqlDown"'])
    assert "SlurmdbdDown" in mysql["target_matchers"][0]
    assert mysql["equal"] == ["cluster"]
    (brake,) = (one for one in rules if one["source_matchers"] == ['alertname = "PoolBraked"'])
    assert brake["equal"] == ["cluster", "pool"]


def test_a_cluster_explains_nothing_by_alerts_that_it_does_not_have() -> None:
    gpu = {"type": "a100", "count": 1}
    local = settings(pools={"gpu": pool(gpus=gpu, max_nodes=1)})
    on_ec2 = on_aws({"instance_types": ["g5.xlarge"]})
    assert "NodeExporterDown" not in alertmanager_yml(load_cluster(local))
    assert "NodeExporterDown" in alertmanager_yml(load_cluster(on_ec2))


def test_the_secrets_that_are_needed_are_those_that_are_read() -> None:
    everything = {
        "email": {**EMAIL, "username": "hpc"},
        "webhook": {},
        "sns": TOPIC,
        "heartbeat": True,
    }
    text = str(configuration(**everything))
    for name in Alerts.model_validate(everything).secrets:
        assert f"/run/secrets/{name}" in text
    assert text.count("/run/secrets/") == 3
    assert Alerts.model_validate({"email": EMAIL, "sns": TOPIC}).secrets == ()


MISTAKES: dict[str, Case] = {
    "an address without a host": (
        settings(monitoring={"alerts": {"email": {**EMAIL, "sender": "hpc"}}}),
        "cluster.monitoring.alerts.email.sender",
        '"hpc"',
        "a mail address",
        "change it",
    ),
    "a mail server without a port": (
        settings(monitoring={"alerts": {"email": {**EMAIL, "smarthost": "mail.example.org"}}}),
        "cluster.monitoring.alerts.email.smarthost",
        '"mail.example.org"',
        "a name and a port",
        "change it",
    ),
    "nobody who gets mail": (
        settings(monitoring={"alerts": {"email": {**EMAIL, "to": []}}}),
        "cluster.monitoring.alerts.email.to",
        "[]",
        "a list of 1 or more",
        "name at least 1",
    ),
    "somebody gets it twice": (
        settings(monitoring={"alerts": {"email": {**EMAIL, "to": ["a@b.org", "a@b.org"]}}}),
        "cluster.monitoring.alerts.email.to",
        '["a@b.org", "a@b.org"]',
        "without duplicates",
        "remove the second",
    ),
    "a topic that is none": (
        on_aws(monitoring={"alerts": {"sns": {"topic_arn": "hpc"}}}),
        "cluster.monitoring.alerts.sns.topic_arn",
        '"hpc"',
        "the ARN of a standard topic",
        "change it",
    ),
    "a runbook's address with an anchor": (
        settings(monitoring={"alerts": {"runbook_base": "https://x.org/#top"}}),
        "cluster.monitoring.alerts.runbook_base",
        '"https://x.org/#top"',
        "without '#'",
        "change it",
    ),
}


@pytest.mark.parametrize("case", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_fix(case: Case) -> None:
    data, path, value, allowed, fix = case
    (mistake,) = mistakes(data)
    assert (mistake.path, mistake.value) == (path, value)
    assert allowed in mistake.allowed
    assert fix in mistake.fix


def test_a_topic_needs_a_cluster_on_aws() -> None:
    alerts = Alerts.model_validate({"sns": TOPIC})
    assert list(misplaced_receivers(alerts, "aws")) == []
    (mistake,) = misplaced_receivers(alerts, "local")
    assert mistake.path == "cluster.monitoring.alerts.sns.topic_arn"
    assert "email or webhook" in mistake.fix
