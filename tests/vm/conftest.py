"""One VM with one cluster for the whole session. It takes minutes, and says what it is at."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.vm.cluster import VmCluster, start_cluster, what_happened
from tests.vm.database import DATABASE_DISK, make_database
from tests.vm.delivery import Delivery, make_delivery
from tests.vm.machine import Vm, boot
from tests.vm.progress import Progress

# The first test waits for everything: images, a disk, the boot, the cluster, all emulated.
SESSION_SECONDS = 3600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/tests/vm/" in item.path.as_posix():
            item.add_marker(pytest.mark.timeout(SESSION_SECONDS))


@pytest.fixture(scope="session")
def progress(request: pytest.FixtureRequest) -> Progress:
    """Lines for the person who waits, past pytest's capture."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(line, flush=True)

    return Progress(say)


@pytest.fixture(scope="session")
def delivery(progress: Progress) -> Delivery:
    """The product's images, built in this machine's engine, and a bundle for cgroup v2."""
    return make_delivery(progress)


@pytest.fixture(scope="session")
def vm(
    request: pytest.FixtureRequest,
    progress: Progress,
    delivery: Delivery,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Vm]:
    """A VM in which Docker runs, with the product's images and a database."""
    folder = tmp_path_factory.mktemp("database")
    database = make_database(delivery, folder, progress)
    disks = {DATABASE_DISK: database}
    with boot(progress=progress, images=delivery.images, disks=disks) as machine:
        database.unlink()  # the VM keeps it open
        yield machine
        if request.session.testsfailed:
            progress.line(f"the VM's console log is kept: {machine.keep_console()}")


@pytest.fixture(scope="session")
def cluster(
    request: pytest.FixtureRequest, vm: Vm, delivery: Delivery, progress: Progress
) -> Iterator[VmCluster]:
    """A cluster in the VM, with its node."""
    try:
        yield start_cluster(vm, delivery, progress)
    finally:
        if request.session.testsfailed or sys.exc_info()[0]:
            progress.line(what_happened(vm))
