"""Volumes with data that nobody can make again. Compose uses them, but does not own them."""

import shlex
from collections.abc import Mapping

import pulumi
from pulumi_command.local import Command

from config.render.compose import DATA_VOLUMES
from config.render.site import volume_name

OWNER = "hpc-stack.owner"
"""Label of a volume: which stack's secrets go with its data."""


def make_volumes(
    name: str,
    *,
    owner: pulumi.Input[str],
    labels: Mapping[str, str],
    parent: pulumi.Resource,
    protect: bool,
) -> list[Command]:
    """Create the cluster's data volumes; one that is this `owner`'s already is kept as it is."""
    marks = " ".join(f"--label {shlex.quote(f'{key}={value}')}" for key, value in labels.items())
    return [
        Command(
            f"{name}-{volume}-volume",
            create=pulumi.Output.all(owner, volume_name(name, volume)).apply(
                lambda pair: _create(volume=pair[1], owner=pair[0], marks=marks)
            ),
            # Labels of a volume cannot be changed: a new tag is for what is created from now on.
            update="true",
            delete=f"docker volume rm {volume_name(name, volume)}",
            opts=pulumi.ResourceOptions(parent=parent, protect=protect),
        )
        for volume in DATA_VOLUMES
    ]


def _create(*, volume: str, owner: str, marks: str) -> str:
    # An interrupted `up` finds its own volume again; a stranger's is not touched.
    found = f"docker volume inspect --format '{{{{index .Labels \"{OWNER}\"}}}}' {volume}"
    stranger = (
        f"The volume {volume} exists, and belongs to another checkout or to a stack that is gone. "
        "Allowed: a cluster of this name only once on an engine. "
        "Fix: set another cluster.name, or remove the volume and its data: "
        f"docker volume rm {volume}"
    )
    return (
        f"owner=$({found} 2> /dev/null) || owner=none; "
        f'case "$owner" in {owner}|none) ;; *) echo {shlex.quote(stranger)} >&2; exit 1 ;; esac; '
        f"docker volume create {marks} --label {OWNER}={owner} {volume}"
    )
