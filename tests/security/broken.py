"""For each check, a cluster that breaks it: one that no example breaks would be no check."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from components.aws.user_data import encoded
from tests.security.graph import Graph, Resource

Change = Callable[[Resource], Resource]


def changed(kind: str, change: Change) -> Callable[[Graph], Graph]:
    """The graph with the first resource of a kind changed."""

    def apply(graph: Graph) -> Graph:
        first = next(graph.of(kind))
        return replace(graph, resources=[change(r) if r is first else r for r in graph.resources])

    return apply


def with_inputs(kind: str, **inputs: Any) -> Callable[[Graph], Graph]:
    """...given other inputs; `__` goes deeper."""
    return changed(kind, lambda r: replace(r, inputs=_deep(dict(r.inputs), inputs)))


def without_input(kind: str, key: str) -> Callable[[Graph], Graph]:
    return changed(
        kind, lambda r: replace(r, inputs={k: v for k, v in r.inputs.items() if k != key})
    )


def without(kind: str) -> Callable[[Graph], Graph]:
    """The graph without any resource of a kind."""

    def apply(graph: Graph) -> Graph:
        gone = set(map(id, graph.of(kind)))
        return replace(graph, resources=[r for r in graph.resources if id(r) not in gone])

    return apply


def statement(kind: str, sid: str, key: str = "policy", **parts: Any) -> Callable[[Graph], Graph]:
    """The graph with a statement, in whichever policy of the kind has it, changed."""

    def apply(graph: Graph) -> Graph:
        made, hit = [], False
        own = set(map(id, graph.of(kind)))
        for resource in graph.resources:
            if id(resource) in own and f'"{sid}"' in resource.inputs[key]:
                hit = True
                document = json.loads(resource.inputs[key])
                for one in document["Statement"]:
                    if one["Sid"] == sid:
                        one.update(parts)
                resource = replace(resource, inputs={**resource.inputs, key: json.dumps(document)})
            made.append(resource)
        assert hit, f"no statement {sid} in {kind}"
        return replace(graph, resources=made)

    return apply


def _deep(inputs: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    for path, value in changes.items():
        *above, last = path.split("__")
        place = inputs
        for step in above:
            place[step] = dict(place[step])
            place = place[step]
        place[last] = value
    return inputs


INGRESS, EGRESS = "vpc/securityGroupIngressRule", "vpc/securityGroupEgressRule"


def _open_to(cidr: str) -> Callable[[Graph], Graph]:
    def change(rule: Resource) -> Resource:
        inputs = {k: v for k, v in rule.inputs.items() if k != "referencedSecurityGroupId"}
        return replace(rule, inputs={**inputs, "cidrIpv4": cidr})

    return changed(INGRESS, change)


BROKEN: dict[str, Callable[[Graph], Graph]] = {
    "nothing comes in from the whole internet": _open_to("0.0.0.0/0"),
    "nothing comes in by IPv6, which no rule thinks of": with_inputs(INGRESS, cidrIpv6="::/0"),
    "no public range wider than one organisation comes in": _open_to("8.0.0.0/8"),
    "what comes in is from a group of the cluster, or by a range that a setting names": _open_to(
        "203.0.113.0/24"
    ),
    "every protocol at once is open between adapters alone": with_inputs(EGRESS, ipProtocol="-1"),
    "descriptions have the characters that AWS takes, which moto does not mind": with_inputs(
        "dlm/lifecyclePolicy", description="a cluster's data"
    ),
    "every rule of a security group says what it is for": without_input(INGRESS, "description"),
    "security groups have no rules of their own beside the rules as resources": with_inputs(
        "ec2/securityGroup", ingress=[{"protocol": "tcp"}]
    ),
    "the VPC's default security group is empty": without("ec2/defaultSecurityGroup"),
    "no subnet gives public addresses by itself": with_inputs(
        "ec2/subnet", mapPublicIpOnLaunch=True
    ),
    "no compute node gets a public address": with_inputs(
        "ec2/launchTemplate", networkInterfaces=[{"associatePublicIpAddress": "true"}]
    ),
    "private subnets have no route to the internet gateway": with_inputs(
        "ec2/route", routeTableId="prod-private-eu-central-1a-id"
    ),
    "only a controller that forwards has a public address": with_inputs(
        "ec2/instance", associatePublicIpAddress=True
    ),
    "the network's traffic is logged": without("ec2/flowLog"),
    "S3 is reached without the internet": without("ec2/vpcEndpoint"),
    "every volume is encrypted": without_input("ebs/volume", "encrypted"),
    "every root volume is encrypted": with_inputs("ec2/instance", rootBlockDevice__encrypted=False),
    "homes are encrypted at rest": with_inputs("efs/fileSystem", encrypted=False),
    "homes are mounted over TLS alone": statement(
        "efs/fileSystemPolicy", "TlsOnly", Effect="Allow"
    ),
    "homes are mounted through their access point alone": statement(
        "efs/fileSystemPolicy", "AccessPointOnly", Condition={}
    ),
    "every bucket is encrypted": without("s3/bucketServerSideEncryptionConfiguration"),
    "every bucket answers over TLS alone": statement("s3/bucketPolicy", "TlsOnly", Condition={}),
    "every bucket refuses old versions of TLS": statement(
        "s3/bucketPolicy", "Tls12OrLater", Condition={}
    ),
    "repositories are encrypted": without_input("ecr/repository", "encryptionConfigurations"),
    "every bucket is closed to the public": with_inputs(
        "s3/bucketPublicAccessBlock", restrictPublicBuckets=False
    ),
    "no bucket has access lists": with_inputs(
        "s3/bucketOwnershipControls", rule={"objectOwnership": "ObjectWriter"}
    ),
    "every bucket keeps versions": with_inputs(
        "s3/bucketVersioning", versioningConfiguration={"status": "Suspended"}
    ),
    "every bucket forgets old versions and unfinished uploads some day": with_inputs(
        "s3/bucketLifecycleConfiguration", rules=[]
    ),
    "every machine's metadata answers version 2 alone": with_inputs(
        "ec2/launchTemplate", metadataOptions__httpTokens="optional"
    ),
    "no container on a bridge reaches a machine's metadata": with_inputs(
        "ec2/instance", metadataOptions__httpPutResponseHopLimit=2
    ),
    "no machine has a key pair": with_inputs("ec2/instance", keyName="mine"),
    "every machine denies its role to whoever is not root": with_inputs(
        "ec2/launchTemplate", userData=encoded("#!/bin/sh\n")
    ),
    "on the controller nobody but root reaches what is backstage": with_inputs(
        "ec2/instance", userDataBase64=encoded("#!/bin/sh\n")
    ),
    "the controller comes back when its host fails, and when it hangs": without(
        "cloudwatch/metricAlarm"
    ),
    "no permission has a wildcard in an action": statement(
        "iam/rolePolicy", "SeeMachines", Action=["ec2:Describe*"]
    ),
    "a permission for every resource is one of the few that AWS cannot narrow": statement(
        "iam/rolePolicy", "EndOwnMachines", Resource="*"
    ),
    "machines are ended by the cluster's tag alone": statement(
        "iam/rolePolicy", "EndOwnMachines", Condition={}
    ),
    "a role is passed to EC2 alone, and it is a node's": statement(
        "iam/rolePolicy", "GiveNodesTheirRoles", Resource=["arn:aws:iam::123456789012:role/*"]
    ),
    "a node reads no other pool's names and no other secret than the key": statement(
        "iam/rolePolicy", "ReadOwnName", Resource=["arn:aws:s3:::prod-system/names/*"]
    ),
    "no role may change roles, policies, networks or templates": statement(
        "iam/rolePolicy", "GiveNodesTheirRoles", Action=["iam:PutRolePolicy"]
    ),
    "roles are taken by services, and the jobs' role by nodes alone": statement(
        "iam/role", "Nodes", "assumeRolePolicy", Condition={}
    ),
    "a role's policies are no longer than IAM allows": statement(
        "iam/rolePolicy", "EndOwnMachines", Resource=["arn:aws:ec2:x"] * 1000
    ),
    "every role is bounded where a boundary is asked for": with_inputs(
        "iam/role", permissionsBoundary="arn:aws:iam::123456789012:policy/other"
    ),
    "secrets are kept encrypted in AWS": with_inputs("ssm/parameter", type="String"),
    "secrets are kept encrypted in Pulumi's state": changed(
        "ssm/parameter", lambda r: replace(r, secret=frozenset())
    ),
    "no secret is in user data, tags, descriptions or the bundle": with_inputs(
        "ec2/launchTemplate", userData=encoded("#!/bin/sh\nKEY=made-up-secret\n")
    ),
    "an image's tag cannot be moved": with_inputs("ecr/repository", imageTagMutability="MUTABLE"),
    "every pushed image is scanned": without_input("ecr/repository", "imageScanningConfiguration"),
    "every repository forgets old images": without("ecr/lifecyclePolicy"),
    "the data volume has daily snapshots": with_inputs("dlm/lifecyclePolicy", state="DISABLED"),
    "in production, data cannot be deleted by mistake": changed(
        "ebs/volume", lambda r: replace(r, protected=False)
    ),
    "what can be made again is not protected, so that it can be replaced": changed(
        "ec2/instance", lambda r: replace(r, protected=True)
    ),
    "a bucket with protected data is never emptied by us": with_inputs(
        "s3/bucket", forceDestroy=True
    ),
    "everything that can carry tags carries the cluster's": with_inputs("ec2/subnet", tags={}),
    "everything that is launched carries the cluster's and its pool's tag": with_inputs(
        "ec2/launchTemplate", tagSpecifications=[]
    ),
    "nothing is made outside the table of what a cluster has": changed(
        "s3/bucket", lambda r: replace(r, type="aws:rds/instance:Instance")
    ),
}
