"""What Alertmanager itself sends when Prometheus' alerts come: to whom and in what words."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.render.alertmanager import alertmanager_yml
from config.render.compose_monitoring import ALERTMANAGER_CONFIGURATION, monitoring_services
from config.render.prometheus import prometheus_yaml
from config.render.site import SECRETS_DIRECTORY, Site
from config.settings import ClusterSettings, load_cluster
from config.settings.alerting import CHAT_URL, HEARTBEAT_URL, MAIL_LOGIN
from tests.alerts.faults import FAULTS
from tests.alerts.promtool import expected
from tests.alerts.receivers import CHAT, HEARTBEAT, Heard, Mail, receivers
from tests.alerts.test_alertmanager import EMAIL
from tests.job_exporter.exporter_process import eventually
from tests.unit.settings_samples import settings as written

NAME = f"hpc-messages-{os.getpid()}"
"""Of the container and its network."""
RUNBOOK = "https://wiki.example.org/hpc/runbook"
PASSWORD = "not for everybody"
SITE = Site(images={}, cgroup="v2")


class Alertmanager:
    """The container of a cluster, and who hears of its alerts."""

    def __init__(self, settings: ClusterSettings, heard: Heard) -> None:
        self.settings = settings
        self.heard = heard
        self.address = docker("port", NAME, "9093/tcp").splitlines()[0]

    def ask(self, path: str, body: str | None = None) -> str:
        """What it answers to a GET or, with a body of JSON, a POST. Raises OSError."""
        connection = HTTPConnection(self.address, timeout=10)
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request("POST" if body else "GET", path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200, text
        return text

    def answers(self) -> bool:
        try:
            return bool(self.ask("/-/ready"))
        except OSError:
            return False

    def post(self, *alerts: dict[str, Any]) -> None:
        """What Prometheus does as long as alerts hold, and once more when they are over."""
        self.ask("/api/v2/alerts", json.dumps(alerts))

    def fault(self, name: str) -> dict[str, Any]:
        """An alert that fires from now on, as Prometheus hands it over."""
        fault = next(one for some in FAULTS.values() for one in some if one.alert == name)
        told = expected(self.settings, fault)
        own = yaml.safe_load(prometheus_yaml(self.settings, SITE))["global"]["external_labels"]
        return {
            "labels": {"alertname": name, **told["exp_labels"], **own},
            "annotations": told["exp_annotations"],
            "startsAt": now(),
        }

    def known(self, name: str) -> dict[str, Any]:
        """An alert as Alertmanager sees it."""
        found: list[dict[str, Any]] = json.loads(self.ask("/api/v2/alerts"))
        (alert,) = (one for one in found if one["labels"]["alertname"] == name)
        return alert

    def explained(self) -> float:
        """How often a message was not sent, because its cause is told."""
        name = "alertmanager_notifications_suppressed_total{"
        lines = (line for line in self.ask("/metrics").splitlines() if line.startswith(name))
        return sum(float(line.split()[-1]) for line in lines if 'reason="inhibition"' in line)

    def mails(self, name: str) -> Sequence[Mail]:
        """Those about an alert, in the order in which they came."""
        return [mail for mail in self.heard.mails if name in mail.message["Subject"]]

    def chats(self, name: str) -> Sequence[dict[str, Any]]:
        """Those about an alert, in the order in which they came."""
        attachments = (chat["attachments"] for chat in self.heard.chats)
        return [one for (one,) in attachments if name in one["title"]]

    def await_messages(self, name: str, number: int = 1) -> tuple[Mail, dict[str, Any]]:
        """The latest about an alert by mail and in the chat, of so many in each."""
        eventually(lambda: len(self.mails(name)) >= number, f"{number} mails about {name}")
        eventually(lambda: len(self.chats(name)) >= number, f"{number} chats about {name}")
        return self.mails(name)[number - 1], self.chats(name)[number - 1]


def now() -> str:
    return datetime.now(UTC).isoformat()


def minute(time: str) -> str:
    """As messages say it."""
    return datetime.fromisoformat(time).strftime("%Y-%m-%d %H:%M UTC")


def docker(*arguments: str) -> str:
    done = subprocess.run(("docker", *arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def hurried(configuration: str) -> str:
    """The same, without the waits that spare people messages."""
    text = re.sub(r"(group_wait|group_interval): (?!0s)\w+", r"\1: 1s", configuration)
    return text.replace("repeat_interval: 5m", "repeat_interval: 1s")


@contextmanager
def network() -> Iterator[str]:
    """A network of its own; the address of this machine in it."""
    docker("network", "create", NAME)
    try:
        yield docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", NAME)
    finally:
        docker("network", "rm", NAME)


@contextmanager
def running(settings: ClusterSettings, directory: Path) -> Iterator[None]:
    """The service as a cluster has it. `directory` has its configuration and its secrets."""
    service = monitoring_services(settings, SITE)["alertmanager"]
    try:
        docker(
            *("run", "--detach", "--rm", "--name", NAME, "--network", NAME),
            *("--publish", "127.0.0.1::9093"),
            *(f"--cap-drop={name}" for name in service["cap_drop"]),
            *("--volume", f"{directory}/alertmanager.yml:{ALERTMANAGER_CONFIGURATION}:ro"),
            *("--volume", f"{directory}/secrets:{SECRETS_DIRECTORY}:ro"),
            *(service["image"], *service["command"]),
        )
        yield
    finally:
        subprocess.run(
            ("docker", "rm", "--force", "--volumes", NAME), check=False, capture_output=True
        )


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    """One with mail, a chat and a heartbeat.

    Each test has alerts of its own, none of which explains another test's.
    """
    directory = tmp_path_factory.mktemp("messages")
    with network() as address, receivers(address) as heard:
        alerts = {
            "email": {**EMAIL, "smarthost": heard.mail_server, "tls": False},
            "webhook": {"channel": "#hpc"},
            "heartbeat": True,
            "runbook_base": RUNBOOK,
        }
        settings = load_cluster(written(name="physics", monitoring={"alerts": alerts}))
        (directory / "alertmanager.yml").write_text(hurried(alertmanager_yml(settings)))
        (directory / "secrets").mkdir()
        for name, secret in {
            MAIL_LOGIN: PASSWORD,
            CHAT_URL: f"{heard.web_url}{CHAT}",
            HEARTBEAT_URL: f"{heard.web_url}{HEARTBEAT}",
        }.items():
            (directory / "secrets" / name).write_text(secret)
        for path in directory.rglob("*"):
            path.chmod(0o755)  # Alertmanager is nobody
        with running(settings, directory):
            found = Alertmanager(settings, heard)
            eventually(found.answers, "Alertmanager's answer")
            yield found


def test_one_cause_is_one_message(alertmanager: Alertmanager) -> None:
    cause, consequence = (alertmanager.fault(name) for name in ("MysqlDown", "SlurmdbdDown"))
    alertmanager.post(consequence, cause)
    alertmanager.await_messages("MysqlDown")
    eventually(lambda: alertmanager.explained() >= 1, "the consequence to be passed over")
    fingerprint = alertmanager.known("MysqlDown")["fingerprint"]
    assert alertmanager.known("SlurmdbdDown")["status"]["inhibitedBy"] == [fingerprint]
    assert (len(alertmanager.mails("MysqlDown")), len(alertmanager.chats("MysqlDown"))) == (1, 1)
    assert not alertmanager.mails("SlurmdbdDown")
    assert not alertmanager.chats("SlurmdbdDown")


def test_a_message_says_what_is_so_what_it_means_and_what_to_do(
    alertmanager: Alertmanager,
) -> None:
    alert = alertmanager.fault("SlurmdbdQueueFilling")
    alertmanager.post(alert)
    mail, chat = alertmanager.await_messages("SlurmdbdQueueFilling")
    subject = "[page] physics: SlurmdbdQueueFilling"
    assert (mail.message["Subject"], chat["title"], chat["fallback"]) == (subject,) * 3
    assert mail.text.strip() == chat["text"].strip()
    assert mail.text.strip().splitlines() == [
        "Cluster physics: accounting records will be lost.",
        alert["annotations"]["description"],
        f"Since {minute(alert['startsAt'])}.",
        "",
        "What it means: When its queue is full, slurmctld throws records away: first those of"
        " steps, then those of jobs. They are missing in accounts, costs and budgets for ever.",
        "What to do first: `make status`: are `slurmdbd` and `mysql` running? Bring them back: see"
        " SlurmdbdDown and MysqlDown.",
        f"All steps: {RUNBOOK}#slurmdbdqueuefilling",
    ]


def test_a_mail_is_sent_with_the_password_of_the_secret_and_to_everybody(
    alertmanager: Alertmanager,
) -> None:
    alertmanager.post(alertmanager.fault("TerminationsFailing"))
    mail, _ = alertmanager.await_messages("TerminationsFailing")
    assert mail.login == (EMAIL["username"], PASSWORD)
    assert mail.to == tuple(EMAIL["to"])
    assert mail.message["From"] == EMAIL["sender"]


def test_a_chat_shows_commands_as_such_and_in_its_channel(alertmanager: Alertmanager) -> None:
    alertmanager.post(alertmanager.fault("HostExporterDown"))
    _, chat = alertmanager.await_messages("HostExporterDown")
    assert "text" in chat["mrkdwn_in"]
    assert "`make logs SERVICE=node-exporter SINCE=30m`" in chat["text"]
    assert {one["channel"] for one in alertmanager.heard.chats} == {"#hpc"}


def test_faults_of_one_kind_are_one_message_and_what_is_over_is_said(
    alertmanager: Alertmanager,
) -> None:
    one = alertmanager.fault("NodeOutOfService")
    other = json.loads(json.dumps(one).replace("cpu-2", "cpu-3"))
    alertmanager.post(one, other)
    mail, _ = alertmanager.await_messages("NodeOutOfService")
    assert mail.message["Subject"] == "[warning] physics: NodeOutOfService (2)"
    for node in ("cpu-2", "cpu-3"):
        assert f"Cluster physics: Slurm has taken node {node} out of service.\n" in mail.text
    assert mail.text.count("What it means: ") == 1

    ended = {"endsAt": now()}
    alertmanager.post({**one, **ended}, {**other, **ended})
    mail, chat = alertmanager.await_messages("NodeOutOfService", 2)
    subject = "[over] physics: NodeOutOfService (2)"
    assert (mail.message["Subject"], chat["title"]) == (subject, subject)
    assert mail.text.strip() == chat["text"].strip()
    times = f"From {minute(one['startsAt'])} to {minute(ended['endsAt'])}."
    assert mail.text.strip().splitlines() == [
        "Over: Cluster physics: Slurm has taken node cpu-2 out of service.",
        times,
        "",
        "Over: Cluster physics: Slurm has taken node cpu-3 out of service.",
        times,
    ]


def test_what_is_less_severe_than_the_settings_say_is_sent_to_nobody(
    alertmanager: Alertmanager,
) -> None:
    alertmanager.post(alertmanager.fault("PoolAtLimit"), alertmanager.fault("HostSwapping"))
    alertmanager.await_messages("HostSwapping")
    assert alertmanager.known("PoolAtLimit")["receivers"] == [{"name": "nobody"}]
    assert not alertmanager.mails("PoolAtLimit")
    assert not alertmanager.chats("PoolAtLimit")


def test_the_heartbeat_goes_on_and_is_nobodys_message(alertmanager: Alertmanager) -> None:
    summary = {"summary": "Cluster physics: alerts can be sent"}
    labels = {"alertname": "Watchdog", "cluster": "physics", "severity": "info"}
    alertmanager.post({"labels": labels, "annotations": summary})
    beats = alertmanager.heard.beats
    eventually(lambda: len(beats) >= 3, "three heartbeats")
    for beat in beats:
        assert [alert["labels"]["alertname"] for alert in beat["alerts"]] == ["Watchdog"]
    assert alertmanager.known("Watchdog")["receivers"] == [{"name": "heartbeat"}]
    assert not alertmanager.mails("Watchdog")
    assert not alertmanager.chats("Watchdog")
