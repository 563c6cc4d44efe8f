"""A Slurm in memory whose slurmds run on moto's instances: one registers when its instance runs and
has found its name in S3, as on EC2.
"""

from collections.abc import Callable, Iterable

from node_manager.fleet import Fleet
from node_manager.provider import Instance
from node_manager.slurm_client import SlurmRefused
from node_manager.slurm_state import NodeUpdate, SlurmNode

from tests.node_manager.builders import make_instance
from tests.node_manager.fake_provider import Clock, FakeSlurm
from tests.node_manager.moto_server import Aws


def names_in(aws: Aws) -> dict[str, str]:
    """Instance id to node, as an instance reads it; nothing where it cannot be read."""
    try:
        return dict(aws.names()["names"])
    except (aws.clients.s3.exceptions.NoSuchKey, ValueError):
        return {}


class Machines:
    """moto's instances as FakeSlurm needs them."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def tell_jobs(self, has_job: Callable[[str], bool]) -> None:
        """moto does not mind."""

    def live(self) -> list[Instance]:
        """The instances that have a name."""
        names = names_in(self._aws)
        if not names:
            return []
        running = self._aws.instances("running")
        return [make_instance(names[id_], provider_id=id_) for id_ in running if id_ in names]


class Ec2Slurm(FakeSlurm):
    """FakeSlurm over moto. `commands` counts what would be calls of scontrol."""

    def __init__(self, fleet: Fleet, aws: Aws, clock: Clock) -> None:
        super().__init__(fleet, Machines(aws), clock)
        self.commands = 0

    def nodes(self) -> dict[str, SlurmNode]:
        self.commands += 1
        return super().nodes()

    def kept_nodes(self) -> frozenset[str]:
        self.commands += 1
        return super().kept_nodes()

    def update(
        self, nodes: Iterable[str], state: NodeUpdate, reason: str | None = None
    ) -> dict[str, SlurmRefused]:
        self.commands += 1
        return super().update(nodes, state, reason)
