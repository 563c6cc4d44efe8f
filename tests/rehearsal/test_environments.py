"""Each environment's whole life by the real engine: what it makes, changes, keeps and leaves."""

import json
from typing import Any

import pytest

from components.aws.images import MIRRORED
from config.render.compose import SECRETS
from tests.rehearsal.account import REGION, RehearsedAccount
from tests.rehearsal.stack import (
    RehearsedStack,
    complaints,
    played_controller,
    rehearse,
)

ENVIRONMENTS = ("dev", "prod")


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def stack(
    request: pytest.FixtureRequest,
    account: RehearsedAccount,
    tmp_path_factory: pytest.TempPathFactory,
) -> RehearsedStack:
    """An environment. The tests of this module follow each other on it."""
    account.forget_all()
    account.docker_log.write_text("")
    return rehearse(request.param, account, tmp_path_factory.mktemp(request.param))


def bundle(stack: RehearsedStack) -> dict[str, Any]:
    """The bundle as the controller would fetch it."""
    inputs = stack.resource(f"{stack.stack.name}-bundle", "BucketObjectv2")["inputs"]
    s3 = stack.account.client("s3")
    document: dict[str, Any] = json.loads(
        s3.get_object(Bucket=inputs["bucket"], Key=inputs["key"])["Body"].read()
    )
    return document


def test_a_preview_needs_no_cluster_and_makes_nothing(stack: RehearsedStack) -> None:
    shown = stack.preview()
    assert set(shown.count) == {"create"}
    assert stack.resources() == []


def test_what_was_previewed_is_made_and_then_nothing_changes(stack: RehearsedStack) -> None:
    promised = stack.preview().of("create")
    made = stack.up()
    assert made.of("create") == promised
    assert set(made.count) == {"create"}
    assert stack.up().steps == []


def test_the_outputs_are_those_of_every_platform(stack: RehearsedStack) -> None:
    outputs = stack.stack.outputs()
    assert outputs.keys() >= {"cluster", "ssh", "rest", "partitions", "login_container", "images"}
    assert outputs["cluster"] == stack.stack.name
    assert outputs["partitions"][0] == "cpu"
    assert all(f".dkr.ecr.{REGION}." in image for image in outputs["images"])


def test_images_are_built_for_the_processors_that_the_cluster_has_and_pushed_by_content(
    stack: RehearsedStack,
) -> None:
    asked = stack.account.docker_log.read_text()
    images = stack.stack.outputs()["images"]
    tags = {image.rpartition(":")[2].rpartition("-")[2] for image in images}
    assert tags == {"x86_64", "arm64"}
    for platform, target in (("linux/arm64", "slurmctld"), ("linux/amd64", "slurmd")):
        lines = [line for line in asked.splitlines() if f"platform={platform}" in line]
        assert all(" --push " in line for line in lines)
        assert [line for line in lines if target in line.split()]
    (mirrored,) = (image for image in images if "/mysql:" in image)
    assert f"push --quiet {mirrored}" in asked
    # For images of ours for two kinds of processors, the agent, and each image of others.
    others = sum(any(f"/{one}:" in image for one in MIRRORED) for image in images)
    assert asked.count("login --username AWS --password-stdin") == 3 + others


def test_the_controllers_machine_names_only_its_agents_own_content(stack: RehearsedStack) -> None:
    images = stack.stack.outputs()["images"]
    (agent,) = (image for image in images if "/host-agent:" in image)
    others = {image.rpartition(":")[2] for image in images if image != agent}
    assert agent.rpartition(":")[2] not in others


def test_the_bundle_names_what_is_there(stack: RehearsedStack) -> None:
    document = bundle(stack)
    controller = stack.resource(f"{stack.stack.name}-controller", "Instance")["outputs"]
    template = stack.resource(f"{stack.stack.name}-cpu", "LaunchTemplate")
    assert f"SlurmctldHost=slurmctld({controller['privateIp']})" in document["compose"]
    assert template["id"] in document["compose"]
    for secret in ("made-up", "BEGIN"):
        assert secret not in document["compose"]


def test_a_changed_limit_reaches_the_bundle_and_nothing_else(stack: RehearsedStack) -> None:
    limits = stack.settings()["limits"]
    before = bundle(stack)["digest"]
    stack.configure(limits={**limits, "max_nodes": 7})
    done = stack.up()
    assert done.of("update") == {f"{stack.stack.name}-bundle", f"{stack.stack.name}-ready"}
    assert set(done.count) == {"update"}
    assert bundle(stack)["digest"] != before
    stack.configure(limits=limits)
    stack.up()
    assert bundle(stack)["digest"] == before


def test_a_controller_that_cannot_run_the_bundle_ends_the_update_with_its_reason(
    stack: RehearsedStack,
) -> None:
    limits = stack.settings()["limits"]
    stack.configure(limits={**limits, "max_nodes": 8})
    with played_controller(stack.account, "failed", "service slurmdbd exited (1)", "no disk\n"):
        done = stack.run("up", "--yes", "--skip-preview")
    assert done.status != 0
    told = complaints(done.output)
    controller = stack.resource(f"{stack.stack.name}-controller", "Instance")["id"]
    assert f"The controller {controller} could not run the new bundle: service slurmdbd" in told
    assert "The end of its log:\nno disk" in told
    assert "Traceback" not in told
    stack.configure(limits=limits)
    assert stack.up().of("update") == {f"{stack.stack.name}-bundle", f"{stack.stack.name}-ready"}
    assert stack.up().steps == []


