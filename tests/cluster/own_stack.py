"""A stack that disturbs nobody's: in a copy of the checkout, with a cluster of its own."""

import shutil
from pathlib import Path

from ops.environment import CHECKOUT
from ops.stack import Stack
from tests.cluster.running_cluster import RunningCluster, docker

PROGRAM = ("Pulumi.yaml", "__main__.py", "config", "components", "images", "examples")
"""What Pulumi runs, and what it reads."""


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
