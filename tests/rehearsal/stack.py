"""An environment's stack in a rehearsed account: the real program, by the real engine."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

import yaml
from botocore.exceptions import ClientError

from config.render.aws_bundle import BUNDLE_KEY, STATUS_KEY
from ops.environment import CHECKOUT
from ops.stack import Stack, open_stack
from tests.cluster.own_stack import copy_program
from tests.rehearsal.account import PLUGINS, REGION, RehearsedAccount
from tests.rehearsal.aws_provider.kind import Aws
from tests.rehearsal.aws_provider.servicer import KINDS, resource_type

KEY = "hpc-stack:cluster"


@dataclass
class Done:
    """How a command of the engine's ended: what it did to which resource, and all that it said."""

    status: int
    output: str
    steps: list[tuple[str, str]] = field(default_factory=list)
    """Operation and the resource's name; those that stay the same are left out."""

    @property
    def count(self) -> dict[str, int]:
        """How often each operation was done."""
        return dict(Counter(operation for operation, _ in self.steps))

    def of(self, operation: str) -> set[str]:
        """Names of the resources to which an operation was done."""
        return {name for done, name in self.steps if done == operation}


@dataclass(frozen=True)
class RehearsedStack:
    """One stack of a copy of the program."""

    stack: Stack
    account: RehearsedAccount

    @property
    def settings_file(self) -> Path:
        return self.stack.checkout / f"Pulumi.{self.stack.name}.yaml"

    def settings(self) -> dict[str, Any]:
        """The settings as they are written."""
        written: dict[str, Any] = yaml.safe_load(self.settings_file.read_text())["config"][KEY]
        return written

    def configure(self, **parts: Any) -> None:
        """Exchange some parts of the settings."""
        document = yaml.safe_load(self.settings_file.read_text())
        document["config"][KEY] |= parts
        self.settings_file.write_text(yaml.safe_dump(document))

    def environment(self) -> dict[str, str]:
        """The engine's, with the stand-in for its AWS plugin, in the rehearsed account."""
        path = f"{PLUGINS}:{self.stack.environment['PATH']}"
        return {**self.stack.environment, **self.account.environment(), "PATH": path}

    def here(self, **variables: str) -> Stack:
        """The stack as our commands open it, in the rehearsed account."""
        return replace(self.stack, environment={**self.environment(), **variables})

    def run(self, *arguments: str, **variables: str) -> Done:
        """Run the CLI, whatever comes of it."""
        process = subprocess.run(
            [*self.stack.command(*arguments), "--json"],
            cwd=self.stack.checkout,
            env={**self.environment(), **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        return Done(process.returncode, process.stdout + process.stderr, _steps(process.stdout))

    def must(self, *arguments: str) -> Done:
        """Run the CLI, which has to succeed."""
        done = self.run(*arguments)
        assert done.status == 0, complaints(done.output)
        return done

    def preview(self) -> Done:
        return self.must("preview")

    def up(self) -> Done:
        """Bring the stack up, with somebody who plays the controller's host agent."""
        with played_controller(self.account):
            return self.must("up", "--yes", "--skip-preview")

    def resources(self) -> list[dict[str, Any]]:
        """What the stack believes to be there, of AWS."""
        state = json.loads(self.stack.pulumi("stack", "export", "--show-secrets"))
        found = state["deployment"].get("resources", [])
        return [one for one in found if one["type"] in KINDS]

    def resource(self, name: str, kind: str) -> dict[str, Any]:
        """One of them, by its name and the last part of its type."""
        (found,) = (one for one in self.resources() if one["urn"].endswith(f":{kind}::{name}"))
        return found

    def still_there(self, resources: list[dict[str, Any]]) -> list[str]:
        """Which of some resources the account still has."""
        aws = Aws(
            region=REGION,
            store=self.account.side_store,
            _clients=_Clients(self.account),
        )
        return [
            one["urn"].rpartition("::")[2]
            for one in resources
            if KINDS[resource_type(one["urn"])].read(aws, one["id"], one["inputs"]) is not None
        ]


class _Clients(dict[str, Any]):
    """A client for each service, made when it is first asked for."""

    def __init__(self, account: RehearsedAccount) -> None:
        super().__init__()
        self._account = account

    def __contains__(self, service: object) -> bool:
        return True

    def __missing__(self, service: str) -> Any:
        self[service] = self._account.client(service)
        return self[service]


def _steps(output: str) -> list[tuple[str, str]]:
    """From a preview's one document, or from the events of an operation."""
    try:
        document = json.loads(output)
    except ValueError:
        document = None
    if isinstance(document, dict) and "steps" in document:
        pairs = [(step["op"], step["urn"]) for step in document["steps"]]
    else:
        events = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        metadata = [
            event["resOutputsEvent"]["metadata"] for event in events if "resOutputsEvent" in event
        ]
        pairs = [(one["op"], one["urn"]) for one in metadata]
    return [(op, urn.rpartition("::")[2]) for op, urn in pairs if op != "same"]


@contextmanager
def played_controller(
    account: RehearsedAccount, state: str = "ready", detail: str = "", log: str = ""
) -> Iterator[None]:
    """Somebody who says of every bundle that comes how it went, as the host agent would."""
    stopped = Event()
    s3, ec2 = account.client("s3"), account.client("ec2")

    def answer() -> None:
        told: dict[str, str] = {}
        while not stopped.wait(0.1):
            for bucket in (one["Name"] for one in s3.list_buckets()["Buckets"]):
                if "-system-" in bucket and (controller := _controller(ec2)):
                    last = told.get(bucket, "")
                    told[bucket] = _answer(s3, controller, bucket, last, state, detail, log)

    thread = Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _controller(ec2: Any) -> str | None:
    """The controller that runs."""
    filters = [
        {"Name": "tag:Name", "Values": ["*-controller"]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]
    found = ec2.describe_instances(Filters=filters)["Reservations"]
    return str(found[0]["Instances"][0]["InstanceId"]) if found else None


def _answer(
    s3: Any, controller: str, bucket: str, told: str, state: str, detail: str, log: str
) -> str:
    try:
        text = s3.get_object(Bucket=bucket, Key=BUNDLE_KEY)["Body"].read()
    except ClientError:
        return told
    digest = str(json.loads(text)["digest"])
    if f"{controller} {digest}" != told:
        status = {
            "version": 1,
            "digest": digest,
            "state": state,
            "detail": detail,
            "log": log,
            "instance_id": controller,
            "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        s3.put_object(Bucket=bucket, Key=STATUS_KEY, Body=json.dumps(status).encode())
    return f"{controller} {digest}"


def complaints(output: str) -> str:
    """What of an operation's events a person would read."""
    events = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    messages = [event["diagnosticEvent"] for event in events if "diagnosticEvent" in event]
    wrong = [one["message"] for one in messages if one["severity"] == "error"]
    return "".join(wrong) or output[-4000:]


def machine_images(account: RehearsedAccount) -> dict[str, str]:
    """An image for each kind of machine, of those that moto has."""
    images = account.client("ec2").describe_images()["Images"]
    first = {
        architecture: next(i["ImageId"] for i in images if i["Architecture"] == architecture)
        for architecture in ("x86_64", "arm64")
    }
    return {**first, **{f"gpu_{key}": ami for key, ami in first.items()}}


def rehearse(environment: str, account: RehearsedAccount, directory: Path) -> RehearsedStack:
    """The stack of an environment, before its first `up`."""
    checkout = directory / "checkout"
    checkout.mkdir()
    copy_program(checkout)
    document = yaml.safe_load((CHECKOUT / f"Pulumi.{environment}.yaml").read_text())
    document["config"][KEY]["aws"]["amis"] = machine_images(account)
    (checkout / f"Pulumi.{environment}.yaml").write_text(yaml.safe_dump(document))
    return RehearsedStack(open_stack(environment, checkout), account)
