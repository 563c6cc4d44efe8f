"""`make up` of a cluster on AWS: as on this machine, but what it could cost is looked at before."""

import json
import subprocess
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from components.aws.parameters import parameter_name
from config.settings import ClusterSettings
from ops.aws_settings import settings_of
from ops.on_aws import aws_cluster
from ops.progress import Progress, say
from ops.stack import Stack, StackProblem

DATA = {
    "aws:ebs/volume:Volume": "the volume with Slurm's queue and the accounting database",
    "aws:efs/fileSystem:FileSystem": "the homes of all users",
    "aws:s3/bucket:Bucket": "a bucket",
}
"""Resources that hold what nobody can make again, by type, and what they hold."""
_LOSES = {"delete", "replace", "delete-replaced", "create-replacement"}


def up_on_aws(stack: Stack) -> tuple[dict[str, Any], bool]:
    """Bring the stack to its settings: its outputs, and whether anything was changed.

    Starts a controller that `make down` has stopped, and makes anew one that is gone. Raises
    StackProblem before anything is changed where data would be lost, or another's cluster met.
    """
    options: list[str] = []
    if stack.resources():
        cluster = aws_cluster(stack) if "controller" in stack.outputs() else None
        if cluster and cluster.is_gone():
            say(f"The controller {cluster.controller} is gone: another takes its address and data.")
            cluster.await_end()
            options = ["--refresh"]
        refuse_to_lose_data(stack, options)
        if cluster and not options and cluster.start():
            say(f"The controller {cluster.controller} was stopped and starts.")
    else:
        refuse_anothers(settings_of(stack.checkout / f"Pulumi.{stack.name}.yaml"), stack.name)
    progress = Progress("up")
    if not stack.change(progress, "up", *options):
        raise StackProblem("\n".join(progress.problems))
    return stack.outputs(), progress.changed


def refuse_to_lose_data(stack: Stack, options: list[str]) -> None:
    """Raise StackProblem for a change of the settings that would delete data."""
    planned = _preview(stack, options)
    lost = {
        step["urn"].rpartition("::")[2]: DATA[kind]
        for step in planned.get("steps", ())
        if step["op"] in _LOSES and (kind := _kind(step["urn"])) in DATA
    }
    if lost:
        listed = "\n".join(f"    {name}: {what}" for name, what in sorted(lost.items()))
        raise StackProblem(
            f"These settings would delete data, and nothing was changed:\n{listed}\n"
            "Fix: put back what you changed. Of a cluster that is there, the region, the first of "
            "aws.zones (the volume is in it) and aws.storage.kms_key stay.\n"
            "To begin anew: save what you need, `make clean`, then `make up`, both with "
            f"STACK={stack.name}"
        )


def _preview(stack: Stack, options: list[str]) -> dict[str, Any]:
    """What an update would do. Raises StackProblem with what the program says against it."""
    done = subprocess.run(
        stack.command("preview", "--json", *options),
        cwd=stack.checkout,
        env=stack.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        planned: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        planned = {}
    if done.returncode or not planned:
        told = [
            one["message"].strip()
            for one in planned.get("diagnostics", ())
            if one.get("severity") == "error"
        ]
        raise StackProblem("\n".join(told) or (done.stderr or done.stdout).strip())
    return planned


def refuse_anothers(settings: ClusterSettings, stack: str) -> None:
    """Raise StackProblem where the account has a cluster of this name, which is not the stack's."""
    if settings.aws is None:
        return
    region, name = settings.aws.region, settings.name
    session = boto3.session.Session(region_name=region)
    try:
        found = session.client("ssm").get_parameters(Names=[parameter_name(name, "slurm_key")])
    except (BotoCoreError, ClientError):
        return  # without an account that answers, the program says what to do
    if found["Parameters"]:
        raise StackProblem(
            f"The account has a cluster {name} in {region} already, or what was kept of one, and "
            f"this checkout does not know it.\n"
            "Fix: use the state that it was made with (docs/aws.md, State), or choose another "
            f"cluster.name in Pulumi.{stack}.yaml"
        )


def _kind(urn: str) -> str:
    return str(urn.split("::")[2].rpartition("$")[2])


def way_in(stack: Stack) -> list[str]:
    """How people reach the cluster, for the end of `make up`."""
    lines = [
        f"  make ports STACK={stack.name}    these two addresses, by Systems Manager, until Ctrl-C"
    ]
    settings = settings_of(stack.checkout / f"Pulumi.{stack.name}.yaml")
    if settings.aws and settings.aws.network.ssh_from:
        address = aws_cluster(stack).address()
        lines.append(
            f"  ssh -p {settings.ports.ssh} USER@{address}    from the ranges of "
            "aws.network.ssh_from; a public address changes when the controller was stopped"
        )
    return lines
