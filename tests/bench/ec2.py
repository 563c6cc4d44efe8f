"""A thousand EC2 nodes against moto over HTTP: calls, scontrol's calls, and the manager's own time.
And a first type without capacity, which moto lacks: on scripted EC2.

ParallelCluster 3.16.1 took 46 AWS and 11 scontrol calls for one job, and 204 and 101 for 100 jobs
(measured before, docs/development.md); it cannot be run beside this. The floor is: one CreateFleet,
one DescribeInstances, one PutObject, by boto3 alone.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from node_manager.ec2_provider import Ec2Provider
from node_manager.fleet import Fleet
from node_manager.journal import Journal

from ops.environment import CHECKOUT
from tests.bench.bench_cluster import say
from tests.bench.figure import Figure, median
from tests.node_manager.ec2_slurm import Ec2Slurm
from tests.node_manager.fake_provider import Clock, make_reconciler
from tests.node_manager.moto_server import BUCKET, TYPES, Aws, empty_aws
from tests.node_manager.scripted_ec2 import World

NODES = 1000
DELAY = 0.1
ROUNDS = 3
PARALLEL_CLUSTER = {"one-job": (46, 11), "100-jobs": (204, 101)}


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What one run took; `own` is wall time without the server's, in seconds."""

    scontrol: int
    own: float
    wall: float
    by_name: Counter[str]

    @property
    def calls(self) -> int:
        """AWS calls, tries included."""
        return self.by_name.total()


def figures() -> Iterator[Figure]:
    """One job of 1000 nodes, 100 jobs of 10, a slow API, the end of all, and a stockout."""
    with _server() as endpoint:
        for name, jobs in (("one-job", 1), ("100-jobs", 100)):
            plain = [_launch(endpoint, jobs, 0.0) for _ in range(ROUNDS)]
            slow = [_launch(endpoint, jobs, DELAY) for _ in range(ROUNDS)]
            say(f"ec2 {name}: {plain[-1]}, slow {slow[-1]}")
            calls, scontrol = PARALLEL_CLUSTER[name]
            others = "ParallelCluster 3.16.1, measured before"
            yield Figure(
                name=f"ec2-1000-nodes-{name}-aws-calls",
                value=max(taken.calls for taken in plain),
                unit="calls",
                goal=10,
                baseline=calls,
                baseline_is=others,
            )
            yield Figure(
                name=f"ec2-1000-nodes-{name}-scontrol-calls",
                value=max(taken.scontrol for taken in plain),
                unit="calls",
                goal=3,
                baseline=scontrol,
                baseline_is=others,
            )
            yield Figure(
                name=f"ec2-1000-nodes-{name}-own-time",
                value=median([taken.own for taken in plain]),
                unit="s",
                goal=1.0,
                baseline=median([_floor(endpoint, 0.0).own for _ in range(ROUNDS)]),
                baseline_is="the floor by boto3 alone",
            )
            yield Figure(
                name=f"ec2-1000-nodes-{name}-slow-api",
                value=median([taken.own for taken in slow]),
                unit="s",
                goal=3.0,
                baseline=median([_floor(endpoint, DELAY).own for _ in range(ROUNDS)]),
                baseline_is="the floor by boto3 alone",
                note=f"{DELAY * 1000:.0f} ms added to each call",
            )
        yield Figure(
            name="ec2-1000-nodes-terminate-aws-calls",
            value=_terminate(endpoint).calls,
            unit="calls",
            goal=5,
        )
    yield Figure(
        name="ec2-stockout-of-the-first-type",
        value=_rounds_to_the_second_type(),
        unit="rounds",
        goal=1,
        note=f"until all of {NODES} nodes are launched from the second type",
    )


def _rounds_to_the_second_type() -> int:
    """How many launches, one a round, it takes when the first type has no capacity."""
    world = World(max_nodes=NODES)
    first = next(iter(TYPES))
    world.ec2.room = {(first, "subnet-a"): 0, (first, "subnet-b"): 0}
    world.ec2.tries = 2  # EC2 says so of the first type, and has not looked at the second one
    missing = [f"cpu-{number}" for number in range(1, NODES + 1)]
    rounds = 0
    while missing:
        rounds += 1
        missing = [result.node for result in world.launch(*missing) if result.failure]
    launched = Counter(machine["InstanceType"] for machine in world.ec2.instances.values())
    say(f"ec2 stockout: {launched}, {world.ec2.count('CreateFleet')} CreateFleet")
    return rounds


def _launch(endpoint: str, jobs: int, delay: float) -> Taken:
    """All nodes launched and named, by a manager that has just been started."""
    with _world(endpoint) as world:
        # slurmctld asks for nodes once a second: many jobs come in several of its power ticks.
        ticks = 1 if jobs == 1 else 2
        names = [f"cpu-{number}" for number in range(1, NODES + 1)]
        taken = []
        for tick in range(ticks):
            for name in names[tick::ticks]:
                world.slurm.allocate(name)
            world.slurm.tick()
            taken.append(world.round(delay))
        assert set(world.aws.names()["names"].values()) == set(names)
    return _sum(taken)


