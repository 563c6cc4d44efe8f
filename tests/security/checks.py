"""What must hold of every cluster on AWS: each check names the resources that break it."""

import base64
import gzip
import json
import re
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from typing import Any

from tests.security.graph import Graph, Resource

Check = Callable[[Graph], Iterator[str]]
CHECKS: dict[str, Check] = {}

TAGGABLE = (
    "ec2/vpc", "ec2/subnet", "ec2/routeTable", "ec2/internetGateway", "ec2/securityGroup",
    "ec2/defaultSecurityGroup", "ec2/instance", "ec2/launchTemplate", "ec2/placementGroup",
    "ec2/natGateway", "ec2/eip", "ec2/vpcEndpoint", "ec2/flowLog", "ebs/volume", "efs/fileSystem",
    "efs/accessPoint", "s3/bucket", "ecr/repository", "ssm/parameter", "iam/role",
    "iam/instanceProfile", "cloudwatch/logGroup", "cloudwatch/metricAlarm", "dlm/lifecyclePolicy",
    "vpc/securityGroupIngressRule", "vpc/securityGroupEgressRule",
)  # fmt: skip
ANYWHERE = {"0.0.0.0/0", "::/0"}
PRODUCTION = "prod"


def check(sentence: str) -> Callable[[Check], Check]:
    """Register a check under a sentence that says what must hold."""

    def register(function: Check) -> Check:
        assert sentence not in CHECKS
        CHECKS[sentence] = function
        return function

    return register


def where(
    graph: Graph, kinds: tuple[str, ...] | str, bad: Callable[[dict[str, Any]], bool]
) -> Iterator[str]:
    """Names of the resources of some kinds whose inputs are bad."""
    for resource in graph.of(*((kinds,) if isinstance(kinds, str) else kinds)):
        if bad(dict(resource.inputs)):
            yield resource.name


def policies(graph: Graph) -> Iterator[tuple[Resource, dict[str, Any]]]:
    """Every statement of every policy that gives rights to a role."""
    for resource in graph.of("iam/rolePolicy"):
        for statement in json.loads(resource.inputs["policy"])["Statement"]:
            yield resource, statement


def statements(graph: Graph, kind: str, key: str = "policy") -> Iterator[tuple[str, Any]]:
    for resource in graph.of(kind):
        for statement in json.loads(resource.inputs[key])["Statement"]:
            yield resource.name, statement


def user_data(graph: Graph) -> Iterator[tuple[str, str]]:
    """What every machine runs at its boot, as text."""
    for resource in graph.of("ec2/instance", "ec2/launchTemplate"):
        packed = resource.inputs.get("userDataBase64") or resource.inputs["userData"]
        yield resource.name, gzip.decompress(base64.b64decode(packed)).decode()


def missing(graph: Graph, kind: str, companion: str, key: str) -> Iterator[str]:
    """Resources of a kind without the companion that each must have."""
    have = {resource.inputs[key] for resource in graph.of(companion)}
    yield from (r.name for r in graph.of(kind) if f"{r.name}-id" not in have)


# --- the network ---------------------------------------------------------------------------------


@check("nothing comes in from the whole internet")
def _(graph: Graph) -> Iterator[str]:
    yield from where(graph, "vpc/securityGroupIngressRule", lambda i: i.get("cidrIpv4") in ANYWHERE)


@check("nothing comes in by IPv6, which no rule thinks of")
def _(graph: Graph) -> Iterator[str]:
    yield from where(graph, "vpc/securityGroupIngressRule", lambda i: "cidrIpv6" in i)


@check("no public range wider than one organisation comes in")
def _(graph: Graph) -> Iterator[str]:
    def wide(inputs: dict[str, Any]) -> bool:
        network = IPv4Network(inputs.get("cidrIpv4", "10.0.0.0/8"))
        return not network.is_private and network.prefixlen < 16

    yield from where(graph, "vpc/securityGroupIngressRule", wide)


@check("what comes in is from a group of the cluster, or by a range that a setting names")
def _(graph: Graph) -> Iterator[str]:
    aws = graph.settings.aws
    named = set(aws.network.ssh_from) if aws else set()

    def stranger(inputs: dict[str, Any]) -> bool:
        if "referencedSecurityGroupId" in inputs:
            return False
        return inputs.get("cidrIpv4") not in named

    yield from where(graph, "vpc/securityGroupIngressRule", stranger)


