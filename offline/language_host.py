"""Stand-in for Pulumi's Python language host, which is no Go module and so cannot be built where
the CLI is.

It runs the program as the original does (same settings, same stack traces), in its own process
instead of a child's: one import of the SDK less. The program has the main thread, as programs
expect; gRPC has the others.
"""

# The names and signatures of the methods are gRPC's, whose types nobody ships.
# ruff: noqa: N802
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

import asyncio
import importlib.metadata
import logging
import os
import queue
import runpy
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import grpc  # type: ignore[import-untyped]  # grpcio ships no types
import pulumi
from google.protobuf import empty_pb2  # type: ignore[import-untyped]  # no types either
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

ENGINE_POLL_SECONDS = 2.0


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Answers the engine; `jobs` hands the program to the main thread."""

    def __init__(self) -> None:
        self.jobs: queue.Queue[tuple[language_pb2.RunRequest, Future[language_pb2.RunResponse]]] = (
            queue.Queue()
        )
        self.running = False
        self._started = False

    def Handshake(self, request, context):
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi"))

    def GetRequiredPlugins(self, request, context):
        return language_pb2.GetRequiredPluginsResponse()

    def GetRequiredPackages(self, request, context):
        # None: providers are loaded when the first resource asks for them.
        return language_pb2.GetRequiredPackagesResponse()

    def GetProgramDependencies(self, request, context):
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=one.name, version=one.version)
                for one in importlib.metadata.distributions()
            ]
        )

    def RuntimeOptionsPrompts(self, request, context):
        return language_pb2.RuntimeOptionsResponse()

    def About(self, request, context):
        return language_pb2.AboutResponse(
            executable=sys.executable,
            version=".".join(str(part) for part in sys.version_info[:3]),
            metadata={"note": "hpc-stack's stand-in for the Python language host"},
        )

    def InstallDependencies(self, request, context) -> Iterator[object]:
        yield language_pb2.InstallDependenciesResponse(
            stdout=b"The dependencies are installed by `python3 -m ops.prepare`.\n"
        )

    def Cancel(self, request, context):
        if self.running:
            # A signal, not interrupt_main(): it also wakes a program that waits in a system call.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return empty_pb2.Empty()

    def Run(self, request, context):
        if self._started:
            return language_pb2.RunResponse(error="this language host runs one program only")
        self._started = True
        answer: Future[language_pb2.RunResponse] = Future()
        self.jobs.put((request, answer))
        return answer.result()


def program_of(request: language_pb2.RunRequest) -> Path:
    """What to run: the entry point inside the program's directory, "." being the directory
    itself."""
    return (Path(request.info.program_directory) / request.info.entry_point).resolve()


def trace_of_program(error: BaseException, program: Path) -> str:
    """The stack trace from the program's first frame on, as the original host prints it."""
    main = program / "__main__.py" if program.is_dir() else program
    frames = traceback.extract_tb(error.__traceback__)
    for index, frame in enumerate(frames):
        if Path(frame.filename).resolve() == main:
            shown = len(frames) - index
            return "".join(traceback.format_exception(error, limit=-shown))
    return "".join(traceback.format_exception(error))


def configure(request: language_pb2.RunRequest, engine: str) -> None:
    """Connects the SDK to the engine that asked for this run."""
    pulumi.runtime.set_all_config(dict(request.config), list(request.configSecretKeys))
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            project=request.project,
            stack=request.stack,
            parallel=request.parallel,
            dry_run=request.dryRun,
            monitor=request.monitor_address,
            engine=engine,
            organization=request.organization,
            root_directory=request.info.root_directory,
        )
    )


def run_program(request: language_pb2.RunRequest, engine: str) -> language_pb2.RunResponse:
    """Runs the program to its end. `bail` tells the engine that the user has been told already."""
    program = program_of(request)
    if program.is_dir() and not (program / "__main__.py").is_file():
        return language_pb2.RunResponse(
            error=f"unable to find main python program `__main__.py` in `{program}`"
        )
    configure(request, engine)
    os.chdir(request.pwd or request.info.program_directory)
    sys.argv = [str(program), *request.args]
    # For good, not only while run_path works: what an apply imports is looked up later.
    sys.path[0] = str(program if program.is_dir() else program.parent)
    # The SDK leaves futures behind when a resource fails; asyncio would complain about each.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=max(request.parallel, 1) * 4)
    loop.set_default_executor(executor)

    def body() -> None:
        runpy.run_path(str(program), run_name="__main__")

    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(body))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return language_pb2.RunResponse(bail=True)
    except SystemExit as error:
        if error.code in (None, 0):
            return language_pb2.RunResponse()
        return language_pb2.RunResponse(error=f"Program exited with code {error.code}")
    except KeyboardInterrupt:
        return language_pb2.RunResponse(bail=True)
    except Exception as error:
        trace = trace_of_program(error, program)
        pulumi.log.error("Program failed with an unhandled exception:\n" + trace)
        return language_pb2.RunResponse(bail=True)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        loop.close()
        sys.stdout.flush()
        sys.stderr.flush()
    return language_pb2.RunResponse()


def interrupt_once(*_: object) -> None:
    """Stops the program; the engine's second signal must not interrupt the answer to its first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def leave_with_the_engine(engine_pid: int) -> None:
    """Ends this process once the engine that started it is gone, however it went."""
    while os.getppid() == engine_pid:
        time.sleep(ENGINE_POLL_SECONDS)
    os._exit(0)


def main() -> None:
    """The last argument is the engine's address; the port goes to standard output, as every
    plugin's does."""
    engine = next(argument for argument in reversed(sys.argv[1:]) if not argument.startswith("-"))
    threading.Thread(target=leave_with_the_engine, args=(os.getppid(),), daemon=True).start()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # it is a TextIOWrapper
    host = LanguageHost()
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(max_workers=8), options=options)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    # Between programs an interrupt is the engine's way to say that it is done with us.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    while True:
        request, answer = host.jobs.get()
        host.running = True
        signal.signal(signal.SIGINT, interrupt_once)
        answer.set_result(run_program(request, engine))
        host.running = False
        signal.signal(signal.SIGINT, lambda *_: os._exit(0))


if __name__ == "__main__":
    main()
