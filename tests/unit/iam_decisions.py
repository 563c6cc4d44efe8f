"""A cluster's facts, and what a policy decides: IAM's own rules, as far as our policies use them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from components.aws.policies.facts import NODE_IMAGES, Facts
from components.aws.tags import CLUSTER

ACCOUNT, REGION = "123456789012", "eu-central-1"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0123"
SECRETS = ("slurm_key", "jwt_key", "database_password", "database_root_password")
IMAGES = ("slurmctld", "slurmd", "dcgm-exporter", "mysql", "node-manager")
POOLS = {f"a-pool-with-a-long-name-{number:02}": NODE_IMAGES for number in range(20)}
PLACE = {"account": ACCOUNT, "region": REGION, "partition": "aws"}


def ec2(kind: str, name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:ec2:{REGION}:{account}:{kind}/{name}"


def parameter(secret: str, cluster: str = "dev") -> str:
    return f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/hpc-stack/{cluster}/{secret}"


def repository(image: str, cluster: str = "dev") -> str:
    return f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/hpc-stack/{cluster}/{image}"


def role(path: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role{path}"


SYSTEM, DATA = "arn:aws:s3:::dev-system-1a2b", "arn:aws:s3:::dev-jobs-3c4d"
HOMES = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:file-system/fs-0a"
DOOR = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/fsap-0b"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:hpc-alerts"
LOGS = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:dev-flow-logs"
JOBS = role("/hpc-stack/dev/dev-jobs-9f")
FACTS = Facts(
    partition="aws",
    region=REGION,
    account=ACCOUNT,
    cluster="dev",
    system_bucket=SYSTEM,
    data_bucket=DATA,
    parameters={secret: parameter(secret) for secret in SECRETS},
    repositories={image: repository(image) for image in IMAGES},
    homes=HOMES,
    homes_access_point=DOOR,
    subnets=("subnet-a", "subnet-b"),
    security_groups=("sg-compute", "sg-efa"),
    amis=("ami-x86", "ami-arm"),
    kms_key=None,
)
WITH_KEY = replace(FACTS, kms_key=KEY)
WITH_TOPIC = replace(FACTS, alert_topic=TOPIC)

OURS = {f"aws:ResourceTag/{CLUSTER}": "dev"}
THEIRS = {f"aws:ResourceTag/{CLUSTER}": "prod"}


def may(policy: str, action: str, resource: str, **context: str) -> bool:
    """Whether a policy lets its role do it. In the keys of `context`, `__` stands for `:`."""
    return decision(policy, action, resource, _keys(context)) == "Allow"


def denied(policy: str, action: str, resource: str, **context: str) -> bool:
    """Whether a policy forbids it, whatever others allow."""
    return decision(policy, action, resource, _keys(context)) == "Deny"


def decision(policy: str, action: str, resource: str, context: Mapping[str, str]) -> str | None:
    """Allow, Deny, or None: the policy has nothing to say of it."""
    effects = {
        one["Effect"]
        for one in json.loads(policy)["Statement"]
        if _applies(one, action, resource, context)
    }
    return "Deny" if "Deny" in effects else next(iter(effects), None)


def _keys(context: Mapping[str, str]) -> dict[str, str]:
    return {key.replace("__", ":", 1): value for key, value in context.items()}


def _matches(operator: str, wanted: Sequence[str], found: str | None) -> bool:
    if found is None:
        return operator.startswith("StringNot")  # and only the negated ones
    same = {
        "StringEquals": lambda one: found == one,
        "StringNotEquals": lambda one: found != one,
        "StringLike": lambda one: fnmatchcase(found, one),
        "ArnLike": lambda one: fnmatchcase(found, one),
        "Bool": lambda one: found == one,
        "NumericLessThan": lambda one: float(found) < float(one),
    }[operator]
    return (all if operator.startswith("StringNot") else any)(map(same, wanted))


def _applies(
    one: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str]
) -> bool:
    conditions = [
        (operator, _listed(wanted), context.get(key))
        for operator, keys in one.get("Condition", {}).items()
        for key, wanted in keys.items()
    ]
    return (
        any(fnmatchcase(action, pattern) for pattern in one["Action"])
        and any(fnmatchcase(resource, pattern) for pattern in _listed(one.get("Resource", "*")))
        and all(_matches(*condition) for condition in conditions)
    )


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
