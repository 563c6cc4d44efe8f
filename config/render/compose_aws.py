"""How the controller's services differ where they run on an EC2 host.

Nodes are machines of their own there, so what they talk to is reached at the host's address:
Slurm's daemons by published ports, login node and node manager in the host's network.
"""

from ipaddress import IPv4Network
from typing import Any

from config.render.parts import answers, secret
from config.render.prometheus import ALERTMANAGER_PORT, NODE_METRICS_PORT
from config.render.site import BACKSTAGE_NETWORK, CLUSTER_NETWORK, AwsSite
from config.settings import ClusterSettings

TEXT_METRICS_DIRECTORY = "/data/metrics"
"""Where on the host metrics lie as text, written by the host agent."""

Services = dict[str, dict[str, Any]]

_SUBNETS = {
    CLUSTER_NETWORK: ("192.168.240.0/24", "172.30.240.0/24"),
    BACKSTAGE_NETWORK: ("192.168.241.0/24", "172.30.241.0/24"),
}
"""Ranges that each of the containers' networks may have."""


def place_on_ec2(services: Services, settings: ClusterSettings, aws: AwsSite) -> None:
    """Change the services, as they are for one machine, to those of an EC2 host."""
    address = aws.controller_address
    for name, service in services.items():
        if service.get("pull_policy") == "never":
            service["pull_policy"] = "missing"  # from the account's own registry
        service["logging"] = _to_cloudwatch(name, aws)
    services["slurmctld"]["ports"] = [f"{address}:6817:6817"]
    services["slurmdbd"]["ports"] = [f"{address}:6819:6819"]
    # srun on the login node is called back by nodes, at SrunPortRange.
    login = services["login"]
    _on_the_host(login, aws)
    login["environment"] = {
        "SLURM_CONTROLLER": f"{address}:6817",
        "SSH_PORT": str(settings.ports.ssh),
    }
    if settings.monitoring.enabled:
        # For hpc-job, about GPUs. Also without any: with the first ones it would be another
        # container, and all who are logged in would be thrown out.
        login["environment"]["PROMETHEUS"] = f"127.0.0.1:{settings.ports.prometheus}"
    # The host's metadata service, which gives it its role, answers only the host's own network.
    manager = services["node-manager"]
    _on_the_host(manager, aws)
    manager["volumes"] = [volume for volume in manager["volumes"] if "docker.sock" not in volume]
    if "node-exporter" in services:
        _observe_the_host(services["node-exporter"], aws)
    if "alertmanager" in services and settings.monitoring.alerts.sns:
        _send_by_the_hosts_role(services["alertmanager"], settings, aws)
    manager["environment"] = {"AWS_DEFAULT_REGION": aws.region}
    # It gives no key to anybody: a node reads it by its own role.
    del manager["secrets"]


def _to_cloudwatch(service: str, aws: AwsSite) -> dict[str, Any]:
    """As its own stream, and on the host as well, for `docker logs`.

    Not blocking, a service runs and starts although CloudWatch does not answer.
    """
    return {
        "driver": "awslogs",
        "options": {
            "awslogs-region": aws.region,
            "awslogs-group": aws.log_group,
            "awslogs-stream": service,
            "mode": "non-blocking",
            "max-buffer-size": "4m",
            "cache-max-size": "10m",
            "cache-max-file": "3",
        },
    }


def _observe_the_host(exporter: dict[str, Any], aws: AwsSite) -> None:
    """Its own network and all of its disks, read as nobody; and what others put down there."""
    _on_the_host(exporter, aws)
    address = f"{aws.controller_address}:{NODE_METRICS_PORT}"
    exporter["command"] = [
        f"--web.listen-address={address}",
        "--path.rootfs=/host",
        f"--collector.textfile.directory=/host{TEXT_METRICS_DIRECTORY}",
    ]
    exporter["volumes"] = ["/:/host:ro,rslave"]
    exporter["healthcheck"] = answers(f"http://{address}/")


def _send_by_the_hosts_role(
    alertmanager: dict[str, Any], settings: ClusterSettings, aws: AwsSite
) -> None:
    """The metadata service gives the role to root alone, in the host's own network alone.

    So it is root, without any power over the host: all that it may besides is to write into its
    volume, which belongs to nobody, as Alertmanager is one where it sends to no topic.
    """
    _on_the_host(alertmanager, aws)
    here = f"127.0.0.1:{settings.ports.alertmanager}"
    there = f"{aws.controller_address}:{ALERTMANAGER_PORT}"
    alertmanager["command"] = [
        *alertmanager["command"],
        *(f"--web.listen-address={address}" for address in (here, there)),
    ]
    alertmanager["user"] = "0:0"
    alertmanager["cap_add"] = ["DAC_OVERRIDE"]
    alertmanager["secrets"] = [secret(name) for name in settings.monitoring.alerts.secrets]
    alertmanager["healthcheck"] = answers(f"http://{here}/-/ready")


def _on_the_host(service: dict[str, Any], aws: AwsSite) -> None:
    service["network_mode"] = "host"
    service["extra_hosts"] = [f"slurmdbd:{aws.controller_address}"]
    service.pop("networks")
    service.pop("ports", None)


def bridge_subnet(vpc_cidr: str, network: str) -> str:
    """A range for one of the containers' networks that is not one of the VPC's."""
    vpc = IPv4Network(vpc_cidr)
    return next(text for text in _SUBNETS[network] if not IPv4Network(text).overlaps(vpc))
