"""A rehearsed account for each module of tests."""

from collections.abc import Iterator

import pytest

from tests.rehearsal.account import RehearsedAccount, rehearsed_account


@pytest.fixture(scope="module")
def nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Not where the person who runs the tests is logged in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PULUMI_BACKEND_URL", raising=False)
        patch.setenv("PULUMI_CREDENTIALS_PATH", str(tmp_path_factory.mktemp("nobody")))
        yield


@pytest.fixture(scope="module")
def account(nobody: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedAccount]:
    """An account with nothing in it."""
    with rehearsed_account(tmp_path_factory.mktemp("account")) as made:
        yield made
