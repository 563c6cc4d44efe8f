"""The cluster's images: built by one bake file, named by the content they are built from."""

from collections.abc import Sequence

import pulumi
from pulumi_command.local import Command, Logging

PREFIX = "hpc-stack"
# A build's log is long, and of interest only when it fails.
_BAKE = (
    "log=$(docker buildx bake --progress plain --file images/docker-bake.hcl 2>&1)"
    " || { printf '%s\\n' \"$log\" | tail -n 60 >&2; exit 1; }"
)

TARGETS = (
    "slurmctld",
    "slurmdbd",
    "slurmrestd",
    "login",
    "slurmd",
    "configurator",
    "node-manager",
    "job-exporter",
)
"""Targets of images/docker-bake.hcl that a cluster runs."""


def references(tag: str) -> dict[str, str]:
    """Image reference by bake target."""
    return {target: f"{PREFIX}/{target}:{tag}" for target in TARGETS}


def build(name: str, *, tag: str, software: Sequence[str], parent: pulumi.Resource) -> Command:
    """Build all images; the engine's cache makes this quick where little has changed."""
    return Command(
        name,
        create=_BAKE,
        environment={"TAG": tag, "PREFIX": PREFIX, "SOFTWARE": " ".join(sorted(software))},
        logging=Logging.NONE,
        add_previous_output_in_env=False,
        opts=pulumi.ResourceOptions(parent=parent),
    )
