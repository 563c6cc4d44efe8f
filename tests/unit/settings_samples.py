"""Small settings as a person writes them, for the tests of settings."""

import base64
from collections.abc import Mapping
from typing import Any

import pytest

from config.settings import Mistake, SettingsError, load_cluster

GPU = {"type": "a100", "count": 2}
ONE_GPU = {"type": "a100", "count": 1}
PRIVATE_KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END"
PUBLIC_KEY = (
    "ssh-ed25519 "
    + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(range(32))).decode()
    + " ada@laptop"
)


def settings(**changes: Any) -> dict[str, Any]:
    """Small valid settings as a person writes them, with some parts exchanged."""
    return {
        "name": "local",
        "pools": {"cpu": {"cpus": 2, "memory_mb": 1500, "max_nodes": 8}},
        "accounts": {"research": {}},
        "users": {"ada": {"uid": 2001, "accounts": ["research"]}},
        **changes,
    }


def pool(**changes: Any) -> dict[str, Any]:
    return {"cpus": 2, "memory_mb": 1500, "max_nodes": 8, **changes}


def user(**changes: Any) -> dict[str, Any]:
    return {"uid": 2001, "accounts": ["research"], **changes}


def mistakes(data: Mapping[str, Any]) -> tuple[Mistake, ...]:
    with pytest.raises(SettingsError) as caught:
        load_cluster(data)
    return caught.value.mistakes


Case = tuple[dict[str, Any], str, str, str, str]
"""Settings, then the mistake's path, its value, and parts of what is allowed and of the fix."""


def assert_only_mistake(case: Case) -> None:
    data, path, value, allowed, fix = case
    (mistake,) = mistakes(data)
    assert (mistake.path, mistake.value) == (path, value)
    assert allowed in mistake.allowed
    assert fix in mistake.fix
