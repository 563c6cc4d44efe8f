"""What a compute node may do, and what its jobs may: the second is all that a user can get at."""

from collections.abc import Sequence

from components.aws.policies.facts import Facts, pool_log_streams
from components.aws.policies.machines import (
    homes,
    image_pull,
    key_use,
    secrets,
    session_manager,
)
from components.aws.policies.statement import Statement, document


def node_policy(facts: Facts, pool: str, images: Sequence[str], jobs_role: str) -> str:
    """Its pool's names and logs, the cluster's key, its images, the homes, and the jobs' role."""
    return document(*node_statements(facts, pool, images, jobs_role))


def jobs_policy(facts: Facts) -> str:
    """The data bucket, and nothing else."""
    return document(*jobs_statements(facts))


def node_statements(
    facts: Facts, pool: str, images: Sequence[str], jobs_role: str
) -> tuple[Statement, ...]:
    """Those of `node_policy`."""
    return (
        Statement(
            sid="ReadOwnName",
            actions=["s3:GetObject"],
            resources=[f"{facts.system_bucket}/names/{pool}.json"],
        ),
        Statement(
            # By the engine, as on the controller, whose streams are not the nodes' to write.
            sid="WriteOwnLogs",
            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
            resources=[facts.log_streams(f"{pool_log_streams(pool)}*")],
        ),
        *secrets(facts, ["slurm_key"]),
        *image_pull(facts, images),
        *key_use(facts, "ReadEncryptedName", ["kms:Decrypt"], "s3"),
        homes(facts),
        session_manager(),
        Statement(sid="CredentialsForJobs", actions=["sts:AssumeRole"], resources=[jobs_role]),
    )


def jobs_trust(facts: Facts) -> str:
    """The nodes' roles alone may take the jobs' role."""
    return document(
        Statement(
            sid="Nodes",
            actions=["sts:AssumeRole"],
            # A list of the roles themselves would outgrow what a trust policy may be.
            principals={"AWS": f"arn:{facts.partition}:iam::{facts.account}:root"},
            conditions={"ArnLike": {"aws:PrincipalArn": facts.node_roles}},
        )
    )


def jobs_statements(facts: Facts) -> tuple[Statement, ...]:
    """Those of `jobs_policy`."""
    return (
        Statement(
            sid="ListData",
            actions=["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
            resources=[facts.data_bucket],
        ),
        Statement(
            sid="UseData",
            actions=[
                "s3:AbortMultipartUpload",
                "s3:DeleteObject",
                "s3:GetObject",
                "s3:ListMultipartUploadParts",
                "s3:PutObject",
            ],
            resources=[f"{facts.data_bucket}/*"],
        ),
        *key_use(facts, "UseEncryptedData", ["kms:Decrypt", "kms:GenerateDataKey"], "s3"),
    )
