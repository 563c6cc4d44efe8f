"""Serve the engine that started us, until it ends us or is gone."""

import asyncio
import contextlib
import os
import signal

import grpc  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2_grpc

from tests.rehearsal.aws_provider.servicer import AwsProvider

LONGEST = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
ENGINE_POLL_SECONDS = 2.0


async def serve() -> None:
    """One provider at a port that is printed, as the engine expects it."""
    engine = os.getppid()
    server = grpc.aio.server(options=LONGEST)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(AwsProvider(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    while not told.is_set() and os.getppid() == engine:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(told.wait(), ENGINE_POLL_SECONDS)
    await server.stop(grace=0)


if __name__ == "__main__":
    asyncio.run(serve())
