"""What a type of resource is to the stand-in: inputs, outputs, and the calls behind it."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3

from tests.rehearsal.aws_provider.side_store import SideStore

Values = Mapping[str, Any]
ACCOUNT = "123456789012"
"""Moto's."""


@dataclass(frozen=True)
class Aws:
    """The account: a client for each service, made when it is first asked for."""

    region: str
    store: SideStore
    _clients: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, service: str) -> Any:
        if service.startswith("_"):
            raise AttributeError(service)
        if service not in self._clients:
            self._clients[service] = boto3.client(service, region_name=self.region)  # type: ignore[call-overload]
        return self._clients[service]

    def arn(self, service: str, rest: str, *, region: str | None = None) -> str:
        where = self.region if region is None else region
        return f"arn:aws:{service}:{where}:{ACCOUNT}:{rest}"


Create = Callable[[Aws, Values], tuple[str, Values]]
Update = Callable[[Aws, str, Values, Values], Values | None]
Delete = Callable[[Aws, str, Values], None]
Read = Callable[[Aws, str, Values], Values | None]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One type of resource. `update` gets id, old and new inputs; `read` None means: gone."""

    token: str
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    """Inputs whose change makes a new resource."""
    named: str = ""
    """The input that the provider fills in itself, from the resource's name."""
    create: Create
    update: Update | None = None
    delete: Delete
    read: Read
    volatile: tuple[str, ...] = ()
    """Outputs that an update may change."""

    @property
    def inputs(self) -> frozenset[str]:
        return frozenset((*self.required, *self.optional, "region"))

    def mistakes(self, inputs: Values) -> Iterator[tuple[str, str]]:
        """What the real provider would refuse, as property and reason."""
        for name in sorted(inputs.keys() - self.inputs):
            yield name, f"the rehearsal's {self.token} does not know this input"
        for name in self.required:
            if name not in inputs:
                yield name, "missing required property"
        if self.named and isinstance(given_name := inputs.get(self.named), str):
            yield from _name_mistakes(self.token, self.named, given_name)
        yield from _tag_mistakes(inputs.get("tags") or {})


def _name_mistakes(token: str, key: str, name: str) -> Iterator[tuple[str, str]]:
    if token.startswith("aws:iam/") and len(name) > (128 if "Profile" in token else 64):
        yield key, f"{name} is longer than IAM allows"
    if token == "aws:s3/bucket:Bucket" and not re.fullmatch(
        r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", name
    ):
        yield key, f"{name} is no name of a bucket"
    if token == "aws:ec2/securityGroup:SecurityGroup" and name.startswith("sg-"):
        yield key, "a security group's name does not begin with sg-"


def _tag_mistakes(tags: Values) -> Iterator[tuple[str, str]]:
    if len(tags) > 50:
        yield "tags", "more than 50"
    for name, value in tags.items():
        if name.startswith("aws:") or len(name) > 128 or len(str(value)) > 256:
            yield "tags", f"{name} is no tag that AWS takes"


def pairs(tags: Values | None, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """Tags as AWS' calls take them."""
    return [{key: name, value: str(text)} for name, text in sorted((tags or {}).items())]


def unpaired(tags: Any, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """...and back."""
    return {one[key]: one[value] for one in tags or ()}


def given(values: Values, **names: str) -> dict[str, Any]:
    """The inputs that are there, under the names that a call has for them."""
    return {call: values[name] for call, name in names.items() if values.get(name) is not None}
