"""The cluster's images in its registry: which are needed, their names, and how they get there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_command.local import Command, Logging

from components.aws.policies.facts import GPU_EXPORTER, NODE_IMAGE, NODE_IMAGES
from components.image_tag import content_tag
from config.catalogue import catalogue
from config.render.compose import MYSQL_IMAGE, running_services
from config.render.compose_monitoring import (
    ALERTMANAGER_IMAGE,
    GRAFANA_IMAGE,
    MYSQLD_EXPORTER_IMAGE,
    NODE_EXPORTER_IMAGE,
    PROMETHEUS_IMAGE,
)
from config.render.gpu_exporter import GPU_EXPORTER_IMAGE
from config.render.site import Site
from config.settings import ClusterSettings, Pool

SERVICE_IMAGES = {
    "mysql": "mysql",
    "slurmctld": "slurmctld",
    "slurmdbd": "slurmdbd",
    "slurmrestd": "slurmrestd",
    "login": "login",
    "configurator": "configurator",
    "node-manager": "node-manager-ec2",
    "job-exporter": "job-exporter",
    "prometheus": "prometheus",
    "alertmanager": "alertmanager",
    "node-exporter": "node-exporter",
    "mysqld-exporter": "mysqld-exporter",
    "grafana": "grafana",
}
"""Repository of each of the controller's services."""
AGENT = "host-agent"
CONTROLLER_IMAGES = (*SERVICE_IMAGES.values(), AGENT)
REPOSITORIES = (*CONTROLLER_IMAGES, *NODE_IMAGES)

MIRRORED = {
    "mysql": MYSQL_IMAGE,
    "prometheus": PROMETHEUS_IMAGE,
    "alertmanager": ALERTMANAGER_IMAGE,
    "node-exporter": NODE_EXPORTER_IMAGE,
    "mysqld-exporter": MYSQLD_EXPORTER_IMAGE,
    "grafana": GRAFANA_IMAGE,
    GPU_EXPORTER: GPU_EXPORTER_IMAGE,
}
"""Third-party images by repository, which the cluster then has of its own: no other registry at run
time. `aws.images` has their digests."""
PLATFORMS = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}
AGENT_SOURCE = Path("images/host-agent")
_PUSH = ".venv/bin/python -m components.aws.push_images"


@dataclass(frozen=True, kw_only=True)
class ImagesArgs:
    """The repositories, by image, and the settings that say what is needed."""

    region: str
    urls: Mapping[str, pulumi.Input[str]]
    settings: ClusterSettings


class Images(pulumi.ComponentResource):
    """Images that are built here by the one bake file, and pushed by the tag of their content."""

    references: pulumi.Output[list[str]]
    """All of them."""

    def __init__(
        self, name: str, args: ImagesArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hpcstack:aws:Images", name, None, opts)
        self._urls = args.urls
        software = args.settings.software
        # A controller's user data names its agent: another tag there replaces the machine.
        agent = content_tag((), (AGENT_SOURCE,))
        self._sources = sources(args.settings)
        mirrored = {image: source_tag(source) for image, source in self._sources.items()}
        self._content = {AGENT: agent, **mirrored, "": content_tag(software)}
        needed = needed_images(args.settings)
        for architecture, images in needed.items():
            built = [image for image in images if image not in self._content]
            self._push(f"{name}-images", architecture, built, args.region, software)
            for image in (AGENT, *sorted(self._sources)):
                if image in images:
                    self._push(f"{name}-{image}-image", architecture, [image], args.region, ())
        self.references = pulumi.Output.all(
            *(
                self.reference(image, architecture)
                for architecture, images in needed.items()
                for image in images
            )
        ).apply(sorted)
        self.register_outputs({"references": self.references})

    def reference(self, image: str, architecture: str) -> pulumi.Output[str]:
        """Full reference of an image for one kind of processor."""
        return pulumi.Output.format("{0}:{1}", self._urls[image], self._tag(image, architecture))

    def _tag(self, image: str, architecture: str) -> str:
        return f"{self._content.get(image, self._content[''])}-{architecture}"

    def _push(
        self,
        name: str,
        architecture: str,
        images: Sequence[str],
        region: str,
        software: Sequence[str],
    ) -> None:
        mirrored = {image: self._sources[image] for image in images if image in self._sources}
        first = pulumi.Output.from_input(self._urls[images[0]])
        Command(
            f"{name}-{architecture.replace('_', '-')}",
            create=_PUSH,
            environment={
                "PREFIX": first.apply(lambda url: url.rpartition("/")[0]),
                "TAG": self._tag(images[0], architecture),
                "SOFTWARE": " ".join(sorted(software)),
                "HPC_STACK_REGION": region,
                "HPC_STACK_PLATFORM": PLATFORMS[architecture],
                "HPC_STACK_TARGETS": " ".join(one for one in images if one not in mirrored),
                "HPC_STACK_MIRRORED": " ".join(f"{i}={source}" for i, source in mirrored.items()),
            },
            logging=Logging.NONE,
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(parent=self),
        )


def sources(settings: ClusterSettings) -> dict[str, str]:
    """Where each third-party image comes from: by its digest, as far as that is pinned."""
    pinned = settings.aws.images.model_dump() if settings.aws else {}
    return {
        image: f"{source}@{digest}" if (digest := pinned[digest_setting(image)]) else source
        for image, source in MIRRORED.items()
    }


def digest_setting(image: str) -> str:
    """The name in `aws.images` of a third-party image."""
    return image.replace("-", "_")


def source_tag(source: str) -> str:
    """The tag of a copy, another one for each source: `9.7-1f2e3d4c5b6a` of mysql:9.7@sha256:..."""
    name, _, digest = source.partition("@sha256:")
    tag = name.rpartition(":")[2]
    return f"{tag}-{digest[:12]}" if digest else tag


def architecture_of(instance_type: str) -> str:
    """The processors of a type."""
    return catalogue()[instance_type].architecture


def needed_images(settings: ClusterSettings) -> dict[str, list[str]]:
    """Which images are needed for which processors: the controller's, and the pools'."""
    if settings.aws is None:
        return {}
    # Which services run depends on what the settings want observed.
    site = Site(images={}, cgroup="v2", grafana=True)
    services = {*running_services(settings, site), "configurator"}
    controller = [*(SERVICE_IMAGES[name] for name in SERVICE_IMAGES if name in services), AGENT]
    needed = {architecture_of(settings.aws.controller.instance_type): controller}
    for pool in settings.pools.values():
        images = needed.setdefault(architecture_of(pool.instance_types[0]), [])
        images += [image for image in node_images(settings, pool) if image not in images]
    return needed


def node_images(settings: ClusterSettings, pool: Pool) -> tuple[str, ...]:
    """What a pool's nodes run: slurmd, and what measures their GPUs."""
    measured = settings.monitoring.enabled and pool.gpus is not None
    return (NODE_IMAGE, GPU_EXPORTER) if measured else (NODE_IMAGE,)


def registry_of(image: str) -> str:
    """Host name of the registry in an image's reference."""
    return image.partition("/")[0]
