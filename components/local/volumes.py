"""Volumes with data that nobody can make again. Compose uses them, but does not own them."""

import shlex
from collections.abc import Mapping

import pulumi
from pulumi_command.local import Command

from config.render.compose import DATA_VOLUMES
from config.render.site import volume_name


def make_volumes(
    name: str, *, labels: Mapping[str, str], parent: pulumi.Resource, protect: bool
) -> list[Command]:
    """Create the cluster's data volumes; an existing one is kept as it is."""
    marks = " ".join(f"--label {shlex.quote(f'{key}={value}')}" for key, value in labels.items())
    return [
        Command(
            f"{name}-{volume}-volume",
            create=f"docker volume create {marks} {volume_name(name, volume)}",
            # Labels of a volume cannot be changed: a new tag is for what is created from now on.
            update="true",
            delete=f"docker volume rm {volume_name(name, volume)}",
            opts=pulumi.ResourceOptions(parent=parent, protect=protect),
        )
        for volume in DATA_VOLUMES
    ]
