"""One VM with one cluster for the whole session. It takes minutes, and says what it is at."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.vm.cluster import VmCluster, build_images, images_of, start_cluster, what_happened
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
def images(progress: Progress) -> dict[str, str]:
    """The product's images: reference by bake target."""
    return build_images(progress)


@pytest.fixture(scope="session")
def vm(request: pytest.FixtureRequest, progress: Progress, images: dict[str, str]) -> Iterator[Vm]:
    """A VM in which Docker runs and has the product's images."""
    with boot(progress=progress, images=images_of(images)) as machine:
        yield machine
        if request.session.testsfailed:
            progress.line(f"the VM's console log is kept: {machine.keep_console()}")


@pytest.fixture(scope="session")
def cluster(
    request: pytest.FixtureRequest, vm: Vm, images: dict[str, str], progress: Progress
) -> Iterator[VmCluster]:
    """A cluster in the VM, with its node."""
    try:
        yield start_cluster(vm, images, progress)
    finally:
        if request.session.testsfailed or sys.exc_info()[0]:
            progress.line(what_happened(vm))
