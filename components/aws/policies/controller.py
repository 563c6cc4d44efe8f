"""What the controller's host may do: its own services, and what the node manager does to EC2.

IAM cannot look into a launch template. So a launch is bound three times: to templates that have the
cluster's tag, which the controller cannot make; to the networks, images and roles given; and to the
cluster's tag on what comes of it. EC2 asks twice, for CreateFleet and then, with the same
credentials, for the RunInstances in it; of the two only RunInstances knows its template. Which
resource an action is asked for, and by which keys, is in
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
"""

from collections.abc import Iterator

from components.aws.policies.facts import NODE_IMAGES, Facts
from components.aws.policies.machines import (
    homes,
    image_pull,
    key_use,
    secrets,
    session_manager,
)
from components.aws.policies.statement import Statement, document
from components.aws.tags import CLUSTER


def controller_policy(facts: Facts) -> str:
    """Services: bundle, names, status and dumps in S3, secrets, images, homes, alerts.

    Of an encrypted topic, the key's own policy must let this role decrypt and generate data keys.
    """
    return document(*controller_statements(facts))


def launch_policy(facts: Facts) -> str:
    """EC2, as the node manager uses it."""
    return document(*launch_statements(facts))


def controller_statements(facts: Facts) -> tuple[Statement, ...]:
    """Those of `controller_policy`."""
    bucket = facts.system_bucket
    controller_images = [image for image in facts.repositories if image not in NODE_IMAGES]
    return (
        Statement(
            sid="ReadOwnObjects",
            actions=["s3:GetObject"],
            resources=[f"{bucket}/{prefix}/*" for prefix in ("bundle", "names", "dumps")],
        ),
        Statement(
            sid="WriteOwnObjects",
            actions=["s3:PutObject"],
            resources=[f"{bucket}/{prefix}/*" for prefix in ("names", "status", "dumps")],
        ),
        Statement(
            # Without it, an object that is not there yet looks like one that is forbidden.
            sid="ListOwnObjects",
            actions=["s3:ListBucket"],
            resources=[bucket],
            conditions={"StringLike": {"s3:prefix": ["bundle/*", "names/*", "dumps/*"]}},
        ),
        Statement(
            # By the engine, whose log driver sends what the services say.
            sid="WriteLogs",
            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
            resources=[facts.log_streams()],
        ),
        *_alerts(facts),
        *secrets(facts, sorted(facts.parameters)),
        *image_pull(facts, controller_images),
        *key_use(facts, "EncryptObjects", ["kms:Decrypt", "kms:GenerateDataKey"], "s3"),
        homes(facts),
        session_manager(),
    )


def _alerts(facts: Facts) -> Iterator[Statement]:
    if facts.alert_topic:
        yield Statement(sid="SendAlerts", actions=["sns:Publish"], resources=[facts.alert_topic])


def launch_statements(facts: Facts) -> tuple[Statement, ...]:
    """Those of `launch_policy`."""
    return (*_fleets(facts), *_launches(facts), *_volume_key(facts), *_machines(facts))


def _fleets(facts: Facts) -> Iterator[Statement]:
    yield Statement(
        sid="UseOwnTemplates",
        actions=["ec2:CreateFleet", "ec2:RunInstances"],
        resources=[facts.ec2("launch-template", "*"), facts.ec2("placement-group", "*")],
        conditions=_owned(facts),
    )
    yield Statement(
        sid="AskForTaggedFleets",
        actions=["ec2:CreateFleet"],
        resources=[facts.ec2("fleet", "*"), facts.ec2("instance", "*")],
        conditions=_tagged(facts),
    )
    yield Statement(
        # The request does not tag volumes, the template does: RunInstances is asked for that.
        sid="AskForFleetsInOwnNetwork",
        actions=["ec2:CreateFleet"],
        resources=[*_subnets(facts), *_images(facts), facts.ec2("volume", "*")],
    )


