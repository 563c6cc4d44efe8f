"""A stack that disturbs nobody's: in a copy of the checkout, with a cluster of its own."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ops.down import remove
from ops.environment import CHECKOUT
from ops.stack import Stack, open_stack
from tests.cluster.running_cluster import RunningCluster, docker

PROGRAM = ("Pulumi.yaml", "__main__.py", "config", "components", "images", "examples")
"""What Pulumi runs, and what it reads."""


@contextmanager
def own_stack(settings: Path) -> Iterator[Stack]:
    """A stack by a file `Pulumi.NAME.yaml`; removed at the end, also after a failure.

    What a killed run left is removed first.
    """
    name = settings.stem.partition(".")[2]
    with tempfile.TemporaryDirectory(prefix=f"hpc-{name}-") as directory:
        checkout = Path(directory)
        copy_program(checkout)
        shutil.copy(settings, checkout)
        remove_leftovers(name)
        with pytest.MonkeyPatch.context() as surroundings:
            # Not where the person who runs this is logged in.
            surroundings.delenv("PULUMI_BACKEND_URL", raising=False)
            surroundings.setenv("PULUMI_CREDENTIALS_PATH", str(checkout / "nobody"))
            stack = open_stack(name, checkout)
        try:
            yield stack
        finally:
            remove(stack)


def copy_program(checkout: Path) -> None:
    """What Pulumi needs: it writes into its configuration, and tests change settings."""
    for name in PROGRAM:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, checkout)
    (checkout / ".venv").symlink_to(CHECKOUT / ".venv")


def remove_leftovers(cluster: str) -> None:
    """Remove what a killed run left on the engine: its stack, with its secrets, is gone."""
    remove_labelled(f"hpc-stack.cluster={cluster}")


def remove_labelled(label: str) -> None:
    """Remove containers, networks and volumes that have a label, `key` or `key=value`."""
    mark = ("--filter", f"label={label}", "--quiet")
    for kind, listing, removal in (
        ("container", ("ps", "--all"), ("rm", "--force")),
        ("network", ("network", "ls"), ("network", "rm")),
        ("volume", ("volume", "ls"), ("volume", "rm")),
    ):
        if found := docker(*listing, *mark).split():
            print(f"removing {len(found)} left-over {kind}(s) of {label}")
            docker(*removal, *found)


def running(stack: Stack) -> RunningCluster:
    """The stack's cluster as it runs now."""
    outputs = stack.outputs()
    return RunningCluster(name=outputs["cluster"], stack=stack, rest=outputs["rest"])
