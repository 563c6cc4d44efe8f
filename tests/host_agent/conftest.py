"""A host for each test, in an account for each module."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from host_agent import dumps, engine

from tests.host_agent.host import Host, prepare, remove_everything
from tests.rehearsal.account import RehearsedAccount, rehearsed_account


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedAccount]:
    """A rehearsed account."""
    with rehearsed_account(tmp_path_factory.mktemp("account")) as made:
        yield made


@pytest.fixture
def host(
    account: RehearsedAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Host]:
    """A host on which nothing of the cluster runs yet. Nothing is left at the end."""
    remove_everything(tmp_path)
    account.forget_all()
    prepare(account)
    for name, value in account.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(engine, "REMOTE_CREDENTIALS", tmp_path / "docker")
    monkeypatch.setattr(dumps, "SCRATCH", tmp_path)
    yield Host(account)
    remove_everything(tmp_path)
