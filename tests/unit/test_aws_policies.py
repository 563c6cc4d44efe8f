"""Who may do what in the account, machines apart (test_aws_launch_policy.py)."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest

from components.aws.policies.controller import controller_policy, launch_policy
from components.aws.policies.facts import NODE_IMAGES, Facts
from components.aws.policies.machines import trust
from components.aws.policies.node import jobs_policy, jobs_trust, node_policy
from components.aws.policies.permissions import permissions, unnarrowed
from components.aws.policies.services import (
    bucket_policy,
    flow_log_policy,
    flow_log_trust,
    homes_policy,
    snapshot_policy,
)
from components.aws.policies.statement import Statement, document
from tests.unit.iam_decisions import (
    ACCOUNT,
    DATA,
    DOOR,
    FACTS,
    HOMES,
    IMAGES,
    JOBS,
    KEY,
    LOGS,
    OURS,
    PLACE,
    POOLS,
    REGION,
    SECRETS,
    SYSTEM,
    THEIRS,
    TOPIC,
    WITH_KEY,
    WITH_TOPIC,
    decision,
    denied,
    ec2,
    may,
    parameter,
    repository,
    role,
)

# --- objects, secrets, images, homes -------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "reads", "writes"),
    [
        ("bundle/bundle.json", True, False),
        ("names/cpu.json", True, True),
        ("status/controller.json", False, True),
        ("dumps/2026-11-24T10:00:00Z.sql.gz", True, True),
        ("other/thing", False, False),
    ],
)
def test_the_controller_has_its_own_objects(key: str, reads: bool, writes: bool) -> None:
    policy = controller_policy(FACTS)
    assert may(policy, "s3:GetObject", f"{SYSTEM}/{key}") is reads
    assert may(policy, "s3:PutObject", f"{SYSTEM}/{key}") is writes
    assert not may(policy, "s3:DeleteObject", f"{SYSTEM}/{key}")
    assert not may(policy, "s3:GetObject", f"{DATA}/{key}")


@pytest.mark.parametrize(("prefix", "seen"), [("names/", True), ("dumps/", True), ("", False)])
def test_the_controller_lists_its_own_prefixes(prefix: str, seen: bool) -> None:
    assert may(controller_policy(FACTS), "s3:ListBucket", SYSTEM, s3__prefix=prefix) is seen


def test_an_object_that_is_not_there_yet_does_not_look_forbidden() -> None:
    # S3 answers 404 to who may list, with the object's own key as the prefix; else 403.
    policy = controller_policy(FACTS)
    assert may(policy, "s3:ListBucket", SYSTEM, s3__prefix="names/cpu.json")


def test_a_node_reads_its_own_pools_names_and_nothing_else_in_s3() -> None:
    policy = node_policy(FACTS, "cpu", ["slurmd"], JOBS)
    assert may(policy, "s3:GetObject", f"{SYSTEM}/names/cpu.json")
    for key in ("names/gpu.json", "names/cpu.json.old", "bundle/bundle.json", "dumps/x.sql.gz"):
        assert not may(policy, "s3:GetObject", f"{SYSTEM}/{key}")
    assert not may(policy, "s3:PutObject", f"{SYSTEM}/names/cpu.json")
    assert not may(policy, "s3:ListBucket", SYSTEM, s3__prefix="names/")
    assert not may(policy, "s3:GetObject", f"{DATA}/names/cpu.json")


@pytest.mark.parametrize("secret", SECRETS)
def test_a_node_reads_slurms_key_and_no_other_secret(secret: str) -> None:
    policy = node_policy(FACTS, "cpu", ["slurmd"], JOBS)
    assert may(policy, "ssm:GetParameter", parameter(secret)) is (secret == "slurm_key")


@pytest.mark.parametrize("secret", SECRETS)
def test_the_controller_reads_the_secrets_of_its_own_cluster(secret: str) -> None:
    policy = controller_policy(FACTS)
    assert may(policy, "ssm:GetParameters", parameter(secret))
    assert not may(policy, "ssm:GetParameters", parameter(secret, "prod"))
    assert not may(policy, "ssm:PutParameter", parameter(secret))


@pytest.mark.parametrize("image", IMAGES)
def test_each_machine_pulls_the_images_that_it_runs(image: str) -> None:
    own, pull = repository(image), "ecr:BatchGetImage"
    assert may(node_policy(FACTS, "cpu", ["slurmd"], JOBS), pull, own) is (image == "slurmd")
    assert may(controller_policy(FACTS), pull, own) is (image not in NODE_IMAGES)
    with_gpus = node_policy(FACTS, "gpu", NODE_IMAGES, JOBS)
    assert may(with_gpus, pull, own) is (image in NODE_IMAGES)
    assert not may(controller_policy(FACTS), pull, repository(image, "prod"))
    assert not may(controller_policy(FACTS), "ecr:PutImage", own)


@pytest.mark.parametrize(
    "policy", [controller_policy(FACTS), node_policy(FACTS, "cpu", ["slurmd"], JOBS)]
)
def test_homes_are_mounted_through_the_access_point(policy: str) -> None:
    for action in ("ClientMount", "ClientWrite", "ClientRootAccess"):
        asked = f"elasticfilesystem:{action}"
        assert may(policy, asked, HOMES, elasticfilesystem__AccessPointArn=DOOR)
        assert not may(policy, asked, HOMES)
        assert not may(policy, asked, HOMES, elasticfilesystem__AccessPointArn=f"{DOOR}2")


@pytest.mark.parametrize(
    "action", ["ec2:RunInstances", "ec2:TerminateInstances", "ec2:CreateTags", "iam:PassRole"]
)
def test_a_node_and_its_jobs_do_nothing_to_machines(action: str) -> None:
    for policy in (node_policy(FACTS, "cpu", ["slurmd"], JOBS), jobs_policy(FACTS)):
        assert not any(action in one["Action"] for one in json.loads(policy)["Statement"])


def test_a_node_may_take_the_jobs_role_and_no_other() -> None:
    policy = node_policy(FACTS, "cpu", ["slurmd"], JOBS)
    assert may(policy, "sts:AssumeRole", JOBS)
    assert not may(policy, "sts:AssumeRole", role("/hpc-stack/dev/dev-controller-1a"))


# --- jobs ----------------------------------------------------------------------------------------


def test_jobs_use_the_data_bucket() -> None:
    policy = jobs_policy(FACTS)
    for action in ("GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload"):
        assert may(policy, f"s3:{action}", f"{DATA}/some/where")
    assert may(policy, "s3:ListBucket", DATA)


def test_jobs_can_do_nothing_outside_the_data_bucket() -> None:
    for facts in (FACTS, WITH_KEY, WITH_TOPIC):
        for one in json.loads(jobs_policy(facts))["Statement"]:
            assert all(resource in (DATA, f"{DATA}/*", KEY) for resource in one["Resource"])
            assert all(action.startswith(("s3:", "kms:")) for action in one["Action"])


def test_jobs_cannot_change_how_the_bucket_is_kept() -> None:
    actions = {a for one in json.loads(jobs_policy(FACTS))["Statement"] for a in one["Action"]}
    assert not {a for a in actions if "Policy" in a or "Version" in a or "BucketAcl" in a}


# --- who may take a role -------------------------------------------------------------------------


def test_the_jobs_role_is_taken_by_the_clusters_nodes_alone() -> None:
    policy = jobs_trust(FACTS)
    (one,) = json.loads(policy)["Statement"]
    assert one["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}

    def taken_by(path: str) -> bool:
        return may(policy, "sts:AssumeRole", JOBS, aws__PrincipalArn=role(path))

    assert taken_by("/hpc-stack/dev/nodes/dev-cpu-node-1a")
    assert not taken_by("/hpc-stack/dev/dev-controller-1a")
    assert not taken_by("/hpc-stack/prod/nodes/prod-cpu-node-1a")
    assert not taken_by("/admin")


@pytest.mark.parametrize("service", ["ec2", "dlm"])
def test_a_services_role_is_taken_by_that_service(service: str) -> None:
    (one,) = json.loads(trust(service))["Statement"]
    assert one["Principal"] == {"Service": f"{service}.amazonaws.com"}
    assert one["Action"] == ["sts:AssumeRole"]


def test_flow_logs_are_delivered_for_this_account_alone() -> None:
    policy = flow_log_trust(**PLACE)
    log = ec2("vpc-flow-log", "fl-0a")

    def taken(account: str, source: str) -> bool:
        keys = {"aws:SourceAccount": account, "aws:SourceArn": source}
        return decision(policy, "sts:AssumeRole", JOBS, keys) == "Allow"

    assert taken(ACCOUNT, log)
    assert not taken("210987654321", log)
    assert not taken(ACCOUNT, ec2("vpc-flow-log", "fl-0a", "210987654321"))


def test_flow_logs_go_to_their_own_group() -> None:
    policy = flow_log_policy(LOGS)
    assert may(policy, "logs:PutLogEvents", f"{LOGS}:log-stream:eni-0a-all")
    assert not may(policy, "logs:PutLogEvents", f"{LOGS}-other:log-stream:eni-0a-all")
    assert not may(policy, "logs:DeleteLogStream", f"{LOGS}:log-stream:eni-0a-all")


def test_snapshots_are_of_the_clusters_volumes_and_only_its_own_are_deleted() -> None:
    policy = snapshot_policy("dev", **PLACE)
    volume, snapshot = ec2("volume", "vol-0a"), ec2("snapshot", "snap-0a", "")
    for tags, allowed in ((OURS, "Allow"), (THEIRS, None), ({}, None)):
        assert decision(policy, "ec2:CreateSnapshot", volume, tags) == allowed
        assert decision(policy, "ec2:DeleteSnapshot", snapshot, tags) == allowed
    assert may(policy, "ec2:CreateSnapshot", snapshot)
    assert may(policy, "ec2:CreateTags", snapshot)
    assert not may(policy, "ec2:CreateTags", volume)


# --- policies that lie on a resource -------------------------------------------------------------


def test_a_bucket_answers_nobody_without_tls_or_with_an_old_one() -> None:
    policy, new = bucket_policy(DATA), {"aws__SecureTransport": "true", "s3__TlsVersion": "1.2"}
    for thing in (DATA, f"{DATA}/some/where"):
        assert denied(policy, "s3:GetObject", thing, aws__SecureTransport="false")
        assert denied(policy, "s3:GetObject", thing, **{**new, "s3__TlsVersion": "1.1"})
        assert not denied(policy, "s3:GetObject", thing, **new)
        assert not may(policy, "s3:GetObject", thing, **new)


def test_homes_answer_nobody_without_tls_or_beside_the_access_point() -> None:
    policy = homes_policy(file_system=HOMES, access_point=DOOR)
    mount = "elasticfilesystem:ClientMount"
    good = {"aws__SecureTransport": "true", "elasticfilesystem__AccessPointArn": DOOR}
    assert denied(policy, mount, HOMES, **{**good, "aws__SecureTransport": "false"})
    assert denied(policy, mount, HOMES, aws__SecureTransport="true")
    assert denied(policy, mount, HOMES, **{**good, "elasticfilesystem__AccessPointArn": "x"})
    assert not denied(policy, mount, HOMES, **good)
    # Everybody on the network could mount what a policy on the file system allows.
    assert not may(policy, mount, HOMES, **good)


# --- the user's own key --------------------------------------------------------------------------

EVERY: Mapping[str, Callable[[Facts], str]] = {
    "controller": controller_policy,
    "launches": launch_policy,
    "node": lambda facts: node_policy(facts, "cpu", ["slurmd"], JOBS),
    "jobs": jobs_policy,
}


@pytest.mark.parametrize("name", EVERY)
def test_without_a_key_of_the_users_no_policy_speaks_of_keys(name: str) -> None:
    assert "kms:" not in EVERY[name](FACTS)


@pytest.mark.parametrize(
    ("name", "action", "service"),
    [
        ("controller", "kms:Decrypt", "ssm"),
        ("controller", "kms:GenerateDataKey", "s3"),
        ("launches", "kms:GenerateDataKeyWithoutPlaintext", "ec2"),
        ("node", "kms:Decrypt", "ssm"),
        ("node", "kms:Decrypt", "s3"),
        ("jobs", "kms:GenerateDataKey", "s3"),
    ],
)
def test_the_users_key_is_used_through_the_service_that_needs_it(
    name: str, action: str, service: str
) -> None:
    policy, via = EVERY[name](WITH_KEY), f"{service}.{REGION}.amazonaws.com"
    assert may(policy, action, KEY, kms__ViaService=via)
    assert not may(policy, action, KEY)
    assert not may(policy, action, f"{KEY}4", kms__ViaService=via)


def test_the_key_is_lent_to_ec2_for_volumes_and_to_nobody_else() -> None:
    policy, via = launch_policy(WITH_KEY), {"kms__ViaService": f"ec2.{REGION}.amazonaws.com"}
    assert may(policy, "kms:CreateGrant", KEY, kms__GrantIsForAWSResource="true", **via)
    assert not may(policy, "kms:CreateGrant", KEY, **via)
    assert not may(policy, "kms:CreateGrant", KEY, kms__GrantIsForAWSResource="true")


# --- all of them ---------------------------------------------------------------------------------


def everything(facts: Facts) -> Mapping[str, Sequence[Statement]]:
    return permissions(facts, pools=POOLS, jobs_role=JOBS, log_group=LOGS)


def test_no_permission_has_a_wildcard_in_an_action() -> None:
    actions = [a for all_of in everything(WITH_KEY).values() for one in all_of for a in one.actions]
    assert len(actions) > 100
    assert not [action for action in actions if "*" in action or "?" in action]


def test_these_permissions_and_no_others_are_about_every_resource() -> None:
    found = {(one.role, one.sid): one.actions for one in unnarrowed(everything(WITH_KEY))}
    agent = (
        "ssm:UpdateInstanceInformation",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
    )
    machines = ("controller", *(f"{pool}-node" for pool in POOLS))
    assert found == {
        **{(machine, "RegistryLogin"): ("ecr:GetAuthorizationToken",) for machine in machines},
        **{(machine, "SessionManager"): agent for machine in machines},
        ("controller", "SeeMachines"): ("ec2:DescribeInstanceStatus", "ec2:DescribeInstances"),
        ("snapshots", "SeeVolumes"): ("ec2:DescribeSnapshots", "ec2:DescribeVolumes"),
        ("flow-logs", "FindLogGroup"): ("logs:DescribeLogGroups",),
    }


def test_each_permission_about_every_resource_says_why() -> None:
    assert all(len(one.why.split()) >= 4 for one in unnarrowed(everything(FACTS)))


def test_the_list_of_permissions_is_that_of_the_policies() -> None:
    for facts in (FACTS, WITH_KEY, WITH_TOPIC):
        by_role = everything(facts)
        texts = {
            "controller": (controller_policy(facts), launch_policy(facts)),
            "jobs": (jobs_policy(facts),),
            "flow-logs": (flow_log_policy(LOGS),),
            "snapshots": (snapshot_policy("dev", **PLACE),),
            **{
                f"{pool}-node": (node_policy(facts, pool, images, JOBS),)
                for pool, images in POOLS.items()
            },
        }
        assert by_role.keys() == texts.keys()
        for name, made in texts.items():
            assert [one.document() for one in by_role[name]] == [
                one for text in made for one in json.loads(text)["Statement"]
            ]


@pytest.mark.parametrize("facts", [FACTS, WITH_KEY], ids=["AWS' key", "the user's key"])
def test_a_large_clusters_policies_are_within_iams_limits(facts: Facts) -> None:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    images = {f"image-{number}": repository(f"image-{number}") for number in range(15)}
    large = replace(
        facts,
        cluster="a" * 20,
        subnets=[f"subnet-0123456789abcdef{n}" for n in range(6)],
        security_groups=[f"sg-0123456789abcdef{n}" for n in range(5)],
        amis=[f"ami-0123456789abcdef{n}" for n in range(4)],
        repositories={**images, **{image: repository(image) for image in NODE_IMAGES}},
    )
    for name, statements in everything(large).items():
        text = document(*statements)
        assert len(json.dumps(json.loads(text), separators=(",", ":"))) <= 10_240, name
    assert len(jobs_trust(large)) <= 2048


def test_the_same_facts_in_another_order_give_the_same_bytes() -> None:
    other = replace(
        FACTS,
        subnets=FACTS.subnets[::-1],
        security_groups=FACTS.security_groups[::-1],
        amis=FACTS.amis[::-1],
        parameters=dict(reversed(list(FACTS.parameters.items()))),
        repositories=dict(reversed(list(FACTS.repositories.items()))),
    )
    for make in EVERY.values():
        assert make(other) == make(FACTS)


def test_the_controller_writes_its_services_logs_and_reads_none() -> None:
    streams = "arn:aws:logs:eu-central-1:123456789012:log-group:/hpc-stack/dev/services:log-stream:"
    policy = controller_policy(FACTS)
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        assert may(policy, action, f"{streams}slurmctld")
        assert not may(policy, action, f"{streams}slurmctld".replace("/dev/", "/prod/"))
    for action in ("logs:DeleteLogStream", "logs:GetLogEvents", "logs:CreateLogGroup"):
        assert not may(policy, action, f"{streams}slurmctld")


def test_a_node_writes_its_own_pools_logs_and_reads_none() -> None:
    streams = "arn:aws:logs:eu-central-1:123456789012:log-group:/hpc-stack/dev/services:log-stream:"
    policy = node_policy(FACTS, "cpu", ["slurmd"], JOBS)
    own = f"{streams}nodes/cpu/cpu-1/slurmd"
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        assert may(policy, action, own)
        for other in ("slurmctld", "nodes/gpu/gpu-1/slurmd", "nodes/cpu-big/cpu-big-1/slurmd"):
            assert not may(policy, action, f"{streams}{other}")
        assert not may(policy, action, own.replace("/dev/", "/prod/"))
    for action in ("logs:DeleteLogStream", "logs:GetLogEvents", "logs:CreateLogGroup"):
        assert not may(policy, action, own)
    assert "logs:" not in jobs_policy(FACTS)


def test_the_controller_publishes_alerts_to_the_topic_of_the_settings_and_no_other() -> None:
    assert may(controller_policy(WITH_TOPIC), "sns:Publish", TOPIC)
    for other in (f"{TOPIC}-2", TOPIC.replace("hpc-alerts", "payments")):
        assert not may(controller_policy(WITH_TOPIC), "sns:Publish", other)
    for action in ("sns:Subscribe", "sns:SetTopicAttributes"):
        assert not may(controller_policy(WITH_TOPIC), action, TOPIC)
    assert "sns:" not in controller_policy(FACTS)
    assert "sns:" not in node_policy(WITH_TOPIC, "cpu", ["slurmd"], JOBS)
