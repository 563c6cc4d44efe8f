"""Step 4: what the Pulumi CLI needs beside it: the Python language host and the plugin of pulumi-
command.

Both come with, or are fetched by, an official CLI. Where they cannot be had, links to our stand-
ins are put where the engine looks for plugins, in a PULUMI_HOME of our own (ops/environment.py),
so that the user's is left alone.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ops.environment import STATE_NAME
from ops.prepare.pulumi_cli import Cli
from ops.prepare.steps import Step, run

COMMAND_VERSION = "1.2.1"  # as in requirements.txt
INSTALL_SECONDS = 300.0
SILENT_SECONDS = 30.0
OFFICIAL = "official"
STAND_IN = "stand-in"


def ensure_plugins(
    checkout: Path, cli: Cli, before: Mapping[str, Any], retry: bool
) -> dict[str, str]:
    """Makes sure of both and returns which each is. `retry` looks for originals again where
    stand-ins are used."""
    step = Step("pulumi plugins")
    own_home = checkout / STATE_NAME / "pulumi-home"
    python = choose_python_host(cli)
    links = {"python": (f"language-python-v{cli.version}", "pulumi-language-python")}
    link(own_home, checkout, *links["python"], wanted=python == STAND_IN)
    if python == STAND_IN and before.get("python") != STAND_IN:
        step.note("stand-in for the Python language host (it comes with the official CLI only)")

    name = (f"resource-command-v{COMMAND_VERSION}", "pulumi-resource-command")
    # One home for all plugins: the own one as soon as one stand-in is in it.
    home = own_home if python == STAND_IN else user_home(os.environ)
    command = choose_command_plugin(is_official(home, *name), before.get("command", ""), retry)
    if not command:
        step.begin(f"fetching command {COMMAND_VERSION}")
        link(own_home, checkout, *name, wanted=False)
        reason = fetch(step, cli, home)
        command = STAND_IN if reason else OFFICIAL
        step.end(f"command {COMMAND_VERSION}, {command}", reason)
    link(own_home, checkout, *name, wanted=command == STAND_IN)
    return {"python": python, "command": command}


def choose_python_host(cli: Cli) -> str:
    """Official if it lies beside the CLI, as in every official installation, or is on PATH."""
    beside = cli.executable.resolve().parent / "pulumi-language-python"
    return OFFICIAL if beside.exists() or shutil.which("pulumi-language-python") else STAND_IN


def choose_command_plugin(official_is_there: bool, before: str, retry: bool) -> str:
    """Which one to use; "" if the original has to be asked for first."""
    if official_is_there:
        return OFFICIAL
    return STAND_IN if before == STAND_IN and not retry else ""


def user_home(surroundings: Mapping[str, str]) -> Path:
    """Pulumi's own directory of the user."""
    return Path(surroundings.get("PULUMI_HOME") or Path.home() / ".pulumi")


def is_official(home: Path, directory: str, executable: str) -> bool:
    """Whether the original lies in that home; ours are links."""
    found = home / "plugins" / directory / executable
    return bool(shutil.which(executable)) or (found.exists() and not found.is_symlink())


def fetch(step: Step, cli: Cli, home: Path) -> str:
    """Has the CLI download the plugin; returns why it could not, or ""."""
    command = [str(cli.executable), "plugin", "install", "resource", "command", COMMAND_VERSION]
    environment = {**os.environ, "PULUMI_HOME": str(home), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    environment.pop("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", None)
    ended = run(
        step, command, timeout=INSTALL_SECONDS, first_output_within=SILENT_SECONDS, env=environment
    )  # fmt: skip
    if ended.status == 0:
        return ""
    causes = [line for line in ended.output.splitlines() if "rror" in line]
    return causes[0].removeprefix("warning: ")[:160] if causes else "no answer in time"


def link(home: Path, checkout: Path, directory: str, executable: str, *, wanted: bool) -> None:
    """Puts the link to the stand-in into the home, or takes it away."""
    place = home / "plugins" / directory / executable
    if place.is_symlink():
        place.unlink()
    if wanted:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(
            os.path.relpath(checkout / "offline" / "plugins" / executable, place.parent)
        )
    elif place.parent.is_dir() and not any(place.parent.iterdir()):
        place.parent.rmdir()
