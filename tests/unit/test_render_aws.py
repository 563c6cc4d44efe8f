"""The bundle for EC2: what differs from one machine, and nothing else."""

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from config.render.aws_bundle import aws_bundle
from config.render.bundle import render_bundle
from config.render.compose_aws import bridge_subnet
from config.render.prometheus import prometheus_yaml
from config.render.site import AwsSite, Site
from config.render.slurm_conf import slurm_conf
from config.settings import ClusterSettings
from tests.host_agent.test_bundle import SETTINGS, SITE
from tests.security.graph import environment_settings

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


def test_only_these_are_in_the_hosts_network(services: dict[str, Any]) -> None:
    on_host = {name for name, one in services.items() if one.get("network_mode") == "host"}
    assert on_host == {"login", "node-manager", "node-exporter"}
    for name in on_host:
        assert "networks" not in services[name]
        assert "ports" not in services[name]


def test_the_login_node_finds_its_controller_and_leaves_port_22_to_the_host(
    services: dict[str, Any],
) -> None:
    assert services["login"]["environment"] == {
        "SLURM_CONTROLLER": f"{ADDRESS}:6817",
        "SSH_PORT": str(SETTINGS.ports.ssh),
        "PROMETHEUS": f"127.0.0.1:{SETTINGS.ports.prometheus}",
    }


def test_the_login_node_is_told_of_prometheus_as_it_is_published(
    services: dict[str, Any],
) -> None:
    address, _, _ = services["prometheus"]["ports"][0].rpartition(":")
    assert services["login"]["environment"]["PROMETHEUS"] == address
    alone = SETTINGS.model_copy(
        update={"monitoring": SETTINGS.monitoring.model_copy(update={"enabled": False})}
    )
    document = yaml.safe_load(render_bundle(alone, SITE).compose)
    assert "PROMETHEUS" not in document["services"]["login"]["environment"]


def test_the_node_manager_has_neither_an_engine_nor_a_key(services: dict[str, Any]) -> None:
    manager = services["node-manager"]
    assert not [volume for volume in manager["volumes"] if "docker" in volume]
    assert "secrets" not in manager
    assert manager["environment"] == {"AWS_DEFAULT_REGION": "eu-central-1"}


def test_images_come_from_the_accounts_registry(services: dict[str, Any]) -> None:
    for service in services.values():
        assert service["image"].startswith("registry/")
        assert service["pull_policy"] == "missing"


def test_every_services_log_goes_to_cloudwatch_without_anybody_waiting_for_it(
    services: dict[str, Any],
) -> None:
    for name, service in services.items():
        assert service["logging"]["driver"] == "awslogs"
        options = service["logging"]["options"]
        assert options["mode"] == "non-blocking"
        assert (options["awslogs-group"], options["awslogs-stream"]) == (aws().log_group, name)
        # And on the host, as long as its disk is not the poorer for it.
        assert (options["cache-max-size"], options["cache-max-file"]) == ("10m", "3")


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


def test_what_is_measured_on_the_host_is_heard_at_its_private_address_alone(
    services: dict[str, Any],
) -> None:
    exporter = services["node-exporter"]
    assert f"--web.listen-address={ADDRESS}:9100" in exporter["command"]
    assert exporter["volumes"] == ["/:/host:ro,rslave"]
    assert exporter["cap_drop"] == ["ALL"]
    jobs = {job["job_name"]: job for job in prometheus(SITE)["scrape_configs"]}
    assert jobs["host"]["static_configs"] == [{"targets": [f"{ADDRESS}:9100"]}]
    assert jobs["node-manager"]["static_configs"] == [{"targets": [f"{ADDRESS}:9810"]}]
    here = {job["job_name"]: job for job in prometheus(LOCAL)["scrape_configs"]}
    assert here["host"]["static_configs"] == [{"targets": ["node-exporter:9100"]}]


def prometheus(site: Site, settings: ClusterSettings = SETTINGS) -> dict[str, Any]:
    return dict(yaml.safe_load(prometheus_yaml(settings, site)))


TOPIC = "arn:aws:sns:eu-central-1:123456789012:hpc-alerts"


def sending(**others: Any) -> ClusterSettings:
    """The same cluster, whose alerts go to a topic."""
    alerts = {"sns": {"topic_arn": TOPIC}, **others}
    return environment_settings("dev", monitoring={"alerts": alerts})


