"""End a cluster's nodes: a program that the engine runs when a stack is destroyed.

    python -m components.aws.end_nodes

Told by HPC_STACK_REGION and HPC_STACK_CLUSTER. The node manager has launched them, so that the
engine does not know them; and by then the controller is gone, so that nobody launches more.
"""

import os
import sys
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from components.aws.tags import CLUSTER, POOL

WAIT = {"Delay": 5, "MaxAttempts": 60}


def nodes(ec2: Any, cluster: str) -> list[str]:
    """Instance ids of the nodes that are not gone yet."""
    filters = [
        {"Name": f"tag:{CLUSTER}", "Values": [cluster]},
        {"Name": "tag-key", "Values": [POOL]},
        {
            "Name": "instance-state-name",
            "Values": ["pending", "running", "shutting-down", "stopping", "stopped"],
        },
    ]
    pages = ec2.get_paginator("describe_instances").paginate(Filters=filters)
    return [
        instance["InstanceId"]
        for page in pages
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
    ]


def end(ec2: Any, cluster: str) -> int:
    """Terminate them and wait until they are gone, since subnets and groups go next: how many."""
    found = nodes(ec2, cluster)
    if found:
        ec2.terminate_instances(InstanceIds=found)
        ec2.get_waiter("instance_terminated").wait(InstanceIds=found, WaiterConfig=WAIT)
    return len(found)


def main() -> None:
    """End them as the environment says."""
    session = boto3.session.Session(region_name=os.environ["HPC_STACK_REGION"])
    cluster = os.environ["HPC_STACK_CLUSTER"]
    try:
        print(f"{end(session.client('ec2'), cluster)} node(s) of {cluster} ended")
    except (BotoCoreError, ClientError, WaiterError) as error:
        sys.exit(f"The nodes of {cluster} could not be ended: {error}")


if __name__ == "__main__":
    main()