@check("every protocol at once is open between adapters alone")
def _(graph: Graph) -> Iterator[str]:
    kinds = ("vpc/securityGroupIngressRule", "vpc/securityGroupEgressRule")
    yield from where(
        graph,
        kinds,
        lambda i: i["ipProtocol"] == "-1" and not i["securityGroupId"].endswith("-efa-id"),
    )


@check("descriptions have the characters that AWS takes, which moto does not mind")
def _(graph: Graph) -> Iterator[str]:
    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html and
    # https://docs.aws.amazon.com/dlm/latest/APIReference/API_CreateLifecyclePolicy.html
    rules = ("vpc/securityGroupIngressRule", "vpc/securityGroupEgressRule")
    in_ec2 = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}")
    in_dlm = re.compile(r"[0-9A-Za-z _-]{1,500}")
    for kind in ("ec2/securityGroup", *rules, "dlm/lifecyclePolicy"):
        allowed = in_dlm if kind.startswith("dlm/") else in_ec2
        for resource in graph.of(kind):
            if not allowed.fullmatch(resource.inputs["description"]):
                yield resource.name


@check("every rule of a security group says what it is for")
def _(graph: Graph) -> Iterator[str]:
    kinds = ("vpc/securityGroupIngressRule", "vpc/securityGroupEgressRule")
    yield from where(graph, kinds, lambda i: not i.get("description"))


@check("security groups have no rules of their own beside the rules as resources")
def _(graph: Graph) -> Iterator[str]:
    yield from where(
        graph, "ec2/securityGroup", lambda i: bool(i.get("ingress") or i.get("egress"))
    )


@check("the VPC's default security group is empty")
def _(graph: Graph) -> Iterator[str]:
    if not list(graph.of("ec2/defaultSecurityGroup")):
        yield "no resource for it"
    yield from where(
        graph, "ec2/defaultSecurityGroup", lambda i: bool(i.get("ingress") or i.get("egress"))
    )


@check("no subnet gives public addresses by itself")
def _(graph: Graph) -> Iterator[str]:
    yield from where(graph, "ec2/subnet", lambda i: i.get("mapPublicIpOnLaunch") is not False)


@check("no compute node gets a public address")
def _(graph: Graph) -> Iterator[str]:
    def public(inputs: dict[str, Any]) -> bool:
        cards = inputs.get("networkInterfaces", [])
        return any(card.get("associatePublicIpAddress") != "false" for card in cards)

    yield from where(graph, "ec2/launchTemplate", public)


@check("private subnets have no route to the internet gateway")
def _(graph: Graph) -> Iterator[str]:
    yield from where(
        graph, "ec2/route", lambda i: "gatewayId" in i and "public" not in i["routeTableId"]
    )


@check("only a controller that forwards has a public address")
def _(graph: Graph) -> Iterator[str]:
    aws = graph.settings.aws
    forwards = aws is not None and aws.network.nat == "controller"
    yield from where(
        graph, "ec2/instance", lambda i: i.get("associatePublicIpAddress") is not forwards
    )


@check("the network's traffic is logged")
def _(graph: Graph) -> Iterator[str]:
    if not list(graph.of("ec2/flowLog")):
        yield "no flow log"
    yield from where(graph, "ec2/flowLog", lambda i: i["trafficType"] != "ALL")


@check("S3 is reached without the internet")
def _(graph: Graph) -> Iterator[str]:
    if not list(graph.of("ec2/vpcEndpoint")):
        yield "no endpoint"
    yield from where(graph, "ec2/vpcEndpoint", lambda i: not i["serviceName"].endswith(".s3"))


# --- encryption ----------------------------------------------------------------------------------


@check("every volume is encrypted")
def _(graph: Graph) -> Iterator[str]:
    yield from where(graph, "ebs/volume", lambda i: i.get("encrypted") is not True)


@check("every root volume is encrypted")
def _(graph: Graph) -> Iterator[str]:
    yield from where(
        graph, "ec2/instance", lambda i: i["rootBlockDevice"].get("encrypted") is not True
    )
    yield from where(
        graph,
        "ec2/launchTemplate",
        lambda i: any(
            device["ebs"].get("encrypted") != "true" for device in i["blockDeviceMappings"]
        ),
    )


@check("homes are encrypted at rest")
def _(graph: Graph) -> Iterator[str]:
    yield from where(graph, "efs/fileSystem", lambda i: i.get("encrypted") is not True)


@check("homes are mounted over TLS alone")
def _(graph: Graph) -> Iterator[str]:
    denied = {
        name
        for name, one in statements(graph, "efs/fileSystemPolicy")
        if one["Effect"] == "Deny"
        and one.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
    }
    yield from (r.name for r in graph.of("efs/fileSystem") if r.name not in denied)


