"""A cluster on AWS as our commands reach it: its controller's machine, its nodes, sessions on both.

Nothing is open to the internet, so all of it goes through AWS: EC2 starts and stops machines,
Systems Manager (SSM) carries commands, sessions and forwarded ports.
"""

import json
import shlex
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from components.aws import end_nodes
from ops.aws_settings import region_of
from ops.stack import Stack, StackProblem

COMMAND_SECONDS = 60.0
AWS_CLI = "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
PLUGIN = (
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html"
)


@dataclass(frozen=True, kw_only=True)
class AwsCluster:
    """One cluster. Whatever AWS refuses is a StackProblem."""

    stack: str
    name: str
    region: str
    controller: str
    """Instance id."""
    session: Any
    """A boto3 session."""

    def state(self) -> str:
        """The controller's: running, stopped, on its way, or terminated."""
        found = self._instance()
        return str(found["State"]["Name"]) if found else "terminated"

    def is_gone(self) -> bool:
        """Whether somebody ended the controller's machine: it never comes back."""
        return self.state() in ("shutting-down", "terminated")

    def await_end(self) -> None:
        """Wait until a machine that is being ended has ended: only then does the engine see it."""
        if self.state() == "shutting-down":
            self._wait("instance_terminated")

    def address(self) -> str:
        """The controller's address for people: public if it has one, else private."""
        found = self._instance() or {}
        return str(found.get("PublicIpAddress") or found.get("PrivateIpAddress", ""))

    def _instance(self) -> dict[str, Any] | None:
        """What EC2 knows of the controller; None when it has forgotten it."""
        # By a filter: an id that is not known any more is no error then.
        only = [{"Name": "instance-id", "Values": [self.controller]}]
        answer = self._ask(lambda: self._ec2().describe_instances(Filters=only))
        for reservation in answer["Reservations"]:
            return dict(reservation["Instances"][0])
        return None

    def start(self) -> bool:
        """Start a controller that is stopped; whether it was."""
        if self.state() == "stopping":
            self._wait("instance_stopped")
        if self.state() != "stopped":
            return False
        self._ask(lambda: self._ec2().start_instances(InstanceIds=[self.controller]))
        self._wait("instance_running")
        return True

    def stop(self) -> int:
        """Stop the controller, then end its nodes, which nobody could use: how many they were."""
        self._ask(lambda: self._ec2().stop_instances(InstanceIds=[self.controller]))
        self._wait("instance_stopped")
        ended: int = self._ask(lambda: end_nodes.end(self._ec2(), self.name))
        return ended

    def nodes(self) -> list[str]:
        """Instance ids of compute nodes that are there."""
        found: list[str] = self._ask(lambda: end_nodes.nodes(self._ec2(), self.name))
        return found

    def run(self, script: str, seconds: float = COMMAND_SECONDS) -> str:
        """What a script says on the controller, run as root."""
        ssm = self.session.client("ssm", region_name=self.region)
        sent = self._ask(
            lambda: ssm.send_command(
                InstanceIds=[self.controller],
                DocumentName="AWS-RunShellScript",
                Parameters={"commands": [script]},
            )
        )["Command"]["CommandId"]
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                done = ssm.get_command_invocation(CommandId=sent, InstanceId=self.controller)
            except ssm.exceptions.InvocationDoesNotExist:
                done = {"Status": "Pending"}
            if done["Status"] not in ("Pending", "InProgress", "Delayed"):
                return str(done["StandardOutputContent"] or done["StandardErrorContent"]).rstrip()
            time.sleep(0.5)
        raise StackProblem(
            f"The controller {self.controller} did not answer within {seconds:.0f} s.\n"
            "Fix: look whether its SSM agent is online (`aws ssm describe-instance-information`)"
        )

    def session_words(self, document: str, **parameters: str) -> list[str]:
        """The command line of a session on the controller; StackProblem without the tools."""
        for tool, where in (("aws", AWS_CLI), ("session-manager-plugin", PLUGIN)):
            if not shutil.which(tool):
                raise StackProblem(
                    f"{tool} is missing, which opens sessions on AWS.\nFix: install it, {where}"
                )
        return [
            "aws", "ssm", "start-session", "--region", self.region, "--target", self.controller,
            "--document-name", document,
            "--parameters", json.dumps({key: [value] for key, value in parameters.items()}),
        ]  # fmt: skip

    def _ec2(self) -> Any:
        return self.session.client("ec2", region_name=self.region)

    def _wait(self, what: str) -> None:
        waiter = self._ec2().get_waiter(what)
        self._ask(lambda: waiter.wait(InstanceIds=[self.controller], WaiterConfig={"Delay": 5}))

    def _ask(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (BotoCoreError, ClientError, WaiterError) as error:
            raise StackProblem(
                f"AWS does not do it in {self.region}: {error}\n"
                "Fix: check your credentials (`aws sts get-caller-identity`) and their rights"
            ) from None


def aws_cluster(stack: Stack) -> AwsCluster:
    """The cluster of a stack on AWS. Raises StackProblem when it has none."""
    outputs = stack.outputs()
    if "controller" not in outputs:
        raise StackProblem(
            f"Stack {stack.name} has no cluster yet. Fix: make up STACK={stack.name}"
        )
    return AwsCluster(
        stack=stack.name,
        name=outputs["cluster"],
        region=region_of(stack.checkout / f"Pulumi.{stack.name}.yaml"),
        controller=outputs["controller"],
        session=boto3.session.Session(),
    )


def must_run(cluster: AwsCluster) -> None:
    """Raises StackProblem for a controller that does not run."""
    state = cluster.state()
    if state != "running":
        raise StackProblem(
            f"The controller {cluster.controller} is {state}. Fix: make up STACK={cluster.stack}"
        )


def in_service(cluster: str, service: str, words: Sequence[str], *, terminal: bool = False) -> str:
    """The command line, for the controller's shell, of something in a service's container."""
    options = ("--interactive", "--tty") if terminal else ()
    return shlex.join(("sudo", "docker", "exec", *options, f"hpc-{cluster}-{service}-1", *words))
