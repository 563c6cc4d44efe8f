"""Policies of AWS' own helpers, and those that lie on a resource."""

from components.aws.policies.statement import ANY, Statement, document
from components.aws.tags import CLUSTER


def flow_log_trust(*, account: str, region: str, partition: str) -> str:
    """The service that delivers flow logs, for this account's logs alone."""
    return document(
        Statement(
            sid="FlowLogs",
            actions=["sts:AssumeRole"],
            principals={"Service": "vpc-flow-logs.amazonaws.com"},
            conditions={
                "StringEquals": {"aws:SourceAccount": account},
                "ArnLike": {
                    "aws:SourceArn": f"arn:{partition}:ec2:{region}:{account}:vpc-flow-log/*"
                },
            },
        )
    )


def flow_log_policy(log_group: str) -> str:
    """To write to one log group, by its ARN."""
    return document(*flow_log_statements(log_group))


def snapshot_policy(cluster: str, *, account: str, region: str, partition: str) -> str:
    """Snapshots of the cluster's volumes, by Data Lifecycle Manager."""
    return document(
        *snapshot_statements(cluster, account=account, region=region, partition=partition)
    )


def flow_log_statements(log_group: str) -> tuple[Statement, ...]:
    """Those of `flow_log_policy`."""
    return (
        Statement(
            sid="Deliver",
            actions=["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            resources=[log_group, f"{log_group}:*"],
        ),
        Statement(
            sid="FindLogGroup",
            actions=["logs:DescribeLogGroups"],
            any_resource="the delivery looks for its group among all; without it, it is in error",
        ),
    )


def snapshot_statements(
    cluster: str, *, account: str, region: str, partition: str
) -> tuple[Statement, ...]:
    """Those of `snapshot_policy`."""
    owned = {"StringEquals": {f"aws:ResourceTag/{CLUSTER}": cluster}}
    volumes = f"arn:{partition}:ec2:{region}:{account}:volume/*"
    snapshots = f"arn:{partition}:ec2:{region}::snapshot/*"
    return (
        Statement(
            sid="SnapshotOwnVolumes",
            actions=["ec2:CreateSnapshot"],
            resources=[volumes],
            conditions=owned,
        ),
        Statement(sid="MakeSnapshots", actions=["ec2:CreateSnapshot"], resources=[snapshots]),
        # Not only at their creation: the manager may tag afterwards, as AWS' own policy allows it.
        Statement(sid="TagSnapshots", actions=["ec2:CreateTags"], resources=[snapshots]),
        Statement(
            sid="EndOwnSnapshots",
            actions=["ec2:DeleteSnapshot"],
            resources=[snapshots],
            conditions=owned,
        ),
        Statement(
            sid="SeeVolumes",
            actions=["ec2:DescribeSnapshots", "ec2:DescribeVolumes"],
            any_resource="EC2's Describe calls know no resource",
        ),
    )


def bucket_policy(bucket: str) -> str:
    """TLS of version 1.2 or later, for everybody. `bucket`: ARN."""
    everything = [bucket, f"{bucket}/*"]
    return document(
        Statement(
            sid="TlsOnly",
            effect="Deny",
            actions=["s3:*"],
            principals={"AWS": ANY},
            resources=everything,
            conditions={"Bool": {"aws:SecureTransport": "false"}},
        ),
        Statement(
            sid="Tls12OrLater",
            effect="Deny",
            actions=["s3:*"],
            principals={"AWS": ANY},
            resources=everything,
            conditions={"NumericLessThan": {"s3:TlsVersion": "1.2"}},
        ),
    )


def homes_policy(*, file_system: str, access_point: str) -> str:
    """TLS, and through the access point alone. Who may mount is in the machines' own policies."""
    return document(
        Statement(
            sid="TlsOnly",
            effect="Deny",
            actions=["elasticfilesystem:*"],
            principals={"AWS": ANY},
            resources=[file_system],
            conditions={"Bool": {"aws:SecureTransport": "false"}},
        ),
        Statement(
            sid="AccessPointOnly",
            effect="Deny",
            actions=["elasticfilesystem:ClientMount"],
            principals={"AWS": ANY},
            resources=[file_system],
            conditions={"StringNotEquals": {"elasticfilesystem:AccessPointArn": access_point}},
        ),
    )
