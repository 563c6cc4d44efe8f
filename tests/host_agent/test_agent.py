"""The agent at work: the real engine, moto's S3 and SSM, bundles that come, change and fail."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.host_agent.host import (
    BUCKET,
    CLUSTER,
    PROJECT,
    SECRET,
    Host,
    bundle_text,
    docker,
    sleeper,
)

WITH_SECRET = sleeper(secrets=["slurm_key"])
BROKEN = sleeper(
    "echo what is wrong; exit 3",
    healthcheck={"test": ["CMD", "false"], "interval": "1s", "retries": 1},
)


def digest(text: str) -> str:
    return str(json.loads(text)["digest"])


def test_the_first_bundle_is_run_and_reported(host: Host) -> None:
    text = bundle_text({"one": WITH_SECRET, "two": sleeper()})
    host.deliver(text)
    assert set(host.containers()) == {"one", "two"}
    status = host.status()
    assert (status["state"], status["digest"]) == ("ready", digest(text))
    assert (status["instance_id"], status["version"]) == ("i-0123", 1)


def test_a_service_gets_its_secret_and_nobody_else_sees_it(host: Host) -> None:
    host.deliver(bundle_text({"one": WITH_SECRET}))
    container = host.containers()["one"]
    assert docker("exec", container, "cat", "/run/secrets/slurm_key") == SECRET
    seen = json.dumps([host.status(), host.events]) + docker("inspect", container)
    assert SECRET not in seen


def test_a_change_reaches_the_service_that_it_concerns_within_half_a_minute(host: Host) -> None:
    host.deliver(bundle_text({"one": sleeper(), "two": sleeper()}))
    before = host.containers()
    begun = time.monotonic()
    host.deliver(bundle_text({"one": sleeper(), "two": sleeper(environment={"LIMIT": "7"})}))
    assert time.monotonic() - begun < 30
    after = host.containers()
    assert after["one"] == before["one"]
    assert after["two"] != before["two"]
    assert host.status()["state"] == "ready"


def test_what_has_not_changed_is_not_applied_again(host: Host) -> None:
    host.deliver(bundle_text({"one": sleeper()}))
    told = len(host.events)
    host.agent.round()
    assert len(host.events) == told


def test_an_agent_that_is_restarted_touches_no_service(host: Host) -> None:
    host.deliver(bundle_text({"one": sleeper()}))
    before = host.containers()
    host.agent = host.started()
    host.agent.round()
    assert host.containers() == before
    assert [event["event"] for event in host.events] == ["applying", "ready"] * 2


def test_a_service_that_fails_is_reported_with_what_it_said(host: Host) -> None:
    text = bundle_text({"one": sleeper(), "two": BROKEN})
    host.deliver(text)
    status = host.status()
    assert (status["state"], status["digest"]) == ("failed", digest(text))
    assert "two" in status["detail"]
    assert "what is wrong" in status["log"]
    assert len(status["log"]) <= 8192


def test_a_failed_bundle_waits_for_its_time_and_a_better_one_does_not(host: Host) -> None:
    host.deliver(bundle_text({"two": BROKEN}))
    tried = len(host.events)
    host.now += 59
    host.agent.round()
    assert len(host.events) == tried
    host.now += 1
    host.agent.round()
    assert [event["event"] for event in host.events[tried:]] == ["applying", "failed"]
    host.deliver(bundle_text({"two": sleeper()}))
    assert host.status()["state"] == "ready"


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"version": 2}, "of version 2"), ({"project": "other"}, "its digest is another one")],
)
def test_a_bundle_that_cannot_be_trusted_changes_nothing(
    host: Host, changes: dict[str, Any], why: str
) -> None:
    host.deliver(bundle_text({"one": sleeper()}))
    before = host.containers()
    host.deliver(bundle_text({"other": sleeper()}, **changes))
    assert host.containers() == before
    assert host.status()["state"] == "failed"
    assert why in host.status()["detail"]


def test_a_missing_secret_is_named(host: Host) -> None:
    host.account.client("ssm").delete_parameter(Name=f"/hpc-stack/{CLUSTER}/slurm_key")
    host.deliver(bundle_text({"one": WITH_SECRET}))
    assert host.status()["detail"] == f"SSM has no parameter /hpc-stack/{CLUSTER}/slurm_key"
    assert host.containers() == {}


def test_while_s3_is_away_everything_goes_on(host: Host) -> None:
    host.deliver(bundle_text({"one": sleeper()}))
    before = host.containers()
    s3 = host.account.client("s3")
    for key in ("bundle/bundle.json", "status/controller.json"):
        s3.delete_object(Bucket=BUCKET, Key=key)
    s3.delete_bucket(Bucket=BUCKET)
    host.agent.round()
    assert host.containers() == before
    assert host.events[-1]["event"] == "aws"
    s3.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    host.deliver(bundle_text({"one": sleeper(), "two": sleeper()}))
    assert set(host.containers()) == {"one", "two"}


def test_volumes_are_bound_to_directories_of_the_host(host: Host, tmp_path: Path) -> None:
    directory = tmp_path / "data" / "state"
    name = f"{PROJECT}_state"
    service = sleeper("echo kept > /state/file; sleep infinity", volumes=[f"{name}:/state"])
    host.deliver(bundle_text({"one": service}, volumes={name: str(directory)}))
    assert host.status()["state"] == "ready", host.status()
    assert (directory / "file").read_text() == "kept\n"
    assert (directory.stat().st_uid, directory.stat().st_mode & 0o777) == (64030, 0o700)


def test_a_volume_that_is_bound_elsewhere_is_not_touched(host: Host, tmp_path: Path) -> None:
    name = f"{PROJECT}_state"
    docker("volume", "create", name)
    service = sleeper(volumes=[f"{name}:/state"])
    host.deliver(bundle_text({"one": service}, volumes={name: str(tmp_path / "state")}))
    assert host.status()["state"] == "failed"
    assert f"the volume {name} exists and is not bound to" in host.status()["detail"]
