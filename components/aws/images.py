"""The cluster's images in its registry, for each kind of processor that it has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_command.local import Command, Logging

from config.render.compose import MYSQL_IMAGE

MIRRORED = {"mysql": MYSQL_IMAGE}
"""Third-party images, which the cluster then has of its own: no other registry at run time."""
PLATFORMS = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}
_PUSH = ".venv/bin/python -m components.aws.push_images"


@dataclass(frozen=True, kw_only=True)
class ImagesArgs:
    """Which images, in which repositories."""

    region: str
    urls: Mapping[str, pulumi.Input[str]]
    """Repository by image."""
    images: Mapping[str, Sequence[str]]
    """By processor architecture: what is needed for it."""
    content: str
    """The tag that says what the images are made of."""
    software: Sequence[str]


class Images(pulumi.ComponentResource):
    """Images that are built here by the one bake file, and pushed by the tag of their content."""

    def __init__(
        self, name: str, args: ImagesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hpcstack:aws:Images", name, None, opts)
        for architecture, images in args.images.items():
            first = args.urls[images[0]]
            mirrored = {image: MIRRORED[image] for image in images if image in MIRRORED}
            Command(
                f"{name}-images-{architecture.replace('_', '-')}",
                create=_PUSH,
                environment={
                    "PREFIX": pulumi.Output.from_input(first).apply(_without_name),
                    "TAG": image_tag(args.content, architecture),
                    "SOFTWARE": " ".join(sorted(args.software)),
                    "HPC_STACK_REGION": args.region,
                    "HPC_STACK_PLATFORM": PLATFORMS[architecture],
                    "HPC_STACK_TARGETS": " ".join(i for i in images if i not in mirrored),
                    "HPC_STACK_MIRRORED": " ".join(f"{i}={s}" for i, s in mirrored.items()),
                },
                logging=Logging.NONE,
                add_previous_output_in_env=False,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})


def image_tag(content: str, architecture: str) -> str:
    """Tag of an image for one architecture."""
    return f"{content}-{architecture}"


def _without_name(url: str) -> str:
    return url.rpartition("/")[0]