@check("homes are mounted through their access point alone")
def _(graph: Graph) -> Iterator[str]:
    bound = {
        name
        for name, one in statements(graph, "efs/fileSystemPolicy")
        if one["Effect"] == "Deny" and "StringNotEquals" in one.get("Condition", {})
    }
    yield from (r.name for r in graph.of("efs/fileSystem") if r.name not in bound)


@check("every bucket is encrypted")
def _(graph: Graph) -> Iterator[str]:
    yield from missing(graph, "s3/bucket", "s3/bucketServerSideEncryptionConfiguration", "bucket")


@check("every bucket answers over TLS alone")
def _(graph: Graph) -> Iterator[str]:
    denied = {
        name
        for name, one in statements(graph, "s3/bucketPolicy")
        if one["Effect"] == "Deny"
        and one.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
    }
    yield from (r.name for r in graph.of("s3/bucket") if r.name not in denied)


@check("every bucket refuses old versions of TLS")
def _(graph: Graph) -> Iterator[str]:
    denied = {
        name
        for name, one in statements(graph, "s3/bucketPolicy")
        if one["Effect"] == "Deny" and "NumericLessThan" in one.get("Condition", {})
    }
    yield from (r.name for r in graph.of("s3/bucket") if r.name not in denied)


@check("repositories are encrypted")
def _(graph: Graph) -> Iterator[str]:
    yield from where(graph, "ecr/repository", lambda i: not i.get("encryptionConfigurations"))


# --- buckets -------------------------------------------------------------------------------------


@check("every bucket is closed to the public")
def _(graph: Graph) -> Iterator[str]:
    yield from missing(graph, "s3/bucket", "s3/bucketPublicAccessBlock", "bucket")
    switches = (
        "blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets",
    )  # fmt: skip
    yield from where(
        graph,
        "s3/bucketPublicAccessBlock",
        lambda i: any(i.get(switch) is not True for switch in switches),
    )


@check("no bucket has access lists")
def _(graph: Graph) -> Iterator[str]:
    yield from missing(graph, "s3/bucket", "s3/bucketOwnershipControls", "bucket")
    yield from where(
        graph,
        "s3/bucketOwnershipControls",
        lambda i: i["rule"]["objectOwnership"] != "BucketOwnerEnforced",
    )


@check("every bucket keeps versions")
def _(graph: Graph) -> Iterator[str]:
    yield from missing(graph, "s3/bucket", "s3/bucketVersioning", "bucket")
    yield from where(
        graph,
        "s3/bucketVersioning",
        lambda i: i["versioningConfiguration"]["status"] != "Enabled",
    )


@check("every bucket forgets old versions and unfinished uploads some day")
def _(graph: Graph) -> Iterator[str]:
    yield from missing(graph, "s3/bucket", "s3/bucketLifecycleConfiguration", "bucket")
    yield from where(
        graph,
        "s3/bucketLifecycleConfiguration",
        lambda i: (
            not any(
                "noncurrentVersionExpiration" in rule and "abortIncompleteMultipartUpload" in rule
                for rule in i["rules"]
            )
        ),
    )


# --- machines ------------------------------------------------------------------------------------


@check("every machine's metadata answers version 2 alone")
def _(graph: Graph) -> Iterator[str]:
    yield from where(
        graph,
        ("ec2/instance", "ec2/launchTemplate"),
        lambda i: i.get("metadataOptions", {}).get("httpTokens") != "required",
    )


@check("no container on a bridge reaches a machine's metadata")
def _(graph: Graph) -> Iterator[str]:
    yield from where(
        graph,
        ("ec2/instance", "ec2/launchTemplate"),
        lambda i: i.get("metadataOptions", {}).get("httpPutResponseHopLimit") != 1,
    )


@check("no machine has a key pair")
def _(graph: Graph) -> Iterator[str]:
    yield from where(graph, ("ec2/instance", "ec2/launchTemplate"), lambda i: "keyName" in i)


@check("every machine denies its role to whoever is not root")
def _(graph: Graph) -> Iterator[str]:
    yield from (name for name, text in user_data(graph) if "guard_metadata()" not in text)


@check("on the controller nobody but root reaches what is backstage")
def _(graph: Graph) -> Iterator[str]:
    controllers = {resource.name for resource in graph.of("ec2/instance")}
    for name, text in user_data(graph):
        if name in controllers and 'guard_backstage(told["backstage"]' not in text:
            yield name


