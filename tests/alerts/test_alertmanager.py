"""Alertmanager itself takes the configuration, and sends each alert to whom it is for."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from config.render.alertmanager import alertmanager_yml
from config.render.compose_monitoring import ALERTMANAGER_IMAGE
from config.settings import load_cluster
from tests.unit.settings_samples import settings
from tests.unit.test_settings_aws import on_aws

EMAIL = {
    "to": ["ops@example.org", "admin@example.org"],
    "sender": "hpc@example.org",
    "smarthost": "mail.example.org:587",
    "username": "hpc",
}
TOPIC = {"topic_arn": "arn:aws:sns:eu-central-1:123456789012:hpc"}
EVERYBODY: dict[str, Any] = {
    "email": EMAIL,
    "webhook": {"channel": "#hpc"},
    "sns": TOPIC,
    "heartbeat": True,
}


def rendered(**alerts: Any) -> str:
    """The configuration of a cluster on AWS with these receivers."""
    return alertmanager_yml(load_cluster(on_aws(monitoring={"alerts": alerts})))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Configurations with each receiver, and with all of them."""
    found = tmp_path_factory.mktemp("alertmanager")
    (found / "nobody.yml").write_text(alertmanager_yml(load_cluster(settings())))
    (found / "everybody.yml").write_text(rendered(**EVERYBODY))
    (found / "all_severities.yml").write_text(rendered(webhook={}, least_severity="info"))
    for name, receiver in EVERYBODY.items():
        (found / f"{name}.yml").write_text(rendered(**{name: receiver}))
    return found


def amtool(directory: Path, *arguments: str) -> str:
    """What amtool says of files in a directory. Fails where it refuses them."""
    done = subprocess.run(
        (
            *("docker", "run", "--rm", "--network", "none", "--user", f"{os.getuid()}"),
            *("--volume", f"{directory}:/files:ro", "--workdir", "/files"),
            *("--entrypoint", "amtool", ALERTMANAGER_IMAGE, *arguments),
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_alertmanager_takes_every_configuration(directory: Path) -> None:
    files = sorted(path.name for path in directory.iterdir())
    assert amtool(directory, "check-config", *files).count("SUCCESS") == len(files)


@pytest.mark.parametrize(
    ("file", "labels", "receiver"),
    [
        ("everybody.yml", ("alertname=SlurmctldDown", "severity=page"), "people"),
        ("everybody.yml", ("alertname=BudgetNear", "severity=warning"), "people"),
        ("everybody.yml", ("alertname=PoolAtLimit", "severity=info"), "nobody"),
        ("everybody.yml", ("alertname=Watchdog", "severity=info"), "heartbeat"),
        ("heartbeat.yml", ("alertname=SlurmctldDown", "severity=page"), "nobody"),
        ("nobody.yml", ("alertname=Watchdog", "severity=info"), "nobody"),
        ("all_severities.yml", ("alertname=PoolAtLimit", "severity=info"), "people"),
        ("all_severities.yml", ("alertname=Watchdog", "severity=info"), "nobody"),
    ],
)
def test_an_alert_goes_to_whom_it_is_for(
    directory: Path, file: str, labels: tuple[str, ...], receiver: str
) -> None:
    assert amtool(directory, "config", "routes", "test", f"--config.file={file}", *labels) == (
        receiver
    )
