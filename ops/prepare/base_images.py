"""Step 5: the images that ours are built from and run with: what is there, else pulled, else
built here.

What is built here has the same name and tag, so that nothing else has to know
(offline/README.md), and a label.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from ops.prepare.debian_packages import debian_mirror, install
from ops.prepare.machine import Machine
from ops.prepare.steps import Ended, ProblemError, Step, ask, cache, run

DEBIAN = "debian:forky-slim"
STAND_INS = {
    "mysql:9.7": "offline/images/mysql",
    "prom/prometheus:v3.5.3": "offline/images/monitoring",
    "prom/alertmanager:v0.33.1": "offline/images/monitoring",
    "prom/node-exporter:v1.11.1": "offline/images/monitoring",
    "prom/mysqld-exporter:v0.19.0": "offline/images/monitoring",
}
"""Directories that the images are built from, on DEBIAN, where they cannot be pulled. Where there
are several targets, the target has the repository's name."""
IMAGES = (DEBIAN, *STAND_INS)  # in this order: the others are built from the first
GRAFANA = "grafana/grafana:12.2.0"
GPU_EXPORTER = "nvcr.io/nvidia/k8s/dcgm-exporter:4.6.0-4.8.3-distroless"
OPTIONAL = {
    GRAFANA: "without Grafana; see `make report`",
    GPU_EXPORTER: "and nobody measures GPUs",
}
"""Debian has no packages of them: where they cannot be pulled, clusters come up as it is said."""
MACHINE = "debian:trixie-slim"
"""What plays EC2's machines in tests: the newest Debian whose systemd runs on cgroup v1 as well."""
LABEL = "hpc-stack.stand-in"
PULL_SECONDS = 1800.0
SILENT_SECONDS = 45.0  # an engine gives up on a registry that does not answer after some 15 s a try
BUILD_SECONDS = 1800.0
PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy")


def ensure_images(checkout: Path, machine: Machine, dev: bool, retry: bool) -> dict[str, str]:
    """Makes sure of the images; returns "original" or "stand-in" for each. Raises ProblemError."""
    wanted = (*IMAGES, MACHINE) if dev else IMAGES
    here = present(wanted)
    for image in wanted:
        if not needs_pull(here.get(image, ""), retry):
            continue
        step = Step(f"image {image}")
        step.begin("pulling")
        reason = pull(step, image)
        if not reason:
            step.end("pulled")
            here[image] = "original"
        elif here.get(image):
            step.end("still the one that was built here", reason)
        else:
            step.note(f"building it here ({reason})")
            build_image(step, image, checkout, machine)
            step.end("built here", reason)
            here[image] = "stand-in"
    return here


def ask_for_optional(retry: bool) -> None:
    """Pulls the images that clusters can do without; that one cannot be had is remembered."""
    wanted = [GRAFANA, *((GPU_EXPORTER,) if gives_gpus() else ())]
    here = present(tuple(wanted))
    for image in wanted:
        refused = cache() / f"no-{image.rpartition('/')[2].partition(':')[0]}"
        if image in here or (refused.exists() and not retry):
            continue
        step = Step(f"image {image}")
        step.begin("pulling")
        reason = pull(step, image)
        if reason:
            refused.parent.mkdir(parents=True, exist_ok=True)
            refused.write_text(reason)
            step.end(f"not to be had: clusters come up {OPTIONAL[image]}", reason)
        else:
            refused.unlink(missing_ok=True)
            step.end("pulled")


def gives_gpus() -> bool:
    """Whether the engine has NVIDIA's runtime."""
    answer = ask(["docker", "info", "--format", "{{json .Runtimes}}"])
    return '"nvidia"' in answer.output


def needs_pull(found: str, retry: bool) -> bool:
    """Whether to ask the registry: the image is missing, or is a stand-in and originals are
    wanted."""
    return not found or (found == "stand-in" and retry)


def present(images: tuple[str, ...]) -> dict[str, str]:
    """The images that the engine has, and which they are."""
    form = "{{json .RepoTags}}\t{{json .Config.Labels}}"
    return parse_present(
        ask(["docker", "image", "inspect", "--format", form, *images]).output, images
    )


def parse_present(output: str, images: tuple[str, ...]) -> dict[str, str]:
    """Reads `docker image inspect`, which complains about those that are missing in lines of
    their own."""
    found = {}
    for line in output.splitlines():
        if line.startswith("["):
            tags, _, labels = line.partition("\t")
            kind = "stand-in" if LABEL in (json.loads(labels) or {}) else "original"
            found.update({tag: kind for tag in json.loads(tags) if tag in images})
    return found


def pull(step: Step, image: str) -> str:
    """Pulls the image; returns why it could not be, or ""."""
    ended = run(
        step, ["docker", "pull", image], timeout=PULL_SECONDS, first_output_within=SILENT_SECONDS
    )
    if ended.status == 0:
        return ""
    if not ended.output:
        return "the registry does not answer"
    return ended.output.splitlines()[-1].removeprefix("Error response from daemon: ")[:160]


def build_image(step: Step, image: str, checkout: Path, machine: Machine) -> None:
    """Builds what could not be pulled, by the same name."""
    if image in STAND_INS:
        build_from_packages(step, image, checkout)
    else:
        build_debian(step, image, checkout, machine)


def build_debian(step: Step, image: str, checkout: Path, machine: Machine) -> None:
    """From a Debian mirror, by debootstrap, which needs root."""
    how = "Pull it where there is a registry and bring it here (docker save, docker load)"
    if not machine.root or machine.system != "Linux":
        raise ProblemError(
            f"{image} cannot be pulled; to build it from a Debian mirror, root is needed:\n"
            f"    sudo {sys.executable} {checkout}/offline/images/debian/build.py {image}\n"
            f"{how}, or run that."
        )
    if not shutil.which("debootstrap"):
        if not machine.installs_packages:
            raise ProblemError(
                f"{image} cannot be pulled, and debootstrap is missing. {how}, or install it."
            )
        install(step, ["debootstrap"], machine)
    command = [sys.executable, str(checkout / "offline/images/debian/build.py"), image]
    command += ["--mirror", debian_mirror(), "--scratch", str(cache() / "images")]
    must(run(step, command, timeout=BUILD_SECONDS), image)


def build_from_packages(step: Step, image: str, checkout: Path) -> None:
    """From Debian's packages, in an image build like any other."""
    context = STAND_INS[image]
    command = ["docker", "build", "--tag", image, "--label", f"{LABEL}={context}"]
    command += ["--build-arg", f"BASE={DEBIAN}", str(checkout / context)]
    if list(STAND_INS.values()).count(context) > 1:
        command += ["--target", image.rpartition("/")[2].partition(":")[0]]
    for name in PROXY_VARIABLES:
        if os.environ.get(name):
            command += ["--build-arg", f"{name}={os.environ[name]}"]
    must(run(step, command, timeout=BUILD_SECONDS), image)


def must(ended: Ended, image: str) -> None:
    """Raises ProblemError when a build failed."""
    if ended.status != 0:
        raise ProblemError(f"{image} could neither be pulled nor built:\n{ended.tail()}")
