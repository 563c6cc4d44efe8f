"""Build the cluster's images for one kind of processor and push them: a program run by the engine.

    python -m components.aws.push_images

Told by the environment: HPC_STACK_REGION; PREFIX, the repositories' common part; TAG; SOFTWARE;
HPC_STACK_PLATFORM, such as linux/arm64; HPC_STACK_TARGETS and HPC_STACK_MIRRORED, what is built
here and what is copied from where. What the registry has is neither built nor pushed again.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
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
    with tempfile.TemporaryDirectory() as folder:
        own = _docker_configuration()
        copy_configuration(own, Path(folder), registry)
        builders = told.get("BUILDX_CONFIG", str(own / "buildx"))
        environment = {**told, "DOCKER_CONFIG": folder, "BUILDX_CONFIG": builders}
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


def _docker_configuration() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def copy_configuration(own: Path, copy: Path, registry: str) -> None:
    """What the user has set up of Docker (engine, plugins, logins elsewhere), for a login of ours.

    Their own stays as it is, and no helper of theirs is asked to keep ours.
    """
    for name in ("cli-plugins", "contexts"):
        if (own / name).is_dir():
            (copy / name).symlink_to(own / name)
    try:
        written: dict[str, Any] = json.loads((own / "config.json").read_text())
    except (OSError, ValueError):
        return
    helpers = written.get("credHelpers", {})
    kept = {key: helper for key, helper in helpers.items() if key != registry}
    logins = {key: login for key, login in written.get("auths", {}).items() if key != registry}
    # A store would be given our login to keep; what it holds for others cannot be copied.
    dropped = ("credsStore", "credHelpers", "auths")
    others = {key: value for key, value in written.items() if key not in dropped}
    document = {**others, "auths": logins, "credHelpers": kept}
    (copy / "config.json").write_text(json.dumps(document))


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
