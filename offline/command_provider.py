"""Stand-in for the provider plugin of pulumi-command, for machines that cannot download it.

Has the resource `command:local:Command` with the semantics of pulumi-command 1.2.1, except
assetPaths and archivePaths, which it refuses. `Commands` runs commands; `CommandProvider` speaks
with the engine; everything about values, secrets and differences is a function from data to data.
"""

# The names and signatures of the methods are gRPC's, whose types nobody ships.
# ruff: noqa: N802
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

import asyncio
import contextlib
import itertools
import os
import secrets
import signal
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import grpc  # type: ignore[import-untyped]  # grpcio ships no types
from google.protobuf import (  # type: ignore[import-untyped]  # no types either
    empty_pb2,
    json_format,
    struct_pb2,
)
from pulumi.runtime import rpc
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
)

VERSION = "1.2.1"
COMMAND = "command:local:Command"
INPUTS = (
    "addPreviousOutputInEnv", "create", "delete", "dir", "environment", "interpreter",
    "logging", "stdin", "triggers", "update",
)  # fmt: skip
REPLACE_ON_CHANGE = ("triggers",)
MOST_OUTPUT_IN_ERROR = 100_000  # characters; gRPC sends the message as a header
TERMINATE_SECONDS = 5.0
ENGINE_POLL_SECONDS = 2.0

Fields = Mapping[str, struct_pb2.Value]
Kind = provider_pb2.PropertyDiff


class CommandFailedError(Exception):
    """A command could not be started or ended with another status than 0; the text is for the
    user."""


def is_secret(value: struct_pb2.Value) -> bool:
    """Whether the value itself is wrapped as a secret."""
    fields = value.struct_value.fields
    return rpc._special_sig_key in fields and (
        fields[rpc._special_sig_key].string_value == rpc._special_secret_sig
    )


def secret(value: struct_pb2.Value) -> struct_pb2.Value:
    """The value wrapped as a secret."""
    signature = struct_pb2.Value(string_value=rpc._special_secret_sig)
    fields = {rpc._special_sig_key: signature, "value": value}
    return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=fields))


def walk(value: struct_pb2.Value) -> Iterator[struct_pb2.Value]:
    """The value and everything inside it."""
    yield value
    for inner in (*value.struct_value.fields.values(), *value.list_value.values):
        yield from walk(inner)


def plain(value: struct_pb2.Value) -> Any:
    """The value as Python data, secrets opened."""
    if is_secret(value):
        return plain(value.struct_value.fields["value"])
    if value.HasField("struct_value"):
        return {key: plain(inner) for key, inner in value.struct_value.fields.items()}
    if value.HasField("list_value"):
        return [plain(inner) for inner in value.list_value.values]
    return json_format.MessageToDict(value)


def opened(fields: Fields) -> dict[str, Any]:
    """All fields as Python data; null is as good as absent."""
    values = {key: plain(value) for key, value in fields.items()}
    return {key: value for key, value in values.items() if value is not None}


def with_outputs(inputs: Fields, outputs: Mapping[str, str]) -> struct_pb2.Struct:
    """The state: what was given and what came out; that is secret as soon as anything given was."""
    state = struct_pb2.Struct(fields=dict(inputs))
    confidential = any(is_secret(value) for given in inputs.values() for value in walk(given))
    for name, text in outputs.items():
        value = struct_pb2.Value(string_value=text)
        state.fields[name].CopyFrom(secret(value) if confidential else value)
    return state


def path_of(parent: str, key: str | int) -> str:
    """A property path in the engine's form: environment.NAME, environment["a.b"], triggers[0]."""
    if isinstance(key, int):
        return f"{parent}[{key}]"
    if not parent:
        return key
    return f"{parent}.{key}" if key.replace("_", "").isalnum() else f'{parent}["{key}"]'


def differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Pairs of a property path and "ADD", "DELETE" or "UPDATE"; None means absent."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from differences(old.get(key), new.get(key), path_of(path, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index, (was, becomes) in enumerate(itertools.zip_longest(old, new)):
            yield from differences(was, becomes, path_of(path, index))
    else:
        yield path, "ADD" if old is None else "DELETE" if new is None else "UPDATE"


