"""One real cluster for those who ask for it, by the code behind `make up` and `make clean`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis

from ops.stack import Stack
from ops.up import up
from tests.cluster.own_stack import own_stack, running
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
def stack() -> Iterator[Stack]:
    """A stack in a copy of the checkout, with a state of its own; removed at the end."""
    with own_stack(SETTINGS) as found:
        yield found


@pytest.fixture(scope="session")
def cluster(stack: Stack) -> RunningCluster:
    """The cluster, brought up as `make up` does it, with its first job."""
    up(stack)
    return running(stack)
