"""Who may open a connection to whom: the rules of the security groups as data.

security_groups.py makes them; reachability.py reads them, or what was made, as a matrix. Traffic to
the VPC's name server, its clock and a machine's own metadata passes no security group.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from config.render.gpu_exporter import GPU_METRICS_PORT
from config.render.prometheus import NODE_METRICS_PORT
from config.render.slurm_conf import SRUN_PORTS
from config.settings import ClusterSettings
from config.settings.aws import Aws

INTERNET = "0.0.0.0/0"
SLURMCTLD, SLURMD, SLURMDBD = 6817, 6818, 6819
NFS, HTTP, HTTPS = 2049, 80, 443
UNPRIVILEGED = (1024, 65535)
EXPORTERS = (NODE_METRICS_PORT, GPU_METRICS_PORT)
"""Ports of a node that whoever collects metrics reaches, and no job on another node.

Open MPI takes ports from 1024 up as it needs them: it hardly comes so far.
"""


class Role(StrEnum):
    """A security group: what a machine is in the cluster. A machine may have several."""

    CONTROLLER = "controller"
    COMPUTE = "compute"
    STORAGE = "storage"
    MONITORING = "monitoring"
    """Whoever collects metrics."""
    EFA = "efa"
    """Nodes that talk to each other over an Elastic Fabric Adapter."""


Peer = Role | str
"""Another group, or an address range."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One permission of one group. `ports` are the first and the last; None: every protocol."""

    group: Role
    direction: Literal["ingress", "egress"]
    peer: Peer
    ports: tuple[int, int] | None
    description: str

    @property
    def key(self) -> str:
        """A name that no other rule has and that no other rule's coming changes."""
        peer = self.peer.replace("/", "-").replace(".", "-")
        ports = "all" if self.ports is None else "-".join(map(str, dict.fromkeys(self.ports)))
        return f"{self.group}-{self.direction}-{peer}-{ports}"


def firewall_rules(
    *, ssh_from: Sequence[str] = (), ssh_port: int = 22, forwards: bool, efa: bool
) -> tuple[Rule, ...]:
    """All rules of a cluster.

    `forwards`: the controller forwards for the nodes, so what they send to the internet passes its
    group. `efa`: there is a pool whose nodes have adapters.
    """
    controller, compute = Role.CONTROLLER, Role.COMPUTE
    rules = [
        *_connection(compute, controller, SLURMCTLD, "nodes register and report to slurmctld"),
        *_connection(compute, controller, SLURMDBD, "sacct and sacctmgr on nodes ask slurmdbd"),
        *_connection(compute, controller, SRUN_PORTS, "nodes call srun on the login node back"),
        *_connection(controller, compute, SLURMD, "slurmctld and srun reach slurmd"),
        *(
            rule
            for ports in _without(UNPRIVILEGED, EXPORTERS)
            for rule in _connection(
                compute, compute, ports, "MPI between nodes, message tree of slurmd"
            )
        ),
        *_connection(controller, Role.STORAGE, NFS, "homes"),
        *_connection(compute, Role.STORAGE, NFS, "homes"),
        *_connection(Role.MONITORING, compute, NODE_METRICS_PORT, "metrics of nodes"),
        *_connection(Role.MONITORING, compute, GPU_METRICS_PORT, "metrics of GPUs"),
    ]
    for port, what in ((HTTPS, "AWS, packages and data"), (HTTP, "packages")):
        out = f"{what} over port {port}"
        rules += [_egress(group, INTERNET, port, out) for group in (controller, compute)]
        if forwards:
            rules.append(_ingress(controller, compute, port, f"forwarded for nodes: {what}"))
    rules += [
        _ingress(controller, network, ssh_port, "SSH to the login node, by a setting")
        for network in ssh_from
    ]
    if efa:
        # An adapter's traffic has no ports, and EC2 wants the group to name itself both ways.
        rules += [
            _ingress(Role.EFA, Role.EFA, None, "EFA between nodes"),
            _egress(Role.EFA, Role.EFA, None, "EFA between nodes"),
        ]
    return tuple(rules)


def cluster_rules(settings: ClusterSettings, aws: Aws) -> tuple[Rule, ...]:
    """The rules of a cluster with these settings."""
    return firewall_rules(
        ssh_from=aws.network.ssh_from,
        ssh_port=settings.ports.ssh,
        forwards=aws.network.nat == "controller" and aws.network.existing is None,
        efa=any(pool.aws.efa for pool in settings.pools.values()),
    )


def _without(ports: tuple[int, int], closed: Sequence[int]) -> list[tuple[int, int]]:
    """The ranges that are left of one."""
    first, last = ports
    begins = [first, *(port + 1 for port in sorted(closed))]
    ends = [*(port - 1 for port in sorted(closed)), last]
    return list(zip(begins, ends, strict=True))


def _connection(
    source: Role, target: Role, ports: int | tuple[int, int], why: str
) -> tuple[Rule, Rule]:
    return _egress(source, target, ports, why), _ingress(target, source, ports, why)


def _ingress(group: Role, peer: Peer, ports: int | tuple[int, int] | None, why: str) -> Rule:
    return Rule(group=group, direction="ingress", peer=peer, ports=_range(ports), description=why)


def _egress(group: Role, peer: Peer, ports: int | tuple[int, int] | None, why: str) -> Rule:
    return Rule(group=group, direction="egress", peer=peer, ports=_range(ports), description=why)


def _range(ports: int | tuple[int, int] | None) -> tuple[int, int] | None:
    return (ports, ports) if isinstance(ports, int) else ports
