"""Credentials for jobs: to whom they are given, and for how long."""

import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from components.aws.host import jobs_role

TOLD = {"region": "eu-central-1", "jobs_role": "arn:aws:iam::123456789012:role/dev-jobs"}


@pytest.fixture(autouse=True)
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One user of the cluster."""
    file = tmp_path / "passwd"
    file.write_text("ada:x:2001:2001:Ada Lovelace:/home/ada:/bin/bash\n")
    monkeypatch.setattr(jobs_role, "JOB_USERS", file)


@pytest.mark.parametrize(("uid", "user"), [(2001, "ada"), (2002, None), (0, None), (None, None)])
def test_only_the_clusters_users_are_known(uid: int | None, user: str | None) -> None:
    assert jobs_role.job_user(uid) == user


@pytest.mark.parametrize(
    ("family", "address"),
    [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::ffff:127.0.0.1")],
    ids=["as most programs do", "as Java does"],
)
def test_the_kernel_says_who_has_opened_a_connection(
    family: socket.AddressFamily, address: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.socket(family) as client:
            client.connect((address, port))
            own = client.getsockname()[1]
            assert jobs_role.uid_of_connection(own, port) == os.getuid()
            assert jobs_role.uid_of_connection(own, port + 1) is None


def keys(minutes: float) -> dict[str, str]:
    """Credentials that end so far from now."""
    end = datetime.now(UTC) + timedelta(minutes=minutes)
    return {"AccessKeyId": "ASIA0", "Expiration": f"{end:{jobs_role.EXPIRATION}}"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Where the service answers a job of ada's, and what AWS will give it, first to last."""
    given: list[dict[str, str]] = []
    monkeypatch.setattr(jobs_role, "uid_of_connection", lambda *_: 2001)
    monkeypatch.setattr(jobs_role, "take_jobs_role", lambda *_: given.pop(0))
    server = ThreadingHTTPServer(("127.0.0.1", 0), jobs_role.jobs_handler(TOLD))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/credentials", given
    server.shutdown()
    thread.join()
    server.server_close()


def ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
        return json.load(answer)


def test_credentials_are_kept_while_they_are_good(
    asked: tuple[str, list[dict[str, str]]],
) -> None:
    url, given = asked
    first = keys(60)
    given += [first, keys(61)]
    assert ask(url) == first
    assert ask(url) == first


def test_credentials_that_end_soon_are_exchanged_before_a_library_asks_again(
    asked: tuple[str, list[dict[str, str]]],
) -> None:
    url, given = asked
    soon, later = keys(19), keys(60)
    given += [soon, later]
    assert ask(url) == soon
    assert ask(url) == later


def test_what_aws_refuses_is_an_error_for_this_job_alone(
    asked: tuple[str, list[dict[str, str]]],
) -> None:
    url, given = asked
    with pytest.raises(urllib.error.HTTPError, match="500"):
        ask(url)
    given.append(keys(60))
    assert ask(url)["AccessKeyId"] == "ASIA0"


def test_whoever_is_no_user_of_the_cluster_gets_nothing(
    asked: tuple[str, list[dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_role, "uid_of_connection", lambda *_: 0)
    url, given = asked
    given.append(keys(60))
    with pytest.raises(urllib.error.HTTPError, match="403"):
        ask(url)
