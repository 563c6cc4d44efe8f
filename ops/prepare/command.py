"""The order of the steps, and the record of what they chose."""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

from ops.environment import (
    CHECKOUT,
    STATE_NAME,
    EnvironmentProblemError,
    make_state,
    prepared_file,
    read_prepared,
)
from ops.prepare.base_images import ask_for_optional, ensure_images
from ops.prepare.docker_engine import ensure_engine
from ops.prepare.machine import this_machine
from ops.prepare.pulumi_cli import ensure_pulumi
from ops.prepare.pulumi_plugins import ensure_plugins
from ops.prepare.steps import ProblemError, Step, only_one, say
from ops.prepare.virtualenv import ensure_virtualenv


def main(arguments: list[str]) -> int:
    """Runs the steps; a problem is one message and status 1."""
    parser = argparse.ArgumentParser(
        prog="python3 -m ops.prepare", description="Makes this machine ready."
    )
    parser.add_argument("--dev", action="store_true", help="also what `make test` needs")
    parser.add_argument(
        "--retry-originals",
        action="store_true",
        help="where stand-ins are used, look again whether the originals can be had by now",
    )
    options = parser.parse_args(arguments)
    began = time.monotonic()
    try:
        state = CHECKOUT / STATE_NAME
        state.mkdir(exist_ok=True)
        with only_one(state / "prepare.lock", Step("prepare")):
            prepared = prepare(CHECKOUT, dev=options.dev, retry=options.retry_originals)
        make_state(state)
    except (ProblemError, EnvironmentProblemError) as problem:
        say(f"cannot go on.\n{problem}")
        return 1
    except OSError as error:
        say(f"cannot go on.\n{error}")
        return 1
    except KeyboardInterrupt:
        say("stopped; run again to go on from here")
        return 130
    say(f"ready in {time.monotonic() - began:.1f} s: {summary(prepared)}")
    return 0


def prepare(checkout: Path, *, dev: bool, retry: bool) -> dict[str, Any]:
    """All steps in order; each one's result is recorded at once, so that an interrupted run is
    taken up there."""
    machine = this_machine()
    prepared = {**read_prepared(checkout), "version": 1}

    def record(name: str, value: object) -> None:
        prepared[name] = value
        write(prepared_file(checkout), prepared)

    ensure_virtualenv(checkout, dev, machine)
    engine = ensure_engine(checkout / STATE_NAME, machine, first_time="images" not in prepared)
    record(
        "engine", {"version": engine.version, "compose": engine.compose, "buildx": engine.buildx}
    )
    cli = ensure_pulumi(checkout, machine, prepared.get("pulumi", {}))
    record("pulumi", cli.record())
    record("plugins", ensure_plugins(checkout, cli, prepared.get("plugins", {}), retry))
    record("images", ensure_images(checkout, machine, dev, retry))
    ask_for_optional(retry)
    return prepared


def write(path: Path, prepared: dict[str, Any]) -> None:
    """Replaces the record in one move, if it changed."""
    text = json.dumps(prepared, indent=1) + "\n"
    if path.exists() and path.read_text() == text:
        return
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_text(text)
    unfinished.replace(path)


def summary(prepared: dict[str, Any]) -> str:
    """What there is, in a line; stand-ins are named."""
    engine, pulumi = prepared["engine"], prepared["pulumi"]
    origin = {"path": "on PATH", "release": "release", "module": "built from its Go module"}
    kinds = {
        **{f"plugin {name}": kind for name, kind in prepared["plugins"].items()},
        **prepared["images"],
    }
    stand_ins = [name for name, kind in kinds.items() if kind == "stand-in"]
    text = (
        f"Docker {engine['version']}, Compose {engine['compose']}, "
        f"Pulumi {pulumi['version']} ({origin[pulumi['how']]})"
    )
    return f"{text}; stand-ins: {', '.join(stand_ins)}" if stand_ins else text
