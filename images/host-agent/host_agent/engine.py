"""What the agent asks of the host's engine, by Docker's own command line.

Secrets are in the environment of Compose alone: never in an argument, never in a file on a disk.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from host_agent.bundle import Bundle

SLURM_UID = 64030
UP_SECONDS = 480.0
SHORT_SECONDS = 60.0
LOG_BYTES = 8192
REMOTE_CREDENTIALS = Path("/run/host-agent/docker")
"""Where the login at the registry is kept: in memory."""


class EngineFailed(Exception):
    """A command of the engine's failed. `log` is the end of what the services said."""

    def __init__(self, text: str, log: str = "") -> None:
        self.log = log
        super().__init__(text)


def prepare_volumes(volumes: Mapping[str, str]) -> None:
    """The directories and the volumes bound to them. What is there stays as it is."""
    for name, directory in sorted(volumes.items()):
        path = Path(directory)
        if not path.exists():
            path.mkdir(parents=True)
            if name.endswith("_state"):
                os.chown(path, SLURM_UID, SLURM_UID)
                path.chmod(0o700)
        format_ = '{{index .Options "device"}}'
        found = _docker("volume", "inspect", "--format", format_, name, check=False)
        if found.returncode == 0 and found.stdout.strip() == directory:
            continue
        if found.returncode == 0:
            raise EngineFailed(
                f"the volume {name} exists and is not bound to {directory}. "
                f"Fix: look what is in it, then `docker volume rm {name}`"
            )
        options = ("type=none", "o=bind", f"device={directory}")
        words = [word for option in options for word in ("--opt", option)]
        _docker("volume", "create", "--driver", "local", *words, name)


def log_in(registry: str, password: str) -> None:
    """At the account's registry, as the user AWS."""
    _docker("login", "--username", "AWS", "--password-stdin", registry, stdin=password)


def compose_up(bundle: Bundle, secrets: Mapping[str, str]) -> None:
    """Bring the services to the bundle; those that did not change are not touched."""
    variables = {bundle.secrets[name]: value for name, value in secrets.items()}
    words = ("up", "--detach", "--wait", "--remove-orphans", "--quiet-pull")
    try:
        done = _compose(
            bundle.project, "--file", "-", *words,
            stdin=bundle.compose, environment=variables, seconds=UP_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        why = f"services were not up within {UP_SECONDS:.0f} s"
        raise EngineFailed(why, logs(bundle.project)) from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise EngineFailed(said[-1] if said else "compose failed", logs(bundle.project))


def logs(project: str) -> str:
    """The end of what the services said, 8 KiB at most."""
    done = _compose(project, "logs", "--no-color", "--tail", "30", seconds=SHORT_SECONDS)
    return done.stdout[-LOG_BYTES:]


def in_service(project: str, service: str, *command: str) -> list[str]:
    """The command line that runs something in a service's container."""
    return ["docker", "compose", "--project-name", project, "exec", "-T", service, *command]


def stop_service(project: str, service: str) -> None:
    """Stop one service; it starts again with the project, or by `start_service`."""
    _checked(_compose(project, "stop", service, seconds=SHORT_SECONDS))


def start_service(project: str, service: str) -> None:
    _checked(_compose(project, "start", service, seconds=SHORT_SECONDS))


def _checked(done: "subprocess.CompletedProcess[str]") -> None:
    if done.returncode:
        raise EngineFailed(done.stderr.strip())


def _compose(
    project: str,
    *words: str,
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
    seconds: float,
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["docker", "compose", "--project-name", project, "--progress", "plain", *words],
        input=stdin,
        env={**_surroundings(), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def _docker(*words: str, stdin: str = "", check: bool = True) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        ["docker", *words],
        input=stdin,
        env=_surroundings(),
        capture_output=True,
        text=True,
        timeout=SHORT_SECONDS,
        check=False,
    )
    if check and done.returncode:
        raise EngineFailed(f"docker {words[0]}: {done.stderr.strip()}")
    return done


def _surroundings() -> dict[str, str]:
    return {**os.environ, "DOCKER_CONFIG": str(REMOTE_CREDENTIALS)}
