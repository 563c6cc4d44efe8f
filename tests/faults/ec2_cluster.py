"""A manager over the real EC2 provider and moto, and a Slurm whose slurmds run on its instances.

Time passes only when told to; it begins now, since moto's instances are launched now.
"""

import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from node_manager.ec2_calls import Clients
from node_manager.ec2_provider import Ec2Provider
from node_manager.journal import Journal

from tests.node_manager.ec2_slurm import Ec2Slurm, names_in
from tests.node_manager.fake_provider import Clock, make_reconciler
from tests.node_manager.moto_server import Aws


class Meddler:
    """A client of AWS with somebody in its way: `before` and `after` a call, by its name."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.before: dict[str, Callable[[], None]] = {}
        self.after: dict[str, Callable[[], None]] = {}

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if not callable(method):
            return method

        def call(**arguments: Any) -> Any:
            self.before.get(name, _nothing)()
            answer = method(**arguments)
            self.after.get(name, _nothing)()
            return answer

        return call


def _nothing() -> None:
    """Nobody is in the way."""


def refuses(code: str, times: int) -> Callable[[], None]:
    """An AWS that answers with an error code so many times."""
    left = [times]

    def refuse() -> None:
        if left[0]:
            left[0] -= 1
            raise ClientError({"Error": {"Code": code, "Message": "not now"}}, "Anything")

    return refuse


def once(error: Exception) -> Callable[[], None]:
    """Raises the error at the first call only."""
    left = [error]

    def strike() -> None:
        if left:
            raise left.pop()

    return strike


class Ec2Cluster:
    """Everything together, and a manager that can be started again."""

    def __init__(self, directory: Path, aws: Aws, **pool: Any) -> None:
        self.directory = directory
        self.aws = aws
        self.clock = Clock(time.time())
        self.fleet = aws.fleet(**({"max_nodes": 4, "spot": None} | pool))
        self.slurm = Ec2Slurm(self.fleet, aws, self.clock)
        self.ec2, self.s3 = Meddler(aws.clients.ec2), Meddler(aws.clients.s3)
        self.log = io.StringIO()
        self.restart()

    def restart(self) -> None:
        """Another process: nothing is left of what the old one knew."""
        clients: Any = Clients(ec2=self.ec2, s3=self.s3)  # type: ignore[arg-type]
        self.manager = make_reconciler(
            fleet=self.fleet,
            slurm=self.slurm,
            provider=Ec2Provider(self.fleet, clock=self.clock, sleep=self._sleep, clients=clients),
            run_dir=self.directory,
            journal=Journal(self.log),
            clock=self.clock,
        )

    def _sleep(self, seconds: float) -> None:
        self.clock.now += seconds

    def run_for(
        self, seconds: float, until: Callable[[], bool] = lambda: False, *, step: float = 1.0
    ) -> None:
        """Rounds and Slurm's ticks, one of each in `step` seconds."""
        end = self.clock.now + seconds
        while self.clock.now < end and not until():
            self.manager.run_once()
            self.slurm.tick()
            self.clock.now += step

    def instances(self) -> list[str]:
        """The nodes of the live instances, "" for one without a name."""
        names = self.names()
        return sorted(names.get(id_, "") for id_ in self.aws.instances("pending", "running"))

    def names(self) -> dict[str, str]:
        """Instance id to node, as it is in S3."""
        return names_in(self.aws)

    def events(self, **fields: object) -> list[dict[str, Any]]:
        """The log's lines with these fields."""
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in lines if fields.items() <= line.items()]
