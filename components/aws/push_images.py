"""Build the cluster's images for one kind of processor and push them: a program run by the engine.

    python -m components.aws.push_images

Told by the environment: HPC_STACK_REGION; PREFIX, the repositories' common part; TAG; SOFTWARE;
HPC_STACK_PLATFORM, such as linux/arm64; HPC_STACK_TARGETS and HPC_STACK_MIRRORED, what is built
here and what is copied from where. What the registry has is neither built nor pushed again.
"""

import base64
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

_LAST_LINES = 40


class PushFailed(Exception):
    """An image is not where the cluster would look for it. The text says why."""


def missing(ecr: Any, repositories: Mapping[str, str], tag: str) -> list[str]:
    """Images, by name, whose repository does not have the tag."""
    absent = []
    for image, repository in repositories.items():
        try:
            ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
        except ClientError as error:
            if error.response["Error"]["Code"] != "ImageNotFoundException":
                raise
            absent.append(image)
    return absent


def commands(
    *, prefix: str, tag: str, platform: str, targets: Iterable[str], mirrored: Mapping[str, str]
) -> list[list[str]]:
    """What brings images into the registry: one build of all targets, and a copy of each other."""
    made = []
    if names := sorted(targets):
        bake = ["docker", "buildx", "bake", "--progress", "plain"]
        file = ["--file", "images/docker-bake.hcl", "--set", f"*.platform={platform}"]
        made.append([*bake, *file, "--push", *names])
    for image, source in sorted(mirrored.items()):
        reference = f"{prefix}/{image}:{tag}"
        made += [
            ["docker", "pull", "--quiet", "--platform", platform, source],
            ["docker", "tag", source, reference],
            ["docker", "push", "--quiet", reference],
        ]
    return made


def main() -> None:
    """Push what is missing."""
    told = os.environ
    prefix, tag = told["PREFIX"], told["TAG"]
    registry, _, path = prefix.partition("/")
    mirrored = dict(one.split("=", 1) for one in told["HPC_STACK_MIRRORED"].split())
    targets = told["HPC_STACK_TARGETS"].split()
    repositories = {image: f"{path}/{image}" for image in (*targets, *mirrored)}
    ecr: Any = boto3.session.Session(region_name=told["HPC_STACK_REGION"]).client("ecr")
    try:
        absent = set(missing(ecr, repositories, tag))
        if not absent:
            return
        token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    except (BotoCoreError, ClientError) as error:
        raise PushFailed(f"{registry} does not answer as it should: {error}") from None
    password = base64.b64decode(token).decode().partition(":")[2]
    with tempfile.TemporaryDirectory() as login:
        # A login of our own: the user's stays as it is. Builders and plugins are the user's.
        environment = {**told, "DOCKER_CONFIG": login, "BUILDX_CONFIG": _builders()}
        words = ("docker", "login", "--username", "AWS", "--password-stdin", registry)
        _run(list(words), environment, stdin=password)
        for command in commands(
            prefix=prefix,
            tag=tag,
            platform=told["HPC_STACK_PLATFORM"],
            targets=[one for one in targets if one in absent],
            mirrored={image: source for image, source in mirrored.items() if image in absent},
        ):
            _run(command, environment)


def _builders() -> str:
    own = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")  # noqa: PTH111
    return os.environ.get("BUILDX_CONFIG", f"{own}/buildx")


def _run(command: list[str], environment: Mapping[str, str], stdin: str = "") -> None:
    done = subprocess.run(
        command,
        input=stdin,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-_LAST_LINES:])
        raise PushFailed(f"{' '.join(command)} failed:\n{end}")


if __name__ == "__main__":
    try:
        main()
    except PushFailed as problem:
        sys.exit(str(problem))