def _launches(facts: Facts) -> Iterator[Statement]:
    # Absent, and so not alike, in a launch without a template.
    by_template = {"ArnLike": {"ec2:LaunchTemplate": facts.ec2("launch-template", "*")}}
    created = [facts.ec2(kind, "*") for kind in ("instance", "volume", "network-interface")]
    yield Statement(
        sid="LaunchTaggedInstances",
        actions=["ec2:RunInstances"],
        resources=created,
        conditions={**by_template, **_tagged(facts)},
    )
    yield Statement(
        sid="LaunchWhatTemplatesName",
        actions=["ec2:RunInstances"],
        resources=[
            *_images(facts),
            *(facts.ec2("security-group", one) for one in facts.security_groups),
        ],
        conditions={**by_template, "Bool": {"ec2:IsLaunchTemplateResource": "true"}},
    )
    yield Statement(
        # The fleet's request names the subnet, in the place of the template's.
        sid="LaunchInOwnSubnets",
        actions=["ec2:RunInstances"],
        resources=_subnets(facts),
        conditions=by_template,
    )
    yield Statement(
        # Of a spot request EC2 tells nothing but its tags, and ours has none. It is worth nothing
        # without the instance, which the statements above are about.
        sid="LaunchSpot",
        actions=["ec2:RunInstances"],
        resources=[facts.ec2("spot-instances-request", "*")],
    )
    yield Statement(
        sid="TagAtLaunchOnly",
        actions=["ec2:CreateTags"],
        resources=[*created, facts.ec2("fleet", "*")],
        conditions={
            "StringEquals": {
                "ec2:CreateAction": ["CreateFleet", "RunInstances"],
                **_tagged(facts)["StringEquals"],
            }
        },
    )
    yield Statement(
        sid="GiveNodesTheirRoles",
        actions=["iam:PassRole"],
        resources=[facts.node_roles],
        conditions={"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
    )
    yield Statement(
        # The first spot request of an account makes this role of AWS' own. Fleets of type
        # "instant" need no other:
        # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-fleet-prerequisites.html
        sid="FirstSpotRequest",
        actions=["iam:CreateServiceLinkedRole"],
        resources=[
            f"arn:{facts.partition}:iam::{facts.account}:role/aws-service-role/"
            "spot.amazonaws.com/AWSServiceRoleForEC2Spot"
        ],
        conditions={"StringEquals": {"iam:AWSServiceName": "spot.amazonaws.com"}},
    )


def _volume_key(facts: Facts) -> Iterator[Statement]:
    """Volumes under the user's own key: without it a machine ends as soon as it has started.

    https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html
    """
    yield from key_use(
        facts,
        "EncryptVolumes",
        [
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:GenerateDataKeyWithoutPlaintext",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
        ],
        "ec2",
    )
    if facts.kms_key:
        yield Statement(
            sid="LendKeyToEc2",
            actions=["kms:CreateGrant"],
            resources=[facts.kms_key],
            conditions={
                "Bool": {"kms:GrantIsForAWSResource": "true"},
                "StringEquals": {"kms:ViaService": f"ec2.{facts.region}.amazonaws.com"},
            },
        )


def _machines(facts: Facts) -> Iterator[Statement]:
    yield Statement(
        sid="EndOwnMachines",
        actions=["ec2:GetConsoleOutput", "ec2:TerminateInstances"],
        resources=[facts.ec2("instance", "*")],
        conditions=_owned(facts),
    )
    yield Statement(
        sid="SeeMachines",
        actions=["ec2:DescribeInstanceStatus", "ec2:DescribeInstances"],
        any_resource="EC2's Describe calls know no resource",
    )


def _owned(facts: Facts) -> dict[str, dict[str, str]]:
    """What is there already and carries the cluster's tag."""
    return {"StringEquals": {f"aws:ResourceTag/{CLUSTER}": facts.cluster}}


def _tagged(facts: Facts) -> dict[str, dict[str, str]]:
    """What is made, with the cluster's tag from the start."""
    return {"StringEquals": {f"aws:RequestTag/{CLUSTER}": facts.cluster}}


def _subnets(facts: Facts) -> list[str]:
    return [facts.ec2("subnet", one) for one in facts.subnets]


def _images(facts: Facts) -> list[str]:
    # No account is in an image's ARN, whoever owns it.
    return [facts.ec2("image", one, account="") for one in facts.amis]
