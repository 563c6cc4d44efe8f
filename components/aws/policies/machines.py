"""What every machine of a cluster may do: pull images, mount the homes, be reached through SSM."""

from collections.abc import Iterator, Sequence

from components.aws.policies.facts import Facts
from components.aws.policies.statement import Statement, document


def trust(service: str) -> str:
    """Who may take a role: one service of AWS."""
    return document(
        Statement(
            sid="Service",
            actions=["sts:AssumeRole"],
            principals={"Service": f"{service}.amazonaws.com"},
        )
    )


def image_pull(facts: Facts, images: Sequence[str]) -> Iterator[Statement]:
    """Of these images alone."""
    yield Statement(
        sid="RegistryLogin",
        actions=["ecr:GetAuthorizationToken"],
        any_resource="a token is for a whole registry; what it may pull is the next statement",
    )
    yield Statement(
        sid="PullImages",
        actions=[
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
        ],
        resources=[facts.repositories[image] for image in images],
    )


def homes(facts: Facts) -> Statement:
    """Through the cluster's own access point, and as root there: people's files have owners."""
    return Statement(
        sid="MountHomes",
        actions=[
            "elasticfilesystem:ClientMount",
            "elasticfilesystem:ClientRootAccess",
            "elasticfilesystem:ClientWrite",
        ],
        resources=[facts.homes],
        conditions={"StringEquals": {"elasticfilesystem:AccessPointArn": facts.homes_access_point}},
    )


def session_manager() -> Statement:
    """What the SSM agent asks for by itself, so that nobody needs an open port."""
    return Statement(
        sid="SessionManager",
        actions=[
            "ssm:UpdateInstanceInformation",
            "ssmmessages:CreateControlChannel",
            "ssmmessages:CreateDataChannel",
            "ssmmessages:OpenControlChannel",
            "ssmmessages:OpenDataChannel",
        ],
        any_resource="the agent's channels are no resources that a policy could name",
    )


def secrets(facts: Facts, names: Sequence[str]) -> Iterator[Statement]:
    """To read these secrets of the cluster."""
    yield Statement(
        sid="ReadSecrets",
        actions=["ssm:GetParameter", "ssm:GetParameters"],
        resources=[facts.parameters[name] for name in names],
    )
    yield from key_use(facts, "DecryptSecrets", ["kms:Decrypt"], "ssm")


def key_use(facts: Facts, sid: str, actions: Sequence[str], service: str) -> Iterator[Statement]:
    """The user's own key, through one service. AWS' own keys need no permission."""
    if facts.kms_key:
        yield Statement(
            sid=sid,
            actions=actions,
            resources=[facts.kms_key],
            conditions={
                "StringEquals": {"kms:ViaService": f"{service}.{facts.region}.amazonaws.com"}
            },
        )
