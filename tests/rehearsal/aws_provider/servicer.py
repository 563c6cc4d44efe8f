"""The engine's view of the stand-in: the provider's protocol over the tables of kinds."""

# The names and signatures of the methods are gRPC's, whose types nobody ships.
# ruff: noqa: N802
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

import asyncio
import os
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import grpc  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf import empty_pb2, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime import rpc
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from offline.command_provider import differences, opened
from tests.rehearsal.aws_provider import compute, identity, network, services, storage
from tests.rehearsal.aws_provider.kind import Aws, Kind, Values
from tests.rehearsal.aws_provider.side_store import SideStore

VERSION = "7.51.1"
KINDS: Mapping[str, Kind] = {
    kind.token: kind
    for kind in (
        *network.KINDS,
        *compute.KINDS,
        *identity.KINDS,
        *storage.KINDS,
        *services.KINDS,
    )
}


def resource_type(urn: str) -> str:
    return urn.split("::")[2].split("$")[-1]


def to_struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(dict(values))
    return made


def state(inputs: struct_pb2.Struct, *outputs: Values) -> struct_pb2.Struct:
    """Inputs as they were given, secrets wrapped, and outputs on top."""
    made = struct_pb2.Struct(fields=dict(inputs.fields))
    for values in outputs:
        made.update(dict(values))
    return made


def with_name(kind: Kind, news: struct_pb2.Struct, olds: struct_pb2.Struct, urn: str) -> None:
    """Fill in the name that the real provider would make, and keep it from then on."""
    if not kind.named or kind.named in news.fields:
        return
    if kind.named in olds.fields:
        news.fields[kind.named].CopyFrom(olds.fields[kind.named])
    else:
        news.update({kind.named: f"{urn.rpartition('::')[2]}-{secrets.token_hex(4)[:7]}"})


class AwsProvider(provider_pb2_grpc.ResourceProviderServicer):
    """pulumi-aws, as far as the program needs it."""

    def __init__(self) -> None:
        self._aws: Aws | None = None

    @property
    def aws(self) -> Aws:
        assert self._aws is not None, "not configured"
        return self._aws

    async def Handshake(self, request, context):
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, accept_resources=True)

    async def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version=VERSION)

    async def GetSchema(self, request, context):
        return provider_pb2.GetSchemaResponse(schema=f'{{"name": "aws", "version": "{VERSION}"}}')

    async def CheckConfig(self, request, context):
        return provider_pb2.CheckResponse(inputs=request.news)

    async def DiffConfig(self, request, context):
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    async def Configure(self, request, context):
        region = opened(request.args.fields).get("region") or os.environ["AWS_DEFAULT_REGION"]
        self._aws = Aws(region=str(region), store=SideStore.of_environment())
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, acceptResources=True, supportsPreview=True
        )

    async def Check(self, request, context):
        token = resource_type(request.urn)
        kind = KINDS.get(token)
        if kind is None:
            why = f"the rehearsal's provider does not know {token}"
            failures = [provider_pb2.CheckFailure(property="", reason=why)]
            return provider_pb2.CheckResponse(inputs=request.news, failures=failures)
        with_name(kind, request.news, request.olds, request.urn)
        failures = [
            provider_pb2.CheckFailure(property=name, reason=reason)
            for name, reason in kind.mistakes(opened(request.news.fields))
        ]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    async def Diff(self, request, context):
        kind = KINDS[resource_type(request.urn)]
        found = differences(opened(request.old_inputs.fields), opened(request.news.fields))
        changed = {path.partition(".")[0].partition("[")[0] for path, _ in found}
        replaced = sorted(changed & set(kind.replaces))
        none, some = provider_pb2.DiffResponse.DIFF_NONE, provider_pb2.DiffResponse.DIFF_SOME
        return provider_pb2.DiffResponse(
            changes=some if changed else none, replaces=replaced, diffs=sorted(changed)
        )

    async def Create(self, request, context):
        kind = KINDS[resource_type(request.urn)]
        if request.preview:
            unknown = dict.fromkeys(kind.outputs, rpc.UNKNOWN)
            return provider_pb2.CreateResponse(properties=state(request.properties, unknown))
        values = opened(request.properties.fields)
        name, outputs = await self._ask(context, kind.create, self.aws, values)
        return provider_pb2.CreateResponse(id=name, properties=state(request.properties, outputs))

    async def Update(self, request, context):
        kind = KINDS[resource_type(request.urn)]
        before = opened(request.olds.fields)
        kept = {name: before[name] for name in kind.outputs if name in before}
        if request.preview:
            unknown = dict.fromkeys(kind.volatile, rpc.UNKNOWN)
            return provider_pb2.UpdateResponse(properties=state(request.news, kept, unknown))
        old, new = opened(request.old_inputs.fields), opened(request.news.fields)
        assert kind.update is not None, f"{kind.token} has nothing to update"
        outputs = await self._ask(context, kind.update, self.aws, request.id, old, new)
        return provider_pb2.UpdateResponse(properties=state(request.news, kept, outputs or {}))

    async def Delete(self, request, context):
        kind = KINDS[resource_type(request.urn)]
        inputs = opened(request.old_inputs.fields) or opened(request.properties.fields)
        await self._ask(context, kind.delete, self.aws, request.id, inputs)
        return empty_pb2.Empty()

    async def Read(self, request, context):
        kind = KINDS[resource_type(request.urn)]
        inputs = opened(request.inputs.fields)
        found = await self._ask(context, kind.read, self.aws, request.id, inputs)
        if found is None:
            return provider_pb2.ReadResponse(id="")
        of_inputs = {key: value for key, value in found.items() if key in request.inputs.fields}
        return provider_pb2.ReadResponse(
            id=request.id,
            properties=state(request.properties, found),
            inputs=state(request.inputs, of_inputs),
        )

    async def Cancel(self, request, context):
        return empty_pb2.Empty()

    async def _ask(self, context, function, *arguments):
        """Carry something out against moto; what it refuses is the resource's failure."""
        try:
            return await asyncio.to_thread(function, *arguments)
        except (ClientError, BotoCoreError, ValueError, KeyError) as error:
            text = f"{getattr(function, '__name__', '')}: {type(error).__name__}: {error}"
            await context.abort(grpc.StatusCode.UNKNOWN, text)


def known_types() -> Iterable[str]:
    """Every type that the stand-in carries out."""
    return KINDS.keys()
