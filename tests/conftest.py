"""One real cluster for those who ask for it, by the code behind `make up` and `make clean`."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis

from ops.down import clean
from ops.stack import Stack, open_stack
from ops.up import up
from tests.cluster.own_stack import copy_program, remove_leftovers, running
from tests.cluster.running_cluster import RunningCluster

# How long an example takes says nothing where suites run at low priority beside a cluster.
hypothesis.register_profile(
    "unhurried",
    parent=hypothesis.default,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis.load_profile("unhurried")

SETTINGS = Path(__file__).with_name("cluster") / "Pulumi.test.yaml"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack in a copy of the checkout, with a state of its own; removed at the end."""
    checkout = tmp_path_factory.mktemp("checkout")
    copy_program(checkout)
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
    return running(stack)
