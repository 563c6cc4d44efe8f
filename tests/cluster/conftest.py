"""One real cluster for the whole session, by the code behind `make up` and `make clean`."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.down import clean
from ops.environment import CHECKOUT
from ops.stack import Stack, open_stack
from ops.up import up
from tests.cluster.running_cluster import RunningCluster, docker

PROGRAM = ("Pulumi.yaml", "__main__.py", "config", "components", "images", "examples")
"""What Pulumi runs, and what it reads."""

SETTINGS = Path(__file__).with_name("Pulumi.test.yaml")


def remove_leftovers(cluster: str) -> None:
    """Remove what a killed test run left on the engine: its stack, with its secrets, is gone."""
    mark = ("--filter", f"label=hpc-stack.cluster={cluster}", "--quiet")
    for kind, listing, removal in (
        ("container", ("ps", "--all"), ("rm", "--force")),
        ("network", ("network", "ls"), ("network", "rm")),
        ("volume", ("volume", "ls"), ("volume", "rm")),
    ):
        if found := docker(*listing, *mark).split():
            print(f"removing {len(found)} left-over {kind}(s) of cluster {cluster}")
            docker(*removal, *found)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack in a copy of the checkout, with a state of its own; removed at the end."""
    # A copy: Pulumi writes into its configuration, and tests change settings.
    checkout = tmp_path_factory.mktemp("checkout")
    for name in PROGRAM:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, checkout)
    (checkout / ".venv").symlink_to(CHECKOUT / ".venv")
    shutil.copy(SETTINGS, checkout)
    remove_leftovers("test")
    with pytest.MonkeyPatch.context() as surroundings:
        # Not where the person who runs the tests is logged in.
        surroundings.delenv("PULUMI_BACKEND_URL", raising=False)
        surroundings.setenv("PULUMI_CREDENTIALS_PATH", str(checkout / "nobody"))
        opened = open_stack("test", checkout)
    yield opened
    clean(opened)


@pytest.fixture(scope="session")
def cluster(stack: Stack) -> RunningCluster:
    """The cluster, brought up as `make up` does it, with its first job."""
    up(stack)
    outputs = stack.outputs()
    return RunningCluster(name=outputs["cluster"], stack=stack, rest=outputs["rest"])