def test_alerts_go_to_a_topic_by_the_hosts_role_which_root_in_its_network_has() -> None:
    settings = sending()
    services = yaml.safe_load(render_bundle(settings, SITE).compose)["services"]
    alertmanager = services["alertmanager"]
    assert (alertmanager["network_mode"], alertmanager["user"]) == ("host", "0:0")
    assert (alertmanager["cap_drop"], alertmanager["cap_add"]) == (["ALL"], ["DAC_OVERRIDE"])
    assert alertmanager["security_opt"] == ["no-new-privileges:true"]
    assert not {"networks", "ports", "privileged"} & alertmanager.keys()
    assert alertmanager["volumes"] == ["alertmanager:/alertmanager"]
    listening = [word for word in alertmanager["command"] if "listen-address" in word]
    assert listening == [
        "--cluster.listen-address=",
        f"--web.listen-address=127.0.0.1:{settings.ports.alertmanager}",
        f"--web.listen-address={ADDRESS}:9093",
    ]
    assert f"//127.0.0.1:{settings.ports.alertmanager}/" in alertmanager["healthcheck"]["test"][1]


def test_prometheus_finds_alertmanager_where_it_is() -> None:
    for settings, target in ((sending(), f"{ADDRESS}:9093"), (SETTINGS, "alertmanager:9093")):
        document = prometheus(SITE, settings)
        (found,) = document["alerting"]["alertmanagers"]
        assert found["static_configs"] == [{"targets": [target]}]
        (job,) = (one for one in document["scrape_configs"] if one["job_name"] == "alertmanager")
        assert job["static_configs"] == [{"targets": [target]}]


def test_alertmanagers_secrets_belong_to_whom_it_is() -> None:
    heartbeat = sending(heartbeat=True)
    mute = environment_settings("dev", monitoring={"alerts": {"heartbeat": True}})
    for settings, owner in ((heartbeat, "0"), (mute, "65534")):
        service = yaml.safe_load(render_bundle(settings, SITE).compose)["services"]["alertmanager"]
        assert [one["uid"] for one in service["secrets"]] == [owner]


def test_without_a_topic_alertmanager_is_nobody_and_backstage(services: dict[str, Any]) -> None:
    alertmanager = services["alertmanager"]
    assert not {"network_mode", "user", "cap_add"} & alertmanager.keys()
    assert alertmanager["ports"] == [f"127.0.0.1:{SETTINGS.ports.alertmanager}:9093"]
    assert alertmanager["networks"] == ["backstage"]


@pytest.mark.parametrize("settings", [SETTINGS, sending()], ids=["no topic", "topic"])
def test_what_users_have_no_business_with_is_backstage_on_ec2_too(
    settings: ClusterSettings,
) -> None:
    services = yaml.safe_load(render_bundle(settings, SITE).compose)["services"]
    there = {name: one["networks"] for name, one in services.items() if "networks" in one}
    both = [name for name, networks in there.items() if networks == ["cluster", "backstage"]]
    backstage = {name for name, networks in there.items() if networks == ["backstage"]}
    assert both == ["slurmdbd", "prometheus"]
    assert backstage - {"alertmanager"} == {"mysql", "mysqld-exporter"}


def test_gpus_are_measured_by_their_nodes_which_are_found_by_a_file() -> None:
    prod = environment_settings("prod")
    launches = dict.fromkeys(prod.pools, aws().launches["cpu"])
    site = replace(SITE, aws=replace(aws(), launches=launches))
    jobs = {job["job_name"]: job for job in prometheus(site, prod)["scrape_configs"]}
    (source,) = jobs["gpu"]["file_sd_configs"]
    assert source["files"] == ["/run/fleet/targets/gpus.json"]
    services = yaml.safe_load(render_bundle(prod, site).compose)["services"]
    assert "dcgm-exporter" not in services
    assert "gpu" not in {job["job_name"] for job in prometheus(SITE)["scrape_configs"]}


@pytest.mark.parametrize(
    ("vpc", "cluster", "backstage"),
    [
        ("10.80.0.0/16", "192.168.240.0/24", "192.168.241.0/24"),
        ("192.168.0.0/16", "172.30.240.0/24", "172.30.241.0/24"),
        ("172.16.0.0/16", "192.168.240.0/24", "192.168.241.0/24"),
        ("192.168.241.0/24", "192.168.240.0/24", "172.30.241.0/24"),
    ],
)
def test_the_containers_networks_have_none_of_the_vpcs_addresses(
    vpc: str, cluster: str, backstage: str
) -> None:
    assert bridge_subnet(vpc, "cluster") == cluster
    assert bridge_subnet(vpc, "backstage") == backstage
    networks = yaml.safe_load(render_bundle(SETTINGS, SITE).compose)["networks"]
    assert networks["cluster"]["ipam"]["config"] == [{"subnet": "192.168.240.0/24"}]
    assert networks["backstage"]["ipam"]["config"] == [{"subnet": "192.168.241.0/24"}]


def test_on_one_machine_nothing_of_ec2_is_rendered() -> None:
    text = render_bundle(SETTINGS, LOCAL).compose
    for word in (ADDRESS, "network_mode", '"provider": "ec2"', aws().system_bucket):
        assert word not in text
