"""What outlives machines: volume, homes, buckets."""

from typing import Any

import pytest

from tests.security.graph import Graph, Resource, environment_settings, graph

KEY = "arn:aws:kms:eu-central-1:123456789012:key/0123"


@pytest.fixture(scope="module")
def prod() -> Graph:
    return graph(environment_settings("prod"))


def only(made: Graph, kind: str, name: str = "") -> Resource:
    (found,) = (one for one in made.of(kind) if not name or one.name == name)
    return found


def test_the_volume_is_where_the_controller_is_and_as_large_as_asked_for(prod: Graph) -> None:
    volume = only(prod, "ebs/volume")
    assert volume.inputs["availabilityZone"] == "eu-central-1a"
    assert volume.inputs["size"] == 100
    attached = only(prod, "ec2/volumeAttachment").inputs
    assert (attached["instanceId"], attached["volumeId"]) == (
        "prod-controller-id",
        "prod-data-id",
    )
    assert attached["stopInstanceBeforeDetaching"] is True


def test_snapshots_are_kept_for_the_days_asked_for(prod: Graph) -> None:
    schedule = only(prod, "dlm/lifecyclePolicy").inputs["policyDetails"]["schedules"][0]
    assert schedule["retainRule"]["count"] == 30
    assert schedule["createRule"] == {"interval": 24, "intervalUnit": "HOURS", "times": "04:00"}


def test_homes_have_a_door_in_every_zone(prod: Graph) -> None:
    doors = {one.inputs["subnetId"] for one in prod.of("efs/mountTarget")}
    assert doors == {f"prod-private-eu-central-1{zone}-id" for zone in "abc"}


@pytest.mark.parametrize(("days", "word"), [(30, "AFTER_30_DAYS"), (1, "AFTER_1_DAY")])
def test_files_that_nobody_reads_become_cheaper(days: int, word: str) -> None:
    settings = environment_settings("dev")
    assert settings.aws is not None
    aws: dict[str, Any] = settings.aws.model_dump(mode="json", exclude_none=True)
    aws["storage"]["home_unused_days"] = days
    made = graph(environment_settings("dev", aws=aws))
    policies = only(made, "efs/fileSystem").inputs["lifecyclePolicies"]
    assert {"transitionToIa": word} in policies


def test_dumps_go_after_their_days_and_jobs_data_stays(prod: Graph) -> None:
    def expiring(name: str) -> dict[str, int]:
        rules = only(prod, "s3/bucketLifecycleConfiguration", name).inputs["rules"]
        return {
            rule["filter"]["prefix"]: rule["expiration"]["days"]
            for rule in rules
            if "expiration" in rule
        }

    assert expiring("prod-system") == {"dumps/": 365}
    assert expiring("prod-jobs") == {}


def test_a_key_of_ones_own_is_used_for_everything_that_is_kept() -> None:
    settings = environment_settings("dev")
    assert settings.aws is not None
    aws: dict[str, Any] = settings.aws.model_dump(mode="json", exclude_none=True)
    aws["storage"]["kms_key"] = KEY
    made = graph(environment_settings("dev", aws=aws))
    for kind in ("ebs/volume", "efs/fileSystem"):
        assert only(made, kind).inputs["kmsKeyId"] == KEY
    for one in made.of("ssm/parameter"):
        assert one.inputs["keyId"] == KEY
    for one in made.of("s3/bucketServerSideEncryptionConfiguration"):
        default = one.inputs["rules"][0]["applyServerSideEncryptionByDefault"]
        assert default == {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY}
    for one in made.of("ecr/repository"):
        assert one.inputs["encryptionConfigurations"][0]["kmsKey"] == KEY
    assert only(made, "ec2/instance").inputs["rootBlockDevice"]["kmsKeyId"] == KEY
