"""The exporter as a process, for the tests of it as a whole."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.job_exporter.exporter_process import Exporter


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Exporter]:
    """Not started yet; whatever was started is ended."""
    exporter = Exporter(tmp_path)
    try:
        yield exporter
    finally:
        for process in exporter.processes:
            process.kill()
            process.wait()
