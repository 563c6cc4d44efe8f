"""How the controller's services differ where they run on an EC2 host.

Nodes are machines of their own there, so what they talk to is reached at the host's address:
Slurm's daemons by published ports, login node and node manager in the host's network.
"""

from ipaddress import IPv4Network
from typing import Any

from config.render.site import AwsSite
from config.settings import ClusterSettings

Services = dict[str, dict[str, Any]]


def place_on_ec2(services: Services, settings: ClusterSettings, aws: AwsSite) -> None:
    """Change the services, as they are for one machine, to those of an EC2 host."""
    address = aws.controller_address
    for service in services.values():
        if service.get("pull_policy") == "never":
            service["pull_policy"] = "missing"  # from the account's own registry
    services["slurmctld"]["ports"] = [f"{address}:6817:6817"]
    services["slurmdbd"]["ports"] = [f"{address}:6819:6819"]
    # srun on the login node is called back by nodes, at SrunPortRange.
    login = services["login"]
    _on_the_host(login, aws)
    login["environment"] = {
        "SLURM_CONTROLLER": f"{address}:6817",
        "SSH_PORT": str(settings.ports.ssh),
    }
    # The host's metadata service, which gives it its role, answers only the host's own network.
    manager = services["node-manager"]
    _on_the_host(manager, aws)
    manager["volumes"] = [volume for volume in manager["volumes"] if "docker.sock" not in volume]
    manager["environment"] = {"AWS_DEFAULT_REGION": aws.region}
    # It gives no key to anybody: a node reads it by its own role.
    del manager["secrets"]


def _on_the_host(service: dict[str, Any], aws: AwsSite) -> None:
    service["network_mode"] = "host"
    service["extra_hosts"] = [f"slurmdbd:{aws.controller_address}"]
    service.pop("networks")
    service.pop("ports", None)


def bridge_subnet(vpc_cidr: str) -> str:
    """A range for the containers' network that is not one of the VPC's."""
    vpc = IPv4Network(vpc_cidr)
    return next(
        text
        for text in ("192.168.240.0/24", "172.30.240.0/24")
        if not IPv4Network(text).overlaps(vpc)
    )