def diff_response(old: Fields, new: Fields) -> provider_pb2.DiffResponse:
    """What changed among the inputs; a trigger replaces the resource, all else updates it."""
    detailed = {}
    replaces = set()
    known = {key: value for key, value in old.items() if key in INPUTS}
    for path, kind in differences(opened(known), opened(new)):
        top = path.split("[")[0].split(".")[0]
        if top in REPLACE_ON_CHANGE:
            replaces.add(top)
            kind += "_REPLACE"
        detailed[path] = Kind(kind=Kind.Kind.Value(kind), inputDiff=True)
    response = provider_pb2.DiffResponse
    return response(
        changes=response.DIFF_SOME if detailed else response.DIFF_NONE,
        replaces=sorted(replaces),
        diffs=sorted({path.split("[")[0].split(".")[0] for path in detailed}),
        detailedDiff=detailed,
        hasDetailedDiff=True,
    )


def failures(resource_type: str, inputs: Fields) -> dict[str, str]:
    """What this stand-in cannot do: a reason for each property; "" is the resource as a whole."""
    if resource_type != COMMAND:
        return {"": f"the stand-in for pulumi-command (offline/README.md) has only {COMMAND}"}
    reason = f"the stand-in for pulumi-command (offline/README.md) has only: {', '.join(INPUTS)}"
    return {name: reason for name in inputs if name not in INPUTS}


@dataclass
class Commands:
    """The commands that run now, so that a cancelled `pulumi up` leaves none behind."""

    engine: engine_pb2_grpc.EngineStub
    running: set[asyncio.subprocess.Process] = field(default_factory=set)
    cancelled: bool = False

    async def run(
        self, command: str, settings: Mapping[str, Any], previous: Mapping[str, Any], urn: str
    ) -> dict[str, str]:
        """Runs one command and returns its stdout and stderr without the last newline.

        `settings` are the resource's inputs, `previous` its outputs so far. Raises
        CommandFailedError.
        """
        if self.cancelled:
            raise CommandFailedError("cancelled before it was started")
        interpreter = settings.get("interpreter") or ["/bin/sh", "-c"]
        stdin = str(settings.get("stdin", ""))
        try:
            process = await asyncio.create_subprocess_exec(
                *interpreter,
                command,
                cwd=settings.get("dir"),
                env=child_environment(os.environ, settings, previous),
                stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,  # a process group of its own, to be ended as a whole
            )
        except OSError as error:
            raise CommandFailedError(f"{error}: running {command!r}") from error
        self.running.add(process)
        try:
            return await self._finish(process, command, settings.get("logging"), stdin, urn)
        finally:
            self.running.discard(process)

    async def _finish(
        self,
        process: asyncio.subprocess.Process,
        command: str,
        logging: str | None,
        stdin: str,
        urn: str,
    ) -> dict[str, str]:
        both = bytearray()
        out, err, _ = await asyncio.gather(
            self._read(process.stdout, both, urn, logging in (None, "stdout", "stdoutAndStderr")),
            self._read(process.stderr, both, urn, logging in (None, "stderr", "stdoutAndStderr")),
            feed(process.stdin, stdin),
        )
        status = await process.wait()
        if status != 0:
            ended = f"exit status {status}" if status > 0 else f"signal {-status}"
            text = both.decode(errors="replace")[-MOST_OUTPUT_IN_ERROR:]
            raise CommandFailedError(f"{ended}: running {command!r}:\n{text}")
        return {"stdout": out.removesuffix("\n"), "stderr": err.removesuffix("\n")}

    async def _read(
        self, stream: asyncio.StreamReader | None, both: bytearray, urn: str, logged: bool
    ) -> str:
        """Reads to the end; complete lines go to the engine's log as they come."""
        whole = bytearray()
        line = b""
        while stream is not None and (chunk := await stream.read(65536)):
            whole += chunk
            both += chunk
            *lines, line = (line + chunk).split(b"\n")
            for complete in lines if logged else ():
                await self._log(complete, urn)
        if logged:
            await self._log(line, urn)
        return whole.decode(errors="replace")

    async def _log(self, line: bytes, urn: str) -> None:
        if line.strip():
            message = line.decode(errors="replace")
            request = engine_pb2.LogRequest(severity=engine_pb2.INFO, message=message, urn=urn)
            await self.engine.Log(request)

    async def cancel(self) -> None:
        """Ends every command with its children: asks first, insists after TERMINATE_SECONDS."""
        self.cancelled = True
        running = list(self.running)
        for process in running:
            signal_group(process, signal.SIGTERM)
        waiting = [asyncio.ensure_future(process.wait()) for process in running]
        if waiting:
            await asyncio.wait(waiting, timeout=TERMINATE_SECONDS)
        for process in running:
            signal_group(process, signal.SIGKILL)


