"""What only a cluster on AWS has: where it is, its network, its controller, its storage."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from config.settings.cidr import Address, Cidr, NarrowCidr
from config.settings.part import Many, Part, Switch, Text, Whole, without_duplicates
from config.settings.tags import TagValue

Region = Annotated[
    Text,
    Field(
        pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$",
        json_schema_extra={"allowed": "the name of a region, such as eu-central-1"},
    ),
]
Zone = Annotated[
    Text,
    Field(
        pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9][a-f]$",
        json_schema_extra={"allowed": "the name of a zone, such as eu-central-1a"},
    ),
]
Zones = Annotated[Many[Zone], AfterValidator(without_duplicates)]
TypeName = Annotated[
    Text,
    Field(
        pattern=r"^[a-z0-9-]+\.[a-z0-9-]+$",
        json_schema_extra={"allowed": "the name of an EC2 instance type, such as c7i.large"},
    ),
]
TypeNames = Annotated[Many[TypeName], AfterValidator(without_duplicates)]


def _identifier(prefix: str, what: str) -> object:
    # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html: 8 or 17 digits.
    return Field(
        pattern=rf"^{prefix}-[0-9a-f]{{8}}([0-9a-f]{{9}})?$",
        json_schema_extra={"allowed": f"the id of {what}, {prefix}-..."},
    )


AmiId = Annotated[Text, _identifier("ami", "a machine image")]
SubnetId = Annotated[Text, _identifier("subnet", "a subnet")]
VpcId = Annotated[Text, _identifier("vpc", "a VPC")]
Arn = Annotated[
    Text,
    Field(
        pattern=r"^arn:aws(-[a-z]+)*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:.+$",
        json_schema_extra={"allowed": "an ARN, arn:aws:..."},
    ),
]
Digest = Annotated[
    Text,
    Field(
        pattern=r"^sha256:[0-9a-f]{64}$",
        json_schema_extra={"allowed": "the digest of a container image, sha256:..."},
    ),
]
# What CloudWatch takes for a log group's retention, as far as anybody wants it here.
LogDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1827, 3653]
# What EFS takes for its lifecycle policy.
UnusedDays = Literal[1, 7, 14, 30, 60, 90, 180, 270, 365]


class ExistingNetwork(Part):
    """A VPC that is there already. Its routes must lead out: nothing of it is changed."""

    vpc: VpcId
    """The VPC. `aws.network.cidr` says which range it has."""
    controller_subnet: SubnetId
    """Where the controller goes, in the first of `aws.zones`."""
    controller_address: Address
    """The controller's private address: one of that subnet that nobody else has. Nodes know it by
    this address, also after it was replaced."""
    compute_subnets: Annotated[dict[Zone, SubnetId], Field(min_length=1)]
    """Where nodes go: one subnet for each of `aws.zones`."""


class Network(Part):
    """The VPC, and the ways into and out of it."""

    cidr: Cidr = "10.80.0.0/16"
    """Range of the VPC, private, /16 to /22. It cannot be changed later."""
    existing: ExistingNetwork | None = None
    """Use this VPC. Not set: one is made."""
    nat: Literal["controller", "gateway"] = "controller"
    """How nodes reach the internet: `controller` forwards for them, which costs nothing more;
    `gateway` is a NAT gateway in each zone, which does not depend on one machine."""
    ssh_from: Annotated[Many[NarrowCidr], AfterValidator(without_duplicates)] = ()
    """Ranges from which `ports.ssh` of the login node can be reached. Empty: none, people come in
    through SSM."""
    flow_log_days: LogDays = 30
    """Days for which the network's flow logs are kept."""


