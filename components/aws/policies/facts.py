"""What the policies of a cluster are about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NODE_IMAGE, GPU_EXPORTER = "slurmd", "dcgm-exporter"
NODE_IMAGES = (NODE_IMAGE, GPU_EXPORTER)
"""Repositories that are the nodes' alone."""


def node_path(cluster: str) -> str:
    """Path of the nodes' roles, so that policies name them all at once however many pools."""
    return f"/hpc-stack/{cluster}/nodes/"


def services_log_group(cluster: str) -> str:
    """Name of the group in CloudWatch with the logs of the controller's services and of nodes."""
    return f"/hpc-stack/{cluster}/services"


def pool_log_streams(pool: str) -> str:
    """What begins the names of the streams of a pool's nodes in that group."""
    return f"nodes/{pool}/"


def node_log_streams(node: str) -> str:
    """What begins the names of a node's streams in that group, as boot.py names them."""
    return f"{pool_log_streams(node.rpartition('-')[0])}{node}/"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """ARNs and names of a cluster's parts, as plain text."""

    partition: str
    region: str
    account: str
    cluster: str
    system_bucket: str
    """ARN, as of all that is not said to be something else."""
    data_bucket: str
    parameters: Mapping[str, str]
    """By secret."""
    repositories: Mapping[str, str]
    """By image."""
    homes: str
    homes_access_point: str
    subnets: Sequence[str]
    """Ids."""
    security_groups: Sequence[str]
    """Ids."""
    amis: Sequence[str]
    """Ids."""
    kms_key: str | None
    alert_topic: str | None = None
    """Of Amazon SNS, if alerts go to one."""

    def log_streams(self, names: str = "*") -> str:
        """ARN pattern of streams in the cluster's log group."""
        place = f"{self.region}:{self.account}"
        group = services_log_group(self.cluster)
        return f"arn:{self.partition}:logs:{place}:log-group:{group}:log-stream:{names}"

    @property
    def node_roles(self) -> str:
        """ARN pattern of the roles of the nodes of every pool: they have a path of their own."""
        path = node_path(self.cluster)
        return f"arn:{self.partition}:iam::{self.account}:role{path}*"

    def ec2(self, kind: str, name: str, *, account: str | None = None) -> str:
        """ARN of something of EC2's."""
        owner = self.account if account is None else account
        return f"arn:{self.partition}:ec2:{self.region}:{owner}:{kind}/{name}"