def signal_group(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Signals the command's whole process group, if any of it is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def child_environment(
    own: Mapping[str, str], settings: Mapping[str, Any], previous: Mapping[str, Any]
) -> dict[str, str]:
    """Ours, plus the resource's own, plus what the resource printed last time."""
    environment: MutableMapping[str, str] = dict(own)
    environment.update(settings.get("environment") or {})
    if settings.get("addPreviousOutputInEnv") is not False:
        for name in ("stdout", "stderr"):
            if previous.get(name):
                environment[f"PULUMI_COMMAND_{name.upper()}"] = str(previous[name])
    return dict(environment)


async def feed(stream: asyncio.StreamWriter | None, text: str) -> None:
    """Writes standard input; a command may end without having read it."""
    if stream is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.write(text.encode())
        await stream.drain()
    stream.close()


class CommandProvider(provider_pb2_grpc.ResourceProviderServicer):
    """The engine's view of the above."""

    def __init__(self, commands: Commands) -> None:
        self.commands = commands

    async def Handshake(self, request, context):
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, accept_resources=True)

    async def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version=VERSION)

    async def GetSchema(self, request, context):
        return provider_pb2.GetSchemaResponse(
            schema=f'{{"name": "command", "version": "{VERSION}"}}'
        )

    async def CheckConfig(self, request, context):
        return provider_pb2.CheckResponse(inputs=request.news)

    async def DiffConfig(self, request, context):
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    async def Configure(self, request, context):
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, acceptResources=True, supportsPreview=True
        )

    async def Check(self, request, context):
        found = failures(request.urn.split("::")[2].split("$")[-1], request.news.fields)
        return provider_pb2.CheckResponse(
            inputs=request.news,
            failures=[
                provider_pb2.CheckFailure(property=name, reason=reason)
                for name, reason in found.items()
            ],
        )

    async def Diff(self, request, context):
        old = request.old_inputs if request.HasField("old_inputs") else request.olds
        return diff_response(old.fields, request.news.fields)

    async def Create(self, request, context):
        inputs = request.properties.fields
        if request.preview:
            return provider_pb2.CreateResponse(properties=with_outputs(inputs, UNKNOWN_OUTPUTS))
        name = request.urn.split("::")[-1]
        outputs = await self._run(opened(inputs).get("create"), inputs, {}, request.urn, context)
        return provider_pb2.CreateResponse(
            id=f"{name}{secrets.token_hex(4)}", properties=with_outputs(inputs, outputs)
        )

    async def Update(self, request, context):
        inputs = request.news.fields
        if request.preview:
            return provider_pb2.UpdateResponse(properties=with_outputs(inputs, UNKNOWN_OUTPUTS))
        values = opened(inputs)
        command = values.get("update", values.get("create"))
        outputs = await self._run(command, inputs, request.olds.fields, request.urn, context)
        return provider_pb2.UpdateResponse(properties=with_outputs(inputs, outputs))

    async def Delete(self, request, context):
        state = request.properties.fields
        await self._run(opened(state).get("delete"), state, state, request.urn, context)
        return empty_pb2.Empty()

    async def Read(self, request, context):
        # A command cannot be looked at: its state is what it last left.
        return provider_pb2.ReadResponse(
            id=request.id, properties=request.properties, inputs=request.inputs
        )

    async def Cancel(self, request, context):
        await self.commands.cancel()
        return empty_pb2.Empty()

    async def _run(self, command, inputs, state, urn, context):
        """The outputs of `command`, or those so far when there is none; a failure ends the
        request."""
        values = opened(inputs)
        before = opened(state)
        if command is None:
            return {name: str(before.get(name, "")) for name in ("stdout", "stderr")}
        try:
            return await self.commands.run(command, values, before, urn)
        except CommandFailedError as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))


UNKNOWN_OUTPUTS = {"stdout": rpc.UNKNOWN, "stderr": rpc.UNKNOWN}


async def serve(engine_address: str) -> None:
    """Serves until the engine ends us or is gone; no command outlives that."""
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    engine_pid = os.getppid()
    async with grpc.aio.insecure_channel(engine_address, options=options) as channel:
        commands = Commands(engine_pb2_grpc.EngineStub(channel))
        server = grpc.aio.server(options=options)
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(CommandProvider(commands), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        print(port, flush=True)
        told = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        while not told.is_set() and os.getppid() == engine_pid:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(told.wait(), ENGINE_POLL_SECONDS)
        await commands.cancel()
        await server.stop(grace=0)


if __name__ == "__main__":
    asyncio.run(serve([one for one in sys.argv[1:] if not one.startswith("-")][-1]))
