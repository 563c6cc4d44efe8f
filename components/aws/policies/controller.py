"""What the controller's host may do: its own services, and what the node manager does to EC2.

IAM cannot look into a launch template. So a launch is bound three times: to templates that have the
cluster's tag, which the controller cannot make; to the networks, images and roles given; and to the
cluster's tag on what comes of it.
"""

from components.aws.policies.facts import Facts
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
    """Services: bundle, names, status and dumps in S3, secrets, images, homes."""
    bucket = facts.system_bucket
    controller_images = [image for image in facts.repositories if image != "slurmd"]
    return document(
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
        *secrets(facts, sorted(facts.parameters)),
        *image_pull(facts, controller_images),
        *key_use(facts, "EncryptObjects", ["kms:Decrypt", "kms:GenerateDataKey"], "s3"),
        homes(facts),
        session_manager(),
    )


def launch_policy(facts: Facts) -> str:
    """EC2, as the node manager uses it."""
    templates = facts.ec2("launch-template", "*")
    # Absent, and so not equal, in a launch without a template.
    given = {"ArnLike": {"ec2:LaunchTemplate": templates}}
    ours = {"StringEquals": {f"aws:RequestTag/{CLUSTER}": facts.cluster}}
    owned = {"StringEquals": {f"aws:ResourceTag/{CLUSTER}": facts.cluster}}
    created = [facts.ec2(kind, "*") for kind in ("instance", "volume", "network-interface")]
    instances = facts.ec2("instance", "*")
    return document(
        Statement(
            sid="LaunchByOwnTemplates",
            actions=["ec2:CreateFleet", "ec2:RunInstances"],
            resources=[templates],
            conditions=owned,
        ),
        Statement(
            sid="LaunchTaggedFleets",
            actions=["ec2:CreateFleet"],
            resources=[facts.ec2("fleet", "*"), instances],
            conditions=ours,
        ),
        Statement(
            sid="LaunchTaggedInstances",
            actions=["ec2:RunInstances"],
            resources=created,
            conditions={**given, **ours},
        ),
        Statement(
            sid="LaunchInOwnNetwork",
            actions=["ec2:CreateFleet", "ec2:RunInstances"],
            resources=[
                *(facts.ec2("subnet", one) for one in facts.subnets),
                *(facts.ec2("security-group", one) for one in facts.security_groups),
                # Public images are nobody's account.
                *(facts.ec2("image", one, account="") for one in facts.amis),
            ],
            conditions=given,
        ),
        Statement(
            sid="LaunchInPlacementGroups",
            actions=["ec2:RunInstances"],
            resources=[facts.ec2("placement-group", f"{facts.cluster}-*")],
            conditions=given,
        ),
        Statement(
            sid="TagAtLaunchOnly",
            actions=["ec2:CreateTags"],
            resources=[*created, facts.ec2("fleet", "*")],
            conditions={
                "StringEquals": {
                    "ec2:CreateAction": ["CreateFleet", "RunInstances"],
                    f"aws:RequestTag/{CLUSTER}": facts.cluster,
                }
            },
        ),
        Statement(
            sid="EndOwnMachines",
            actions=["ec2:GetConsoleOutput", "ec2:TerminateInstances"],
            resources=[instances],
            conditions=owned,
        ),
        Statement(
            sid="SeeMachines",
            actions=["ec2:DescribeInstanceStatus", "ec2:DescribeInstances"],
            any_resource="EC2's Describe calls know no resource",
        ),
        Statement(
            sid="GiveNodesTheirRoles",
            actions=["iam:PassRole"],
            resources=[facts.node_roles],
            conditions={"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        ),
        Statement(
            # The first spot request of an account makes this role of AWS' own.
            sid="FirstSpotRequest",
            actions=["iam:CreateServiceLinkedRole"],
            resources=[
                f"arn:{facts.partition}:iam::{facts.account}:role/aws-service-role/"
                f"{service}.amazonaws.com/*"
                for service in ("spot", "ec2fleet")
            ],
            conditions={
                "StringEquals": {
                    "iam:AWSServiceName": ["spot.amazonaws.com", "ec2fleet.amazonaws.com"]
                }
            },
        ),
    )
