"""The bundle for EC2: what differs from one machine, and nothing else."""

import json
from typing import Any

import pytest
import yaml

from config.render.aws_bundle import aws_bundle
from config.render.bundle import render_bundle
from config.render.compose_aws import bridge_subnet
from config.render.site import AwsSite, Site
from config.render.slurm_conf import slurm_conf
from tests.host_agent.test_bundle import SETTINGS, SITE

ADDRESS = "10.80.192.4"
LOCAL = Site(images={**SITE.images, "slurmd": "slurmd:1"}, cgroup="v2")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The controller's services as they run on EC2."""
    document = yaml.safe_load(render_bundle(SETTINGS, SITE).compose)
    made: dict[str, Any] = document["services"]
    return made


def aws() -> AwsSite:
    assert SITE.aws is not None
    return SITE.aws


def test_slurms_daemons_are_reached_at_the_hosts_address_and_nowhere_else(
    services: dict[str, Any],
) -> None:
    assert services["slurmctld"]["ports"] == [f"{ADDRESS}:6817:6817"]
    assert services["slurmdbd"]["ports"] == [f"{ADDRESS}:6819:6819"]
    assert "ports" not in services["mysql"]
    assert services["slurmrestd"]["ports"][0].startswith("127.0.0.1:")


def test_only_login_and_node_manager_are_in_the_hosts_network(services: dict[str, Any]) -> None:
    on_host = {name for name, one in services.items() if one.get("network_mode") == "host"}
    assert on_host == {"login", "node-manager"}
    for name in on_host:
        assert "networks" not in services[name]
        assert "ports" not in services[name]


def test_the_login_node_finds_its_controller_and_leaves_port_22_to_the_host(
    services: dict[str, Any],
) -> None:
    assert services["login"]["environment"] == {
        "SLURM_CONTROLLER": f"{ADDRESS}:6817",
        "SSH_PORT": str(SETTINGS.ports.ssh),
    }


def test_the_node_manager_has_neither_an_engine_nor_a_key(services: dict[str, Any]) -> None:
    manager = services["node-manager"]
    assert not [volume for volume in manager["volumes"] if "docker" in volume]
    assert "secrets" not in manager
    assert manager["environment"] == {"AWS_DEFAULT_REGION": "eu-central-1"}


def test_images_come_from_the_accounts_registry(services: dict[str, Any]) -> None:
    for service in services.values():
        assert service["image"].startswith("registry/")
        assert service["pull_policy"] == "missing"


def test_slurm_names_the_hosts_address_where_nodes_must_find_it() -> None:
    lines = slurm_conf(SETTINGS, SITE).splitlines()
    assert f"SlurmctldHost=slurmctld({ADDRESS})" in lines
    assert "AccountingStorageHost=slurmdbd" in lines
    assert "SrunPortRange=60001-60999" in lines
    here = slurm_conf(SETTINGS, LOCAL).splitlines()
    assert "SlurmctldHost=slurmctld" in here
    assert not [line for line in here if line.startswith("SrunPortRange")]


def test_users_are_shared_with_machines_of_their_own() -> None:
    document = json.loads(aws_bundle(SETTINGS, SITE))
    volumes = yaml.safe_load(document["compose"])["volumes"]
    external = {one["name"] for one in volumes.values() if one.get("external")}
    assert external == set(document["volumes"])
    assert document["volumes"]["hpc-dev_users"].startswith("/home/")


def test_a_bundle_for_s3_needs_a_site_on_aws() -> None:
    with pytest.raises(ValueError, match="a site on AWS"):
        aws_bundle(SETTINGS, LOCAL)


@pytest.mark.parametrize(
    ("vpc", "bridge"),
    [
        ("10.80.0.0/16", "192.168.240.0/24"),
        ("192.168.0.0/16", "172.30.240.0/24"),
        ("172.16.0.0/16", "192.168.240.0/24"),
    ],
)
def test_the_containers_network_is_none_of_the_vpcs_addresses(vpc: str, bridge: str) -> None:
    assert bridge_subnet(vpc) == bridge
    document = yaml.safe_load(render_bundle(SETTINGS, SITE).compose)
    assert document["networks"]["cluster"]["ipam"]["config"] == [{"subnet": "192.168.240.0/24"}]


def test_on_one_machine_nothing_of_ec2_is_rendered() -> None:
    text = render_bundle(SETTINGS, LOCAL).compose
    for word in (ADDRESS, "network_mode", '"provider": "ec2"', aws().system_bucket):
        assert word not in text
