"""Step 2: a Docker engine that answers, with Compose and buildx, and disk enough for what comes."""

import contextlib
import enum
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ops.prepare.debian_packages import docker_packages, install
from ops.prepare.machine import Machine
from ops.prepare.steps import Ended, ProblemError, Step, ask, cache, existing, run

MINIMUM_ENGINE = (25,)  # the first that takes `start_interval` of a health check
MINIMUM_COMPOSE = (2, 23, 1)  # the first that takes `configs: {x: {content: ...}}`
START_SECONDS = 60.0
POLL_SECONDS = 0.2
# The images with all that is needed to build them; once they are there, room for logs and data.
FIRST_TIME_BYTES = 8 * 10**9
LATER_BYTES = 1 * 10**9
INSTALL_PAGE = "https://docs.docker.com/engine/install/"


class Engine(enum.Enum):
    """What there is to an engine."""

    ANSWERS = "answers"
    NO_CLIENT = "no client"
    FORBIDDEN = "forbidden"
    SILENT = "silent"


@dataclass(frozen=True)
class Found:
    """What `docker info` told us. Versions are "" where the thing is missing."""

    engine: Engine
    version: str = ""
    compose: str = ""
    buildx: str = ""
    root_directory: str = ""
    message: str = ""


class Way(enum.Enum):
    """What to do about it."""

    NOTHING = "nothing"
    INSTALL = "install"
    START_SERVICE = "start the service"
    START_DOCKERD = "start dockerd"
    TELL = "tell the person"


@dataclass(frozen=True)
class Choice:
    """The way, and why; for Way.TELL the whole message to the person."""

    way: Way
    why: str = ""


def ensure_engine(state: Path, machine: Machine, first_time: bool) -> Found:
    """Makes sure of an engine and returns what it is. Raises ProblemError."""
    step = Step("docker")
    tried: list[Way] = []
    while True:
        found = look()
        dockerd = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        choice = choose_engine(found, machine, bool(dockerd), os.environ)
        if choice.way is Way.NOTHING:
            break
        if choice.way is Way.TELL or choice.way in tried:
            raise ProblemError(choice.why or f"Docker still does not work: {found.message}")
        tried.append(choice.way)
        step.begin(f"{choice.way.value} ({choice.why})")
        if choice.way is Way.INSTALL:
            install(step, docker_packages(machine) or [], machine)
        elif choice.way is Way.START_SERVICE:
            run(step, ["systemctl", "start", "docker"], timeout=START_SECONDS)
            wait_until_it_answers(None, None)
        else:
            start_dockerd(dockerd or "dockerd", state)
    if tried:
        step.end(f"{found.version}, Compose {found.compose}", "; ".join(way.value for way in tried))
    check_disk(found, FIRST_TIME_BYTES if first_time else LATER_BYTES)
    return found


def look() -> Found:
    """Asks the client, which asks the engine: 50 ms."""
    if not shutil.which("docker"):
        return Found(Engine.NO_CLIENT)
    return parse_info(ask(["docker", "info", "--format", "{{json .}}"], timeout=30))


def parse_info(ended: Ended) -> Found:
    """Reads the output of `docker info` in JSON, which comes even when the engine is silent."""
    first = ended.output.partition("\n")[0]
    try:
        info = json.loads(first)
    except ValueError:
        info = {}
    client = info.get("ClientInfo") or {}
    plugins = {one["Name"]: one.get("Version", "") for one in client.get("Plugins") or ()}
    if info.get("ServerVersion"):
        engine = Engine.ANSWERS
    elif "permission denied" in ended.output.lower():
        engine = Engine.FORBIDDEN
    else:
        engine = Engine.SILENT
    return Found(
        engine=engine,
        version=info.get("ServerVersion", ""),
        compose=plugins.get("compose", "").lstrip("v"),
        buildx=plugins.get("buildx", "").lstrip("v"),
        root_directory=info.get("DockerRootDir", ""),
        message="; ".join(
            [line for line in ended.output.splitlines() if line and not line.startswith("{")]
            + (info.get("ServerErrors") or [])
        ),
    )


