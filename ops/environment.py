"""The environment in which Pulumi is run for a checkout: by every command of ours and, if they
like, by a person.

    eval "$(python3 -m ops.environment)"    # then: pulumi preview, pulumi up -s local, pulumi
    stack output ...

Reads what `ops.prepare` recorded in .state/prepared.json. Standard library only, and quick: it is
run before all else.
"""

import json
import os
import secrets
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

CHECKOUT = Path(__file__).resolve().parent.parent
STATE_NAME = ".state"
BACKEND_NAME = "pulumi"
PASSPHRASE_NAME = "passphrase"  # noqa: S105 - a file's name


class EnvironmentProblemError(Exception):
    """Something about the state directory that a person has to decide; the text says what."""


def environment(
    checkout: Path = CHECKOUT,
    state: Path | None = None,
    surroundings: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """The variables to set on top of `surroundings`.

    `state` holds Pulumi's stacks, .state in the checkout unless given; what was prepared is
    always the checkout's. Writes nothing: `make_state` makes the files that the result names.
    """
    state = state or checkout / STATE_NAME
    prepared = read_prepared(checkout)
    pulumi_home = own_pulumi_home(checkout, prepared)
    variables = {
        "PATH": search_path(checkout, prepared, surroundings.get("PATH", os.defpath)),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    if pulumi_home:
        variables["PULUMI_HOME"] = str(pulumi_home)
        variables["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    if uses_local_backend(surroundings):
        # As a path of a URL: a checkout may lie in a directory with blanks in its name.
        variables["PULUMI_BACKEND_URL"] = f"file://{quote(str(backend(state)))}"
        if _passphrase_is_ours(surroundings):
            variables["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(passphrase(state))
    elif pulumi_home and surroundings.get("PULUMI_HOME") != str(pulumi_home):
        variables["PULUMI_CREDENTIALS_PATH"] = str(credentials(surroundings).parent)
    return variables


def _passphrase_is_ours(surroundings: Mapping[str, str]) -> bool:
    named = surroundings.get("PULUMI_CONFIG_PASSPHRASE_FILE", "")
    given = named and not named.endswith(f"/{STATE_NAME}/{PASSPHRASE_NAME}")
    return not (given or surroundings.get("PULUMI_CONFIG_PASSPHRASE"))


def search_path(checkout: Path, prepared: Mapping[str, Any], path: str) -> str:
    """PATH with our virtualenv first and then, if the user has none, our Pulumi."""
    first = [str(checkout / ".venv" / "bin")]
    own_pulumi = prepared.get("pulumi", {}).get("directory")
    if own_pulumi:
        first.append(own_pulumi)
    rest = [entry for entry in path.split(os.pathsep) if entry and entry not in first]
    return os.pathsep.join([*first, *rest])


def own_pulumi_home(checkout: Path, prepared: Mapping[str, Any]) -> Path | None:
    """Where the stand-ins for Pulumi's plugins lie, when any is used: not among the user's own
    plugins."""
    stand_ins = "stand-in" in prepared.get("plugins", {}).values()
    return checkout / STATE_NAME / "pulumi-home" if stand_ins else None


def uses_local_backend(surroundings: Mapping[str, str]) -> bool:
    """Whether the stacks are ours to keep: the user neither named a backend nor is logged in to
    one."""
    named = surroundings.get("PULUMI_BACKEND_URL")
    if named:
        # One that `python3 -m ops.environment` gave to a shell, perhaps of another checkout.
        return named.startswith("file://") and named.endswith(f"/{STATE_NAME}/{BACKEND_NAME}")
    try:
        current = json.loads(credentials(surroundings).read_text()).get("current")
    except (OSError, ValueError):
        return True
    return not current


def credentials(surroundings: Mapping[str, str]) -> Path:
    """Pulumi's record of where the user is logged in."""
    home = Path(surroundings.get("HOME") or Path.home())
    directory = surroundings.get("PULUMI_CREDENTIALS_PATH") or surroundings.get("PULUMI_HOME")
    return Path(directory or home / ".pulumi") / "credentials.json"


def backend(state: Path) -> Path:
    """The directory of Pulumi's local file backend."""
    return state / BACKEND_NAME


def passphrase(state: Path) -> Path:
    """The file with the passphrase that encrypts the secrets in the local stacks."""
    return state / PASSPHRASE_NAME


def prepared_file(checkout: Path) -> Path:
    """Where `ops.prepare` records what it chose."""
    return checkout / STATE_NAME / "prepared.json"


def read_prepared(checkout: Path) -> dict[str, Any]:
    """What `ops.prepare` chose; empty when it has not run (or was stopped while it wrote)."""
    try:
        prepared = json.loads(prepared_file(checkout).read_text())
    except (OSError, ValueError):
        return {}
    return prepared if isinstance(prepared, dict) and prepared.get("version") == 1 else {}


def make_state(state: Path) -> None:
    """Makes the backend's directory and its passphrase, once. Raises EnvironmentProblemError."""
    stacks = backend(state)
    secret = passphrase(state)
    if not secret.exists():
        if any(stacks.glob(".pulumi/stacks/**/*.json")):
            raise EnvironmentProblemError(
                f"{secret} is gone, but {stacks} has stacks whose secrets it encrypts: put it "
                f"back, or remove {stacks} if those clusters are gone."
            )
        stacks.mkdir(parents=True, exist_ok=True)
        unfinished = state / f"passphrase.{os.getpid()}"
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
        try:
            os.link(unfinished, secret)  # fails if another process was first; its passphrase counts
        except FileExistsError:
            pass
        finally:
            unfinished.unlink()
    stacks.mkdir(parents=True, exist_ok=True)


def main() -> int:
    """Prints the environment as shell commands."""
    if not shutil.which("pulumi", path=environment()["PATH"]):
        print(
            "Pulumi is not there yet: run `make up`, or `python3 -m ops.prepare`.", file=sys.stderr
        )
        return 1
    try:
        make_state(CHECKOUT / STATE_NAME)
    except EnvironmentProblemError as problem:
        print(problem, file=sys.stderr)
        return 1
    for name, value in environment().items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