class Controller(Part):
    """The machine that runs Slurm's services, the database and the login node."""

    instance_type: TypeName = "t4g.small"
    """Its EC2 instance type."""
    root_gb: Annotated[Whole, Field(ge=30, le=1000)] = 30
    """Size of its root volume in GB, which holds images and nothing of value."""
    data_gb: Annotated[Whole, Field(ge=8, le=16_000)] = 10
    """Size of the volume with Slurm's state and the database, in GB. It can grow, not shrink."""
    snapshot_days: Annotated[Whole, Field(ge=1, le=365)] = 7
    """Days for which daily snapshots of that volume are kept."""
    dump_at: Annotated[
        Text,
        Field(
            pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
            json_schema_extra={"allowed": "a time of day, HH:MM"},
        ),
    ] = "03:00"
    """Time of day, in UTC, at which the accounting database is dumped to S3."""
    log_days: LogDays = 30
    """Days for which the services' logs are kept in CloudWatch."""


class AwsStorage(Part):
    """Homes and buckets."""

    home_unused_days: UnusedDays = 30
    """Days after which a file in /home that nobody reads is kept in the cheaper class."""
    home_backups: Switch = True
    """Whether AWS Backup keeps a copy of /home of each of the last 35 days."""
    old_version_days: Annotated[Whole, Field(ge=1, le=3650)] = 30
    """Days for which overwritten and deleted objects can be brought back."""
    dump_days: Annotated[Whole, Field(ge=1, le=3650)] = 90
    """Days for which dumps of the accounting database are kept."""
    kms_key: Arn | None = None
    """A KMS key of yours for volumes, homes, buckets and secrets. Not set: AWS' own keys."""


class Amis(Part):
    """Machine images, each pinned by its id. `make amis STACK=NAME` looks up the newest."""

    x86_64: AmiId | None = None
    """For nodes with Intel or AMD processors."""
    arm64: AmiId | None = None
    """For nodes and controllers with Graviton processors."""
    gpu_x86_64: AmiId | None = None
    """For nodes with NVIDIA GPUs."""
    gpu_arm64: AmiId | None = None
    """For nodes with NVIDIA GPUs and Graviton processors."""


class Images(Part):
    """Container images of others, each pinned by its digest. `make amis STACK=NAME` looks them up.

    What is not pinned is copied into the account's registry as its tag is at that moment.
    """

    mysql: Digest | None = None
    """MySQL's."""
    prometheus: Digest | None = None
    """Prometheus'."""
    alertmanager: Digest | None = None
    """Alertmanager's."""
    node_exporter: Digest | None = None
    """That of the controller's exporter."""
    mysqld_exporter: Digest | None = None
    """That of MySQL's exporter."""
    grafana: Digest | None = None
    """Grafana's."""
    dcgm_exporter: Digest | None = None
    """That of the exporter on nodes with GPUs."""


class Aws(Part):
    """Everything that only AWS has."""

    region: Region
    """The region."""
    zones: Annotated[Zones, Field(min_length=1, max_length=6)]
    """Zones of the region; the controller and its volume are in the first."""
    network: Network = Network()
    """The network."""
    controller: Controller = Controller()
    """The controller's machine."""
    storage: AwsStorage = AwsStorage()
    """Homes, buckets, keys."""
    amis: Amis = Amis()
    """Machine images."""
    images: Images = Images()
    """Container images of others."""
    shortage_seconds: Annotated[Whole, Field(ge=0, le=24 * 3600)] = 300
    """Seconds for which a type and zone that had no capacity is left out."""
    permissions_boundary: Arn | None = None
    """A policy that bounds every role, where your organisation wants one."""
    owner: TagValue = ""
    """Who answers for the cluster: a tag on everything. Empty: no tag."""
    cost_centre: TagValue = ""
    """Who pays: a tag on everything. Empty: no tag."""


class PoolOnAws(Part):
    """What a pool's machines are, besides their type."""

    zones: Zones = ()
    """Zones of the cluster that the pool uses. Empty: all, or with `placement_group` the first."""
    root_gb: Annotated[Whole, Field(ge=30, le=2000)] = 30
    """Size of a node's root volume in GB."""
    placement_group: Switch = False
    """Whether nodes are close to each other, for MPI: all in one zone."""
    efa: Switch = False
    """Whether nodes have an Elastic Fabric Adapter; needs `placement_group`."""
