"""An AWS of this test run only: moto's HTTP server, with what a cluster has there.

moto knows no quotas, no shortages and no client tokens: scripted_ec2.py does.
"""

import json
import logging
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from unittest import mock

from moto.server import ThreadedMotoServer
from node_manager.ec2_calls import Clients, connect
from node_manager.fleet import Fleet
from node_manager.fleet_file import parse_fleet

from tests.node_manager.builders import ORDINARY, SPOT, fleet_document

REGION: Literal["eu-west-1"] = "eu-west-1"
BUCKET = "cluster-names"
PREFIX = "names/"
IMAGE = "ami-12c6146b"  # moto brings it
TYPES = {"c7i.large": (0.09, 0.03), "c7i.xlarge": (0.18, 0.06)}
"""Name to the prices on demand and on spot."""


@dataclass(frozen=True, kw_only=True)
class Aws:
    """Clients of the server, and the ids of what was made in it."""

    endpoint: str
    clients: Clients
    subnets: tuple[str, ...]
    launch_template: str

    def fleet(self, *, cluster: str = "local", shortage_seconds: int = 300, **pool: Any) -> Fleet:
        """A fleet with the pool cpu here; further keyword arguments are keys of the pool."""
        return ec2_fleet(
            cluster=cluster,
            shortage_seconds=shortage_seconds,
            subnets=self.subnets,
            launch_template=self.launch_template,
            **pool,
        )

    def names(self, pool: str = "cpu") -> dict[str, Any]:
        """The names object as it is in S3."""
        answer = self.clients.s3.get_object(Bucket=BUCKET, Key=f"{PREFIX}{pool}.json")
        document: dict[str, Any] = json.loads(answer["Body"].read())
        return document

    def put_names(self, text: str, pool: str = "cpu") -> None:
        """Write the names object behind the manager's back."""
        self.clients.s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}{pool}.json", Body=text.encode())

    def instances(self, *states: str) -> dict[str, dict[str, Any]]:
        """What EC2 has in these states, or in any but terminated, by id."""
        wanted = states or ("pending", "running", "shutting-down", "stopping", "stopped")
        filters: Any = [{"Name": "instance-state-name", "Values": list(wanted)}]
        pages = self.clients.ec2.get_paginator("describe_instances").paginate(Filters=filters)
        return {
            str(instance["InstanceId"]): dict(instance)
            for page in pages
            for reservation in page["Reservations"]
            for instance in reservation["Instances"]
        }

    def run(self, count: int = 1, **tags: str) -> list[str]:
        """Instances that the manager did not start; tags: `cluster` and `pool` of ours, others."""
        ours = {"cluster": "hpc-stack:cluster", "pool": "hpc-stack:pool"}
        labels: Any = [{"Key": ours.get(key, key), "Value": text} for key, text in tags.items()]
        answer = self.clients.ec2.run_instances(
            ImageId=IMAGE,
            InstanceType="c7i.large",
            MinCount=count,
            MaxCount=count,
            SubnetId=self.subnets[0],
            TagSpecifications=[{"ResourceType": "instance", "Tags": labels}] if labels else [],
        )
        return [instance["InstanceId"] for instance in answer["Instances"]]


def ec2_fleet(
    *,
    cluster: str = "local",
    shortage_seconds: int = 300,
    subnets: tuple[str, ...] = ("subnet-a", "subnet-b"),
    launch_template: str = "lt-1",
    pools: tuple[str, ...] = ("cpu",),
    **pool: Any,
) -> Fleet:
    """A fleet on EC2; further keyword arguments are keys of every pool."""
    document = fleet_document(cluster=cluster, provider="ec2")
    shape = {
        "min_nodes": 0,
        "max_nodes": 5000,
        "cpus": 2,
        "memory_mb": 3500,
        "gpus": None,
        **ORDINARY,
        "spot": SPOT,
        "ec2": {
            "launch_template": launch_template,
            "launch_template_version": "1",
            "subnets": list(subnets),
            "instance_types": [
                {"name": name, "on_demand_price": on_demand, "spot_price": spot}
                for name, (on_demand, spot) in TYPES.items()
            ],
        },
    }
    document["pools"] = [{**shape, "name": name, **pool} for name in pools]
    document["ec2"] = {
        "region": REGION,
        "names_bucket": BUCKET,
        "names_prefix": PREFIX,
        "tags": {"team": "a"},
        "shortage_seconds": shortage_seconds,
    }
    return parse_fleet(document)


@contextmanager
def moto_server() -> Iterator[str]:
    """A server on a free port of this machine; its URL."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request otherwise
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def environment(endpoint: str) -> dict[str, str]:
    """What tells boto3 to use the server, and nothing of this machine's own."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def empty_aws(endpoint: str) -> Aws:
    """Forget all that the server has, and make what Pulumi makes for a cluster."""
    request = urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")  # noqa: S310
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310
        pass
    with mock.patch.dict(os.environ, environment(endpoint)):
        clients = connect(REGION)
    network = clients.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        clients.ec2.create_subnet(
            VpcId=network, CidrBlock=f"10.0.{64 * number}.0/18", AvailabilityZone=f"{REGION}{zone}"
        )["Subnet"]["SubnetId"]
        for number, zone in enumerate("ab")
    ]
    template = clients.ec2.create_launch_template(
        LaunchTemplateName="cpu",
        LaunchTemplateData={"ImageId": IMAGE, "InstanceType": "t3.micro"},
    )["LaunchTemplate"]["LaunchTemplateId"]
    clients.s3.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    return Aws(
        endpoint=endpoint,
        clients=clients,
        subnets=tuple(subnets),
        launch_template=template,
    )
