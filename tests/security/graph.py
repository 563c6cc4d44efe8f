"""A cluster on AWS as the engine would be told of it: every resource and its inputs.

The real components run under Pulumi's mocks, which answer with made-up ids; nothing is sent.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import yaml
from pulumi.runtime import mocks

from components.aws.account import Account
from components.aws.cluster import AwsCluster, AwsClusterArgs
from config.settings import ClusterSettings, load_cluster
from ops.environment import CHECKOUT

AMI = "ami-0123456789abcdef0"
ACCOUNT = Account(account="123456789012", partition="aws", region="eu-central-1")


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource as its provider gets it."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    secret: frozenset[str]
    """Inputs that are kept encrypted."""
    protected: bool
    retained: bool


@dataclass(frozen=True)
class Graph:
    """All resources of a cluster."""

    settings: ClusterSettings
    resources: Sequence[Resource]

    def of(self, *kinds: str) -> Iterator[Resource]:
        """Those of some types, such as `ec2/instance`."""
        for resource in self.resources:
            if any(resource.type.startswith(f"aws:{kind}:") for kind in kinds):
                yield resource


def environment_settings(stack: str, /, **changes: Any) -> ClusterSettings:
    """The settings of Pulumi.<stack>.yaml, with machine images as `make amis` would pin them."""
    document = yaml.safe_load((CHECKOUT / f"Pulumi.{stack}.yaml").read_text())
    written = document["config"]["hpc-stack:cluster"]
    keys = ("x86_64", "arm64", "gpu_x86_64", "gpu_arm64")
    written["aws"]["amis"] = dict.fromkeys(keys, AMI)
    return load_cluster({"name": stack, **written, **changes})


_MADE: dict[str, dict[str, Any]] = {
    "aws:ec2/instance:Instance": {
        "privateIp": "10.80.192.4",
        "primaryNetworkInterfaceId": "eni-0123456789abcdef0",
    },
    "aws:ec2/launchTemplate:LaunchTemplate": {"latestVersion": 1},
    "aws:s3/bucketObjectv2:BucketObjectv2": {"versionId": "version-1"},
    "aws:ec2/eip:Eip": {"allocationId": "eipalloc-0123456789abcdef0"},
    "command:local:Command": {"stdout": "made-up-secret", "stderr": ""},
}


class _Answers(mocks.Mocks):
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        made = dict(args.inputs) | _MADE.get(args.typ, {})
        service, _, kind = args.typ.removeprefix("aws:").partition("/")
        made["arn"] = f"arn:aws:{service}:eu-central-1:123456789012:{kind}/{args.name}"
        made.setdefault("name", args.name)
        if args.typ == "aws:ecr/repository:Repository":
            host = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
            made["repositoryUrl"] = f"{host}/{made['name']}"
        return f"{args.name}-id", made

    def call(self, args: mocks.MockCallArgs) -> Any:
        raise AssertionError(f"the program asked its provider for {args.token}")


class _Recorder(mocks.MockMonitor):
    def __init__(self) -> None:
        super().__init__(_Answers())
        self.seen: list[Resource] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - gRPC's name
        inputs = pulumi.runtime.rpc.deserialize_properties(request.object)
        self.seen.append(
            Resource(
                type=request.type,
                name=request.name,
                inputs={key: _opened(value) for key, value in inputs.items()},
                secret=frozenset(key for key, value in inputs.items() if _is_secret(value)),
                protected=request.protect,
                retained=request.retainOnDelete,
            )
        )
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]


def _is_secret(value: Any) -> bool:
    return bool(pulumi.runtime.rpc.is_rpc_secret(value))


def _opened(value: Any) -> Any:
    return value["value"] if _is_secret(value) else value


def graph(settings: ClusterSettings) -> Graph:
    """Everything that the program would declare for these settings."""
    recorder = _Recorder()
    pulumi.runtime.set_mocks(_Answers(), project="hpc-stack", stack=settings.name, monitor=recorder)

    args = AwsClusterArgs(
        alert_secrets={},
        settings=settings,
        account=ACCOUNT,
        project="hpc-stack",
        stack=settings.name,
    )
    run = pulumi.runtime.test(lambda: AwsCluster(settings.name, args))  # type: ignore[no-untyped-call]
    run()
    return Graph(settings, tuple(recorder.seen))
