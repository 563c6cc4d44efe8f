"""What a platform brings to a machine, for a machine with cgroup v2: images, a bundle, secrets."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from components.image_tag import content_tag
from components.local.images import PREFIX, references
from config.render.bundle import render_bundle
from config.render.compose import MYSQL_IMAGE, SECRETS
from config.render.site import Site
from config.settings import load_cluster
from ops.environment import CHECKOUT
from tests.vm.progress import Progress

USER = "ada"

# The "GPUs": the VM's two idle serial ports by other names. They are devices of a real driver, are
# not among those that Docker gives every container, and do no harm when opened.
GPU_DEVICES = {"/dev/hpcgpu0": (4, 65), "/dev/hpcgpu1": (4, 66)}

SETTINGS = {
    "pools": {
        "node": {
            "cpus": 2,
            "memory_mb": 600,
            "min_nodes": 1,  # the same node in all tests, so that "it stays up" can be seen
            "max_nodes": 1,
            "gpus": {"type": "test", "count": 2, "device_files": list(GPU_DEVICES)},
        }
    },
    "accounts": {"research": {}},
    "users": {USER: {"uid": 2001, "accounts": ["research"]}},
    "slurm": {
        "resume_timeout_seconds": 600,
        "extra": ["MessageTimeout=60"],  # what takes 100 ms outside takes 2 s emulated
    },
}

# How long the cluster may take to start, in seconds; with KVM it takes a fifteenth of it.
UP_SECONDS = 1500
PATIENCE = {
    "start_period": f"{UP_SECONDS}s",
    "start_interval": "15s",
    "interval": "120s",
    "timeout": "60s",
}


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """All that a cluster needs on a machine with Docker."""

    cluster: str
    images: tuple[str, ...]
    compose: str
    environment: Mapping[str, str]
    """The secrets, as the document takes them."""


def make_delivery(progress: Progress) -> Delivery:
    """Builds the images in this machine's engine and renders a bundle.

    Raises CalledProcessError.
    """
    tag = content_tag(())  # no software: the smallest
    with progress.step("building the cluster's images"):
        subprocess.run(
            ["docker", "buildx", "bake", "--file", "images/docker-bake.hcl"],
            cwd=CHECKOUT,
            env={**os.environ, "TAG": tag, "PREFIX": PREFIX, "SOFTWARE": ""},
            check=True,
            capture_output=True,
        )
    images = references(tag)
    # Nobody else's name: the database is first made in this machine's engine.
    name = f"vm-{secrets.token_hex(4)}"
    settings = load_cluster({"name": name, **SETTINGS})
    return Delivery(
        cluster=name,
        images=tuple(sorted({*images.values(), MYSQL_IMAGE})),
        compose=render_bundle(settings, Site(images=images, cgroup="v2")).compose,
        environment={variable: secrets.token_urlsafe(48) for variable in SECRETS.values()},
    )


def with_patience(compose: str) -> str:
    """The document with health checks at an emulated machine's pace, and nothing else changed.

    Meant for a real one, a check a second of each service alone keeps emulated processors busy.
    """
    document = yaml.safe_load(compose)
    for service in document["services"].values():
        # Without a test of its own, Docker takes the image's.
        service["healthcheck"] = {**service.get("healthcheck", {}), **PATIENCE}
    return yaml.safe_dump(document, sort_keys=False)