@check("the controller comes back when its host fails, and when it hangs")
def _(graph: Graph) -> Iterator[str]:
    yield from where(
        graph,
        "ec2/instance",
        lambda i: i.get("maintenanceOptions", {}).get("autoRecovery") != "default",
    )
    if not any(
        "reboot" in str(r.inputs["alarmActions"]) for r in graph.of("cloudwatch/metricAlarm")
    ):
        yield "no alarm that restarts it"


# --- identity ------------------------------------------------------------------------------------


@check("no permission has a wildcard in an action")
def _(graph: Graph) -> Iterator[str]:
    for resource, statement in policies(graph):
        if statement["Effect"] == "Allow" and any("*" in one for one in statement["Action"]):
            yield f"{resource.name}: {statement['Sid']}"


ANY_RESOURCE = {"RegistryLogin", "SessionManager", "SeeMachines", "SeeVolumes", "FindLogGroup"}
"""Statements about every resource, which AWS cannot narrow: policies/ says why at each."""


@check("a permission for every resource is one of the few that AWS cannot narrow")
def _(graph: Graph) -> Iterator[str]:
    for resource, statement in policies(graph):
        if statement["Resource"] == "*" and statement["Sid"] not in ANY_RESOURCE:
            yield f"{resource.name}: {statement['Sid']}"


@check("machines are ended by the cluster's tag alone")
def _(graph: Graph) -> Iterator[str]:
    for resource, statement in policies(graph):
        tag = {"StringEquals": {"aws:ResourceTag/hpc-stack:cluster": graph.settings.name}}
        if "ec2:TerminateInstances" in statement["Action"] and statement.get("Condition") != tag:
            yield f"{resource.name}: {statement['Sid']}"


@check("a role is passed to EC2 alone, and it is a node's")
def _(graph: Graph) -> Iterator[str]:
    for resource, statement in policies(graph):
        if "iam:PassRole" not in statement["Action"]:
            continue
        bound = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
        nodes = f":role/hpc-stack/{graph.settings.name}/nodes/*"
        if statement.get("Condition") != bound or not all(
            one.endswith(nodes) for one in statement["Resource"]
        ):
            yield f"{resource.name}: {statement['Sid']}"


@check("a node reads no other pool's names and no other secret than the key")
def _(graph: Graph) -> Iterator[str]:
    for resource, statement in policies(graph):
        if not resource.name.endswith("-node"):
            continue
        pool = resource.name.removeprefix(f"{graph.settings.name}-").removesuffix("-node")
        for one in statement["Resource"]:
            foreign = "/names/" in one and not one.endswith(f"/names/{pool}.json")
            if foreign or (":parameter" in one and "slurm-key" not in one and "ssm" in one):
                yield f"{resource.name}: {one}"


@check("no role may change roles, policies, networks or templates")
def _(graph: Graph) -> Iterator[str]:
    allowed = {"iam:PassRole", "iam:CreateServiceLinkedRole"}
    begin = ("iam:", "organizations:", "ec2:Authorize", "ec2:CreateLaunchTemplate", "ec2:Modify")
    for resource, statement in policies(graph):
        if any(one.startswith(begin) and one not in allowed for one in statement["Action"]):
            yield f"{resource.name}: {statement['Sid']}"


@check("roles are taken by services, and the jobs' role by nodes alone")
def _(graph: Graph) -> Iterator[str]:
    for name, statement in statements(graph, "iam/role", "assumeRolePolicy"):
        principal = statement["Principal"]
        if "Service" in principal:
            continue
        bound = statement.get("Condition", {}).get("ArnLike", {}).get("aws:PrincipalArn", "")
        if not (name.endswith("-jobs") and bound.endswith("/nodes/*")):
            yield name


@check("a role's policies are no longer than IAM allows")
def _(graph: Graph) -> Iterator[str]:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    size: dict[str, int] = {}
    for resource in graph.of("iam/rolePolicy"):
        text = json.dumps(json.loads(resource.inputs["policy"]), separators=(",", ":"))
        size[resource.inputs["role"]] = size.get(resource.inputs["role"], 0) + len(text)
    yield from (role for role, length in size.items() if length > 10_240)


@check("every role is bounded where a boundary is asked for")
def _(graph: Graph) -> Iterator[str]:
    aws = graph.settings.aws
    wanted = aws.permissions_boundary if aws else None
    yield from where(graph, "iam/role", lambda i: i.get("permissionsBoundary") != wanted)


# --- secrets -------------------------------------------------------------------------------------