def choose_engine(
    found: Found, machine: Machine, dockerd: bool, surroundings: Mapping[str, str]
) -> Choice:
    """What to do. Starting and installing are for root; otherwise the person is told what to do."""
    if found.engine is Engine.ANSWERS:
        return choose_plugins(found, machine)
    if found.engine is Engine.NO_CLIENT:
        return choose_installation(machine, "There is no Docker on this machine.")
    if found.engine is Engine.FORBIDDEN:
        return Choice(
            Way.TELL,
            "Docker is there, but you may not use it. Become a member of its group, then try again "
            "in a new shell:\n"
            "    sudo usermod -aG docker $USER && newgrp docker",
        )
    if machine.system == "Darwin":
        return Choice(
            Way.TELL,
            "Docker does not answer. Start Docker Desktop (or OrbStack, Colima), then try again.",
        )
    if surroundings.get("DOCKER_HOST") or surroundings.get("DOCKER_CONTEXT"):
        return Choice(
            Way.TELL,
            f"Docker does not answer ({found.message}).\n"
            "DOCKER_HOST or DOCKER_CONTEXT names that engine: start it, or unset the variable.",
        )
    if not machine.root:
        command = "sudo systemctl start docker" if machine.systemd else "sudo dockerd"
        return Choice(
            Way.TELL,
            f"Docker does not answer. Start it, then try again:\n    {command}\n"
            "(rootless: systemctl --user start docker)",
        )
    if machine.systemd and dockerd:
        return Choice(Way.START_SERVICE, "it does not answer")
    if dockerd:
        return Choice(Way.START_DOCKERD, "it does not answer, and there is no systemd to start it")
    return choose_installation(machine, "There is a Docker client, but no engine.")


def choose_plugins(found: Found, machine: Machine) -> Choice:
    """Whether the engine's version, Compose and buildx will do."""
    if found.version and not at_least(found.version, MINIMUM_ENGINE):
        return Choice(
            Way.TELL,
            f"The Docker engine is {found.version}; {MINIMUM_ENGINE[0]} or newer is needed. Update "
            "the package docker.io, or docker-ce where Docker's own packages are installed.",
        )
    if found.compose and not at_least(found.compose, MINIMUM_COMPOSE):
        return Choice(
            Way.TELL,
            f"Docker Compose is {found.compose}; {'.'.join(map(str, MINIMUM_COMPOSE))} or newer is "
            "needed. Update the package docker-compose-plugin (docker-compose-v2 on Ubuntu, Docker "
            "Desktop on a Mac).",
        )
    missing = [name for name in ("compose", "buildx") if not getattr(found, name)]
    if not missing:
        return Choice(Way.NOTHING)
    return choose_installation(machine, f"Docker's plugin {' and '.join(missing)} is missing.")


def choose_installation(machine: Machine, why: str) -> Choice:
    """Installs from the distribution where that is ours to do and has what we need."""
    names = docker_packages(machine)
    if machine.installs_packages and names:
        return Choice(Way.INSTALL, why)
    if machine.system == "Darwin":
        return Choice(Way.TELL, f"{why} Install Docker Desktop: https://docs.docker.com/desktop/")
    if names and not any("/" in name for name in names):
        return Choice(
            Way.TELL,
            f"{why} Install it:\n    sudo apt-get install {' '.join(names)}\n"
            "    sudo usermod -aG docker $USER && newgrp docker",
        )
    return Choice(Way.TELL, f"{why} Install Docker with Compose and buildx: {INSTALL_PAGE}")


def at_least(version: str, minimum: tuple[int, ...]) -> bool:
    """Compares the leading numbers of a version."""
    numbers = re.match(r"\d+(\.\d+)*", version)
    found = tuple(int(part) for part in numbers.group().split(".")) if numbers else ()
    return found >= minimum


def start_dockerd(dockerd: str, state: Path) -> None:
    """Starts the engine on its own, as on a machine without an init system; it outlives us."""
    log = state / "dockerd.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [dockerd],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    (state / "dockerd.pid").write_text(f"{process.pid}\n")
    wait_until_it_answers(process, log)


def wait_until_it_answers(process: "subprocess.Popen[bytes] | None", log: Path | None) -> None:
    """Waits for the engine. Ours may end at once because another was quicker: then that one will
    answer."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if look().engine is Engine.ANSWERS:
            return
        if process and process.poll() not in (None, 0):
            until = min(until, time.monotonic() + START_SECONDS / 4)
            process = None
        time.sleep(POLL_SECONDS)
    lines = log.read_text(errors="replace").splitlines()[-12:] if log else []
    detail = "\n".join(f"    {line}" for line in lines)
    where = f"see {log}" if log else "see `journalctl -u docker`"
    raise ProblemError(f"The Docker engine did not start; {where}:\n{detail}")


def check_disk(found: Found, needed: int) -> None:
    """Raises ProblemError where the images or the cache would not fit."""
    for path in filter(None, (found.root_directory, str(cache()))):
        # The engine of Docker Desktop or of another machine keeps its images where we cannot look.
        if path == found.root_directory and not Path(path).exists():
            continue
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(existing(Path(path))).free
            if free < needed:
                raise ProblemError(
                    f"{path} has {free / 1e9:.1f} GB free; {needed / 1e9:.0f} GB are needed. "
                    "Free some space (`docker system df` shows what Docker holds)."
                )
