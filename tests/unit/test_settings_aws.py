"""Settings of a cluster on AWS: what the catalogue fills in, and each mistake with its fix."""

from typing import Any

import pytest

from config.catalogue import catalogue
from config.settings import load_cluster
from config.settings.platform_defaults import PATIENCE
from tests.unit.settings_samples import Case, assert_only_mistake, mistakes, settings

EXISTING = {
    "vpc": "vpc-01234567",
    "controller_subnet": "subnet-01234567",
    "controller_address": "10.80.0.10",
    "compute_subnets": {"eu-central-1a": "subnet-01234567", "eu-central-1b": "subnet-12345678"},
}
AMIS = dict.fromkeys(("x86_64", "arm64", "gpu_x86_64", "gpu_arm64"), "ami-0123456789abcdef0")


def aws(**changes: Any) -> dict[str, Any]:
    zones = ["eu-central-1a", "eu-central-1b"]
    return {"region": "eu-central-1", "zones": zones, "amis": AMIS, **changes}


def on_aws(pool: dict[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    """Small valid settings on AWS, with some parts exchanged."""
    cpu = {"instance_types": ["c7i.xlarge", "c7a.xlarge"], "max_nodes": 8, **(pool or {})}
    return settings(platform="aws", **{"aws": aws(), "pools": {"cpu": cpu}, **parts})


def test_what_is_not_set_of_a_pool_comes_from_the_smallest_and_dearest_of_its_types() -> None:
    kinds = [catalogue()[name] for name in ("c7i.xlarge", "r7i.xlarge")]
    pool = load_cluster(on_aws({"instance_types": [kind.name for kind in kinds]})).pools["cpu"]
    assert (pool.cpus, pool.gpus) == (4, None)
    assert pool.memory_mb == kinds[0].usable_memory_mb < kinds[1].usable_memory_mb
    assert pool.price_per_hour == kinds[1].price.on_demand > kinds[0].price.on_demand


def test_gpus_come_from_the_types() -> None:
    loaded = load_cluster(on_aws({"instance_types": ["g5.12xlarge"]}))
    gpus = loaded.pools["cpu"].gpus
    assert gpus is not None
    assert (gpus.type, gpus.count) == ("a10g", 4)
    assert loaded.gpu_files["cpu"] == tuple(f"/dev/nvidia{index}" for index in range(4))


def test_a_spot_pool_has_the_spot_price_beside_what_is_set() -> None:
    written = {"capacity": "spot", "spot": {"signal": "TERM"}}
    spot = load_cluster(on_aws(written)).pools["cpu"].spot_settings
    assert spot is not None
    prices = [catalogue()[name].price.spot for name in ("c7i.xlarge", "c7a.xlarge")]
    assert spot.price_per_hour == max(price for price in prices if price)
    assert spot.signal == "TERM"


def test_what_is_set_is_not_overwritten() -> None:
    pool = load_cluster(on_aws({"cpus": 2, "memory_mb": 1000, "price_per_hour": 9.0})).pools["cpu"]
    assert (pool.cpus, pool.memory_mb, pool.price_per_hour) == (2, 1000, 9.0)


def test_a_machine_is_given_more_time_than_a_container() -> None:
    patient = load_cluster(on_aws()).slurm
    assert patient.resume_timeout_seconds == PATIENCE["resume_timeout_seconds"]
    assert load_cluster(settings()).slurm.resume_timeout_seconds == 120
    own = load_cluster(on_aws(slurm={"resume_timeout_seconds": 99})).slurm
    assert own.resume_timeout_seconds == 99


def test_a_pool_is_in_its_own_zones_or_close_together_in_the_first_or_in_all() -> None:
    def zones(**own: Any) -> tuple[str, ...]:
        return load_cluster(on_aws({"aws": own})).pool_zones("cpu")

    assert zones() == ("eu-central-1a", "eu-central-1b")
    assert zones(zones=["eu-central-1b"]) == ("eu-central-1b",)
    assert zones(placement_group=True) == ("eu-central-1a",)


BAD: dict[str, Case] = {
    "no part for AWS": (on_aws(aws=None), "cluster.aws", "(not set)", "region and zones", "add"),
    "a part for AWS elsewhere": (
        settings(aws=aws()),
        "cluster.aws",
        '"(set)"',
        "the platform is local",
        "write `platform: aws`",
    ),
    "instance types elsewhere": (
        settings(pools={"cpu": {"instance_types": ["c7i.large"], "max_nodes": 1}}),
        "cluster.pools.cpu.instance_types",
        '["c7i.large"]',
        "the platform is local",
        "write `platform: aws`",
    ),
    "a pool without types": (
        on_aws(pools={"cpu": {"cpus": 2, "memory_mb": 500, "max_nodes": 1}}),
        "cluster.pools.cpu.instance_types",
        "(not set)",
        "a list of EC2 instance types",
        "add instance_types",
    ),
    "a type that nobody knows": (
        on_aws({"instance_types": ["c7i.xlarg"]}),
        "cluster.pools.cpu.instance_types[0]",
        '"c7i.xlarg"',
        "types in config/catalogue",
        "did you mean c7i.xlarge?",
    ),
    "types of two architectures": (
        on_aws({"instance_types": ["c7i.xlarge", "c7g.xlarge"]}),
        "cluster.pools.cpu.instance_types",
        '["c7i.xlarge", "c7g.xlarge"]',
        "alike in architecture; here x86_64: c7i.xlarge; arm64: c7g.xlarge",
        "make a pool of each kind",
    ),
    "types of two sizes": (
        on_aws({"instance_types": ["c7i.xlarge", "c7i.2xlarge", "c7a.2xlarge"]}),
        "cluster.pools.cpu.instance_types",
        '["c7i.xlarge", "c7i.2xlarge", "c7a.2xlarge"]',
        "alike in CPUs; here 4: c7i.xlarge; 8: c7i.2xlarge, c7a.2xlarge",
        "make a pool of each kind",
    ),
    "types with other GPUs": (
        on_aws({"instance_types": ["g5.xlarge", "g6.xlarge"]}),
        "cluster.pools.cpu.instance_types",
        '["g5.xlarge", "g6.xlarge"]',
        "alike in GPUs; here 1 a10g: g5.xlarge; 1 l4: g6.xlarge",
        "make a pool of each kind",
    ),
    "GPUs of a type without": (
        on_aws({"gpus": {"type": "a100", "count": 1}}),
        "cluster.pools.cpu.gpus",
        '{"type": "a100", "count": 1}',
        "c7i.xlarge has no GPU",
        "remove gpus, or choose types with GPUs",
    ),
    "other GPUs than the type's": (
        on_aws({"instance_types": ["g6.xlarge"], "gpus": {"type": "l4", "count": 2}}),
        "cluster.pools.cpu.gpus",
        '{"type": "l4", "count": 2}',
        "type l4 and count 1",
        "remove gpus",
    ),
    "more CPUs than there are": (
        on_aws({"cpus": 5}),
        "cluster.pools.cpu.cpus",
        "5",
        "at most 4",
        "lower it to 4",
    ),
    "all of the memory, with nothing left for the system": (
        on_aws({"memory_mb": 8192}),
        "cluster.pools.cpu.memory_mb",
        "8192",
        "at most 7352",
        "lower it to 7352",
    ),
    "spot of a type that is not sold so": (
        on_aws({"instance_types": ["hpc7a.12xlarge"], "capacity": "spot"}),
        "cluster.pools.cpu.instance_types[0]",
        '"hpc7a.12xlarge"',
        "a type that EC2 sells as spot",
        "remove hpc7a.12xlarge",
    ),
    "a zone of another region": (
        on_aws(aws=aws(zones=["eu-west-1a"])),
        "cluster.aws.zones[0]",
        '"eu-west-1a"',
        "a zone of eu-central-1",
        "correct the zone or aws.region",
    ),
    "a range that is too small": (
        on_aws(aws=aws(network={"cidr": "10.0.0.0/24"})),
        "cluster.aws.network.cidr",
        '"10.0.0.0/24"',
        "from /16 to /22",
        "write /22",
    ),
    "a range with too few addresses": (
        on_aws({"max_nodes": 500}, aws=aws(network={"cidr": "10.0.0.0/22"})),
        "cluster.aws.network.cidr",
        '"10.0.0.0/22"',
        "addresses for 500 nodes; this one has 246",
        "choose a larger range",
    ),
    "the range of Docker itself": (
        on_aws(aws=aws(network={"cidr": "172.17.0.0/16"})),
        "cluster.aws.network.cidr",
        '"172.17.0.0/16"',
        "does not overlap 172.17.0.0/16",
        "choose another one",
    ),
    "a public range for the VPC": (
        on_aws(aws=aws(network={"cidr": "8.8.0.0/16"})),
        "cluster.aws.network.cidr",
        '"8.8.0.0/16"',
        "a range inside 10.0.0.0/8",
        "choose one",
    ),
    "SSH from everywhere": (
        on_aws(aws=aws(network={"ssh_from": ["0.0.0.0/0"]})),
        "cluster.aws.network.ssh_from[0]",
        '"0.0.0.0/0"',
        "public ones no wider than /16",
        "never the whole internet",
    ),
    "SSH from outside to a private address": (
        on_aws(aws=aws(network={"nat": "gateway", "ssh_from": ["193.99.144.0/24"]})),
        "cluster.aws.network.ssh_from[0]",
        '"193.99.144.0/24"',
        "private ranges",
        "write `nat: controller`",
    ),
    "SSH from outside to a VPC of the user's": (
        on_aws(aws=aws(network={"existing": EXISTING, "ssh_from": ["193.99.144.0/24"]})),
        "cluster.aws.network.ssh_from[0]",
        '"193.99.144.0/24"',
        "private ranges: in a VPC of yours",
        "name your VPN's",
    ),
    "a controller outside its VPC": (
        on_aws(aws=aws(network={"cidr": "10.9.0.0/16", "existing": EXISTING})),
        "cluster.aws.network.existing.controller_address",
        '"10.80.0.10"',
        "an address in aws.network.cidr, which is 10.9.0.0/16",
        "write the VPC's own range",
    ),
    "an address that is none": (
        on_aws(aws=aws(network={"existing": {**EXISTING, "controller_address": "10.80.0.300"}})),
        "cluster.aws.network.existing.controller_address",
        '"10.80.0.300"',
        "an IPv4 address",
        "four numbers from 0 to 255",
    ),
    "a subnet for a zone that is none of the cluster's": (
        on_aws(
            aws=aws(
                network={
                    "existing": {
                        **EXISTING,
                        "compute_subnets": {"eu-central-1c": "subnet-01234567"},
                    }
                }
            )
        ),
        "cluster.aws.network.existing.compute_subnets",
        '["eu-central-1c"]',
        "eu-central-1a, eu-central-1b",
        "add what is missing",
    ),
    "a controller that is too small": (
        on_aws(aws=aws(controller={"instance_type": "t4g.nano"})),
        "cluster.aws.controller.instance_type",
        '"t4g.nano"',
        "config/catalogue/instance_types.json",
        "python -m ops.catalogue t4g.nano",
    ),
    "a pool in a zone of nobody": (
        on_aws({"aws": {"zones": ["eu-central-1c"]}}),
        "cluster.pools.cpu.aws.zones[0]",
        '"eu-central-1c"',
        "eu-central-1a, eu-central-1b",
        "add it to aws.zones",
    ),
    "close together in two zones": (
        on_aws({"aws": {"placement_group": True, "zones": ["eu-central-1a", "eu-central-1b"]}}),
        "cluster.pools.cpu.aws.zones",
        '["eu-central-1a", "eu-central-1b"]',
        "one zone",
        "keep one",
    ),
    "adapters that the type has not": (
        on_aws({"aws": {"placement_group": True, "efa": True}, "instance_types": ["c7i.xlarge"]}),
        "cluster.pools.cpu.aws.efa",
        "true",
        "c7i.xlarge has not",
        "remove c7i.xlarge or efa",
    ),
    "adapters of nodes that are far apart": (
        on_aws({"aws": {"efa": True}, "instance_types": ["hpc7a.12xlarge"]}),
        "cluster.pools.cpu.aws.efa",
        "true",
        "placement_group: true",
        "write `placement_group: true`",
    ),
    "a machine image that nobody has pinned": (
        on_aws(aws=aws(amis={"arm64": "ami-01234567"})),
        "cluster.aws.amis.x86_64",
        "(not set)",
        "pool cpu starts from it",
        "make amis",
    ),
    "a name that is too long for AWS": (
        on_aws(name="a-name-of-far-more-than-twenty-letters"),
        "cluster.name",
        '"a-name-of-far-more-than-twenty-letters"',
        "1 to 20",
        "",
    ),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_a_mistake_is_reported_with_path_value_allowed_and_fix(case: Case) -> None:
    assert_only_mistake(case)


def test_all_mistakes_are_reported_at_once() -> None:
    data = on_aws(
        {"instance_types": ["c7i.xlarge", "g5.xlarge"], "aws": {"zones": ["eu-central-1f"]}},
        aws=aws(zones=["us-east-1a"], network={"cidr": "10.0.0.0/30"}, amis={}),
    )
    paths = {one.path for one in mistakes(data)}
    assert {
        "cluster.pools.cpu.instance_types",
        "cluster.pools.cpu.aws.zones[0]",
        "cluster.aws.zones[0]",
        "cluster.aws.network.cidr",
        "cluster.aws.amis.arm64",
        "cluster.aws.amis.x86_64",
    } <= paths
