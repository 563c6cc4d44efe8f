"""What a platform adds to the settings: where images come from, and what its hosts can do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

SECRETS_DIRECTORY = "/run/secrets"
"""Where a service finds its secrets."""

CgroupVersion = Literal["v1", "v2"]

CLUSTER_NETWORK = "cluster"
"""What the controller's services, logins and nodes share: all that users can enter is there."""
BACKSTAGE_NETWORK = "backstage"
"""Services that users and their jobs have no business with: whoever reaches Alertmanager can
silence alerts, whoever reaches MySQL's exporter can have it log in at a server of theirs. It has a
way out, by which alerts go."""


@dataclass(frozen=True, kw_only=True)
class LaunchSite:
    """Where a pool's machines are launched, and from what."""

    launch_template: str
    launch_template_version: str
    subnets: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AwsSite:
    """What is known of a cluster's account once its resources are there."""

    region: str
    controller_address: str
    """The controller host's private address, which never changes."""
    registry: str
    """Host name of the account's ECR."""
    system_bucket: str
    log_group: str
    """Where in CloudWatch the services' logs go."""
    tags: Mapping[str, str]
    """Tags of everything that is launched, besides those that tell nodes apart."""
    launches: Mapping[str, LaunchSite]
    """By pool."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """The place where a bundle will run."""

    images: Mapping[str, str]
    """Image reference by bake target, for instance `slurmctld` -> `hpc-stack/slurmctld:3f2a`."""
    cgroup: CgroupVersion
    """Control groups of the hosts. Only on v2 can an unprivileged slurmd constrain its jobs."""
    memory_mb: int | None = None
    """Memory for all nodes together, in MiB, where they share one machine; None: each its own."""
    grafana: bool = False
    """Whether Grafana's image can be had there."""
    gpu_exporter: bool = False
    """Whether dcgm-exporter's image can be had there, where nodes share one machine."""
    secrets_seal: str = ""
    """Another word for other secrets of the receivers of alerts."""
    gpu_ids: Mapping[str, str] = field(default_factory=dict)
    """NVIDIA's id of each of its device files, where nodes share one machine."""
    aws: AwsSite | None = None
    """None: everything runs in containers of one engine."""

    @property
    def measures_gpus(self) -> bool:
        """Whether a service of the cluster itself measures the GPUs, which are this machine's.

        On AWS each node does that for its own.
        """
        return self.gpu_exporter and bool(self.gpu_ids)


def project_name(cluster: str) -> str:
    """Name of the Compose project, and prefix of all that belongs to a cluster on an engine."""
    return f"hpc-{cluster}"


def network_name(cluster: str, network: str = CLUSTER_NETWORK) -> str:
    """The engine's name of one of the cluster's networks."""
    return f"{project_name(cluster)}_{network}"


def volume_name(cluster: str, volume: str) -> str:
    """The engine's name of one of the cluster's volumes."""
    return f"{project_name(cluster)}_{volume}"


def cluster_labels(cluster: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Labels of everything that belongs to a cluster: the user's tags and the cluster's name."""
    return {**dict(sorted(tags.items())), "hpc-stack.cluster": cluster}