def _terminate(endpoint: str) -> Taken:
    with _world(endpoint) as world:
        names = [f"cpu-{number}" for number in range(1, NODES + 1)]
        for name in names:
            world.slurm.allocate(name)
        world.slurm.tick()
        world.manager.run_once()
        world.slurm.tick()
        for name in names:
            world.slurm.end_job(name)
            world.slurm.suspend(name)
        taken = world.round(0.0)
        assert world.aws.instances("running", "pending") == {}
    say(f"ec2 terminate: {taken}")
    return taken


def _sum(taken: list[Taken]) -> Taken:
    by_name: Counter[str] = Counter()
    for one in taken:
        by_name.update(one.by_name)
    return Taken(
        scontrol=sum(one.scontrol for one in taken),
        own=sum(one.own for one in taken),
        wall=sum(one.wall for one in taken),
        by_name=by_name,
    )


def _floor(endpoint: str, delay: float) -> Taken:
    aws = empty_aws(endpoint)
    _get(f"{endpoint}/bench/reset?delay={delay}")
    begun = time.monotonic()
    answer = aws.clients.ec2.create_fleet(
        Type="instant",
        TargetCapacitySpecification={
            "TotalTargetCapacity": NODES,
            "DefaultTargetCapacityType": "on-demand",
        },
        LaunchTemplateConfigs=[
            {
                "LaunchTemplateSpecification": {
                    "LaunchTemplateId": aws.launch_template,
                    "Version": "1",
                },
                "Overrides": [{"InstanceType": "c7i.large", "SubnetId": aws.subnets[0]}],
            }
        ],
        TagSpecifications=[
            {"ResourceType": "instance", "Tags": [{"Key": "floor", "Value": "yes"}]}
        ],
    )
    ids = [id_ for group in answer["Instances"] for id_ in group["InstanceIds"]]
    aws.clients.ec2.describe_instances(
        Filters=[{"Name": "tag:floor", "Values": ["yes"]}], MaxResults=1000
    )
    body = json.dumps({id_: f"cpu-{n}" for n, id_ in enumerate(ids)}).encode()
    aws.clients.s3.put_object(Bucket=BUCKET, Key="floor", Body=body)
    wall = time.monotonic() - begun
    counts = _get(f"{endpoint}/bench/counts")
    _get(f"{endpoint}/bench/reset?delay=0")
    return Taken(scontrol=0, own=wall - counts["seconds"], wall=wall, by_name=Counter(floor=3))


@dataclass
class _World:
    aws: Aws
    slurm: Ec2Slurm
    provider: Ec2Provider
    fleet: Fleet
    run_dir: Path
    calls: Counter[str]

    def __post_init__(self) -> None:
        self.manager = make_reconciler(
            fleet=self.fleet,
            slurm=self.slurm,
            provider=self.provider,
            run_dir=self.run_dir,
            journal=Journal(io.StringIO()),
            clock=time.time,
        )

    def round(self, delay: float) -> Taken:
        """One round of the manager, measured."""
        _get(f"{self.aws.endpoint}/bench/reset?delay={delay}")
        self.calls.clear()
        self.slurm.commands = 0
        begun = time.monotonic()
        assert self.manager.run_once().observed
        wall = time.monotonic() - begun
        counts = _get(f"{self.aws.endpoint}/bench/counts")
        _get(f"{self.aws.endpoint}/bench/reset?delay=0")
        assert counts["calls"] == self.calls.total(), "the manager counts all of its calls"
        return Taken(
            scontrol=self.slurm.commands,
            own=wall - counts["seconds"],
            wall=wall,
            by_name=Counter(self.calls),
        )


@contextlib.contextmanager
def _world(endpoint: str) -> Iterator[_World]:
    aws = empty_aws(endpoint)
    fleet = aws.fleet(max_nodes=NODES, spot=None)
    calls: Counter[str] = Counter()

    def observe(name: str, result: str) -> None:
        calls[f"{name} {result}"] += 1

    provider = Ec2Provider(fleet, observe=observe, clients=aws.clients)
    slurm = Ec2Slurm(fleet, aws, Clock(time.time()))
    with tempfile.TemporaryDirectory() as directory:
        yield _World(aws, slurm, provider, fleet, Path(directory), calls)


@contextlib.contextmanager
def _server() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.timed_moto"],
        cwd=CHECKOUT,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        endpoint = process.stdout.readline().strip()
        with mock.patch.dict(os.environ, {"AWS_ENDPOINT_URL": endpoint}):
            yield endpoint
    finally:
        process.kill()
        process.wait()


def _get(url: str) -> dict[str, float]:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310
        return dict(json.loads(answer.read()))