def test_a_larger_disk_for_nodes_is_a_new_version_of_the_template(stack: RehearsedStack) -> None:
    name = f"{stack.stack.name}-cpu"
    pools = stack.settings()["pools"]
    stack.configure(pools={**pools, "cpu": {**pools["cpu"], "aws": {"root_gb": 50}}})
    done = stack.up()
    changed = {name, f"{stack.stack.name}-bundle", f"{stack.stack.name}-ready"}
    assert done.of("update") == changed
    assert set(done.count) == {"update"}
    template = stack.resource(name, "LaunchTemplate")["outputs"]
    assert template["latestVersion"] == template["defaultVersion"] == 2
    assert '"launch_template_version": "2"' in bundle(stack)["compose"]


def test_a_larger_controller_is_changed_in_place(stack: RehearsedStack) -> None:
    aws = stack.settings()["aws"]
    name = f"{stack.stack.name}-controller"
    before = stack.resource(name, "Instance")
    stack.configure(aws={**aws, "controller": {**aws["controller"], "instance_type": "m7g.xlarge"}})
    assert stack.up().steps == [("update", name)]
    after = stack.resource(name, "Instance")
    assert (after["id"], after["outputs"]["privateIp"]) == (
        before["id"],
        before["outputs"]["privateIp"],
    )


def test_a_new_image_replaces_the_controller_and_keeps_address_and_data(
    stack: RehearsedStack,
) -> None:
    name, aws = f"{stack.stack.name}-controller", stack.settings()["aws"]
    before = stack.resource(name, "Instance")
    volume = stack.resource(f"{stack.stack.name}-data", "Volume")["id"]
    images = stack.account.client("ec2").describe_images(
        Filters=[{"Name": "architecture", "Values": ["arm64"]}]
    )["Images"]
    other = next(i["ImageId"] for i in images if i["ImageId"] != aws["amis"]["arm64"])
    used_by_pools = {aws["amis"]["arm64"]} if stack.stack.name == "prod" else set()
    stack.configure(aws={**aws, "amis": {**aws["amis"], "arm64": other}})
    done = stack.up()
    assert name in done.of("replace")
    # The new one is waited for, whether or not it gets another bundle.
    assert f"{stack.stack.name}-ready" in done.of("update")
    after = stack.resource(name, "Instance")
    assert after["id"] != before["id"]
    assert after["outputs"]["privateIp"] == before["outputs"]["privateIp"]
    assert stack.resource(f"{stack.stack.name}-data", "Volume")["id"] == volume
    attached = stack.account.client("ec2").describe_volumes(VolumeIds=[volume])["Volumes"][0]
    assert [one["InstanceId"] for one in attached["Attachments"]] == [after["id"]]
    assert bool(used_by_pools) is ("prod-arm" in done.of("update"))


def test_what_somebody_changed_by_hand_is_seen_and_put_back(stack: RehearsedStack) -> None:
    group = stack.resource(f"{stack.stack.name}-compute", "SecurityGroup")["id"]
    ec2 = stack.account.client("ec2")
    ec2.create_tags(Resources=[group], Tags=[{"Key": "hpc-stack:owner", "Value": "somebody"}])
    rule = stack.resource(
        f"{stack.stack.name}-compute-egress-storage-2049", "SecurityGroupEgressRule"
    )
    ec2.revoke_security_group_egress(GroupId=group, SecurityGroupRuleIds=[rule["id"]])
    seen = stack.must("refresh", "--yes", "--skip-preview")
    assert rule["urn"].rpartition("::")[2] in seen.of("refresh") | seen.of("delete")
    repaired = stack.up()
    assert repaired.of("create") == {f"{stack.stack.name}-compute-egress-storage-2049"}
    tags = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["Tags"]
    assert "hpc-stack:owner" not in {tag["Key"] for tag in tags}


def test_the_end_leaves_nothing_but_what_is_kept_on_purpose(stack: RehearsedStack) -> None:
    resources = stack.resources()
    secrets = [name.replace("_", "-") for name in SECRETS]
    # With the data what guards it, which has the same names, and what opens it.
    parts = ("data", "home", "jobs", "system", *secrets)
    kept = {f"{stack.stack.name}-{part}" for part in parts}
    if stack.stack.name == "prod":
        refused = stack.run("destroy", "--yes", "--skip-preview")
        assert refused.status != 0
        assert "protected" in refused.output
        stack.stack.pulumi("state", "unprotect", "--all", "--yes")
    stack.must("destroy", "--yes", "--skip-preview")
    assert stack.resources() == []
    left = set(stack.still_there(resources))
    assert left == (kept if stack.stack.name == "prod" else set())
