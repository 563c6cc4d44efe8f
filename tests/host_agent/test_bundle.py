"""The bundle from both ends: what the infrastructure writes, the agent reads."""

import json
from typing import Any

import pytest
from host_agent import account, bundle
from host_agent.bundle import BundleError, parse_bundle

from components.aws.images import SERVICE_IMAGES
from config.render.aws_bundle import (
    BUNDLE_KEY,
    DUMPS_PREFIX,
    STATUS_KEY,
    aws_bundle,
    bundle_digest,
)
from config.render.compose import DATA_VOLUMES, SECRETS
from config.render.site import AwsSite, LaunchSite, Site
from tests.security.graph import environment_settings

SETTINGS = environment_settings("dev")
SITE = Site(
    images={name: f"registry/{name}:1" for name in SERVICE_IMAGES},
    cgroup="v2",
    aws=AwsSite(
        log_group="/hpc-stack/dev/services",
        region="eu-central-1",
        controller_address="10.80.192.4",
        registry="registry",
        system_bucket="dev-system",
        tags={"team": "a"},
        launches={
            "cpu": LaunchSite(
                launch_template="lt-1", launch_template_version="1", subnets=("subnet-1",)
            )
        },
    ),
)


def document(**changes: Any) -> str:
    return json.dumps(json.loads(aws_bundle(SETTINGS, SITE)) | changes)


def test_what_is_written_is_read() -> None:
    read = parse_bundle(aws_bundle(SETTINGS, SITE))
    assert (read.cluster, read.project, read.registry) == ("dev", "hpc-dev", "registry")
    assert read.digest == bundle_digest(aws_bundle(SETTINGS, SITE))
    assert read.secrets == SECRETS
    assert set(read.volumes) == {f"hpc-dev_{name}" for name in (*DATA_VOLUMES, "users")}
    assert read.volumes["hpc-dev_home"] == "/home"


def test_both_ends_mean_the_same_objects() -> None:
    assert bundle.KEY == BUNDLE_KEY
    assert account.STATUS_KEY == STATUS_KEY
    assert account.DUMPS_PREFIX == DUMPS_PREFIX


def test_the_same_settings_are_the_same_bytes() -> None:
    assert aws_bundle(SETTINGS, SITE) == aws_bundle(SETTINGS, SITE)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not JSON"),
        ("[]", "not an object"),
        (document(version=2), "of version 2; this agent reads version 1"),
        (document(project="other"), "not whole: its digest is another one"),
        (document(digest=None), "not whole"),
    ],
)
def test_what_cannot_be_trusted_is_refused(text: str, why: str) -> None:
    with pytest.raises(BundleError, match=why):
        parse_bundle(text)