@check("secrets are kept encrypted in AWS")
def _(graph: Graph) -> Iterator[str]:
    yield from where(graph, "ssm/parameter", lambda i: i["type"] != "SecureString")


@check("secrets are kept encrypted in Pulumi's state")
def _(graph: Graph) -> Iterator[str]:
    yield from (r.name for r in graph.of("ssm/parameter") if "value" not in r.secret)


@check("no secret is in user data, tags, descriptions or the bundle")
def _(graph: Graph) -> Iterator[str]:
    for name, text in user_data(graph):
        if "made-up-secret" in text:
            yield name
    for resource in graph.resources:
        plain = {k: v for k, v in resource.inputs.items() if k not in resource.secret}
        if "made-up-secret" in json.dumps(plain, default=str):
            yield resource.name


# --- images and data -----------------------------------------------------------------------------


@check("an image's tag cannot be moved")
def _(graph: Graph) -> Iterator[str]:
    yield from where(graph, "ecr/repository", lambda i: i["imageTagMutability"] != "IMMUTABLE")


@check("every pushed image is scanned")
def _(graph: Graph) -> Iterator[str]:
    yield from where(
        graph,
        "ecr/repository",
        lambda i: i.get("imageScanningConfiguration", {}).get("scanOnPush") is not True,
    )


@check("every repository forgets old images")
def _(graph: Graph) -> Iterator[str]:
    have = {r.name for r in graph.of("ecr/lifecyclePolicy")}
    yield from (r.name for r in graph.of("ecr/repository") if r.name not in have)


@check("the data volume has daily snapshots")
def _(graph: Graph) -> Iterator[str]:
    named = {
        r.inputs["policyDetails"]["targetTags"]["Name"]
        for r in graph.of("dlm/lifecyclePolicy")
        if r.inputs["state"] == "ENABLED"
    }
    yield from where(graph, "ebs/volume", lambda i: i["tags"]["Name"] not in named)


@check("in production, data cannot be deleted by mistake")
def _(graph: Graph) -> Iterator[str]:
    if graph.settings.name == PRODUCTION:
        for resource in graph.of("ebs/volume", "efs/fileSystem", "s3/bucket"):
            if not (resource.protected and resource.retained):
                yield resource.name


@check("what can be made again is not protected, so that it can be replaced")
def _(graph: Graph) -> Iterator[str]:
    data = ("aws:ebs/volume:", "aws:efs/fileSystem:", "aws:s3/bucket:", "command:local:Command")
    for resource in graph.resources:
        if resource.protected and not resource.type.startswith(data):
            yield resource.name


@check("a bucket with protected data is never emptied by us")
def _(graph: Graph) -> Iterator[str]:
    yield from where(
        graph, "s3/bucket", lambda i: bool(i["forceDestroy"]) and graph.settings.storage.protect
    )


@check("everything that can carry tags carries the cluster's")
def _(graph: Graph) -> Iterator[str]:
    yield from where(
        graph,
        TAGGABLE,
        lambda i: i.get("tags", {}).get("hpc-stack:cluster") != graph.settings.name,
    )


@check("everything that is launched carries the cluster's and its pool's tag")
def _(graph: Graph) -> Iterator[str]:
    kinds = {"instance", "volume", "network-interface"}

    def untagged(inputs: dict[str, Any]) -> bool:
        tagged = {
            one["resourceType"]
            for one in inputs["tagSpecifications"]
            if {"hpc-stack:cluster", "hpc-stack:pool"} <= one["tags"].keys()
        }
        return not kinds <= tagged

    yield from where(graph, "ec2/launchTemplate", untagged)


@check("nothing is made outside the table of what a cluster has")
def _(graph: Graph) -> Iterator[str]:
    untagged = (
        "ec2/route", "ec2/routeTableAssociation", "ec2/volumeAttachment", "iam/rolePolicy",
        "efs/mountTarget", "efs/fileSystemPolicy", "efs/backupPolicy", "ecr/lifecyclePolicy",
        "s3/bucketPublicAccessBlock",
        "s3/bucketOwnershipControls", "s3/bucketVersioning", "s3/bucketPolicy",
        "s3/bucketServerSideEncryptionConfiguration", "s3/bucketLifecycleConfiguration",
        "s3/bucketObjectv2",
    )  # fmt: skip
    known = {f"aws:{kind}" for kind in (*TAGGABLE, *untagged)}
    for resource in graph.resources:
        kind = resource.type.rpartition(":")[0]
        if resource.type.startswith("aws:") and kind not in known:
            yield resource.name
