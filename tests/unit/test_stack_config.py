"""Reading Pulumi's configuration, and how a mistake in it ends the program."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pulumi
import pytest
from pulumi.runtime import config as runtime_config

from config import stack

SMALL: dict[str, Any] = {
    "pools": {"cpu": {"cpus": 2, "memory_mb": 1500, "max_nodes": 8}},
    "accounts": {"research": {}},
    "users": {"ada": {"uid": 2001, "accounts": ["research"]}},
}

Configure = Callable[..., None]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Iterator[Configure]:
    """Sets the configuration as the language host does, through the environment."""
    token = runtime_config.CONFIG.set({})
    secrets = runtime_config._SECRET_KEYS.set(set())
    monkeypatch.setattr(pulumi, "get_stack", lambda: "local")

    def set_keys(secret: tuple[str, ...] = (), **keys: Any) -> None:
        values = {
            key if ":" in key else key.replace("__", ":").replace("_", "-"): value
            if isinstance(value, str)
            else json.dumps(value)
            for key, value in keys.items()
        }
        monkeypatch.setenv("PULUMI_CONFIG", json.dumps(values))
        runtime_config._SECRET_KEYS.set(set(secret))

    yield set_keys
    runtime_config._SECRET_KEYS.reset(secrets)
    runtime_config.CONFIG.reset(token)


def report() -> str:
    with pytest.raises(pulumi.RunError) as caught:
        stack.load_settings()
    # The language host prints a RunError's text alone; a cause would be no help there.
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


def test_the_cluster_is_named_after_the_stack(configure: Configure) -> None:
    configure(hpc_stack__cluster=SMALL)
    assert stack.load_settings().name == "local"


def test_a_name_of_its_own_wins(configure: Configure) -> None:
    configure(hpc_stack__cluster={**SMALL, "name": "physics"})
    assert stack.load_settings().name == "physics"


def test_configuration_set_in_the_process_counts_too(configure: Configure) -> None:
    configure()
    runtime_config.set_config("hpc-stack:cluster", json.dumps(SMALL))
    assert stack.load_settings().default_pool == "cpu"


def test_a_mistake_ends_the_program_with_the_report_alone(configure: Configure) -> None:
    configure(hpc_stack__cluster={**SMALL, "prots": {}})
    assert report().splitlines()[:3] == [
        "1 mistake in the settings; nothing was changed.",
        "",
        "  cluster.prots: {}",
    ]


def test_no_configuration_at_all_says_what_to_add(configure: Configure) -> None:
    configure()
    assert "add the key hpc-stack:cluster to Pulumi.local.yaml" in report()


@pytest.mark.parametrize("text", ["not json", "[]", "3"])
def test_a_cluster_that_is_no_object_is_a_mistake(configure: Configure, text: str) -> None:
    configure(hpc_stack__cluster=text)
    assert "write the settings below this key" in report()


def test_unknown_keys_of_the_project_are_reported_with_the_nearest(configure: Configure) -> None:
    configure(
        hpc_stack__cluster=SMALL, hpc_stack__clusters=SMALL, hpcstack__x="1", docker__host="x"
    )
    text = report()
    assert "hpc-stack:clusters: (not shown)" in text
    assert "did you mean hpc-stack:cluster?" in text
    assert "hpcstack:x: (not shown)" in text
    assert "docker" not in text


def test_unknown_keys_and_mistakes_are_reported_together(configure: Configure) -> None:
    configure(hpc_stack__cluster={**SMALL, "pools": {}}, hpc_stack__clusters=SMALL)
    assert report().startswith("2 mistakes")


def test_values_that_pulumi_keeps_secret_are_not_shown(configure: Configure) -> None:
    configure(secret=("hpc-stack:cluster",), hpc_stack__cluster={**SMALL, "platform": "hush-hush"})
    assert "hush-hush" not in report()


def test_a_stack_whose_name_cannot_be_a_clusters_says_so(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulumi, "get_stack", lambda: "My_Stack")
    configure(hpc_stack__cluster=SMALL)
    assert "add a name: the stack's, used where none is set, cannot be one" in report()


CHAT: dict[str, Any] = {"monitoring": {"alerts": {"webhook": {}}}}


def test_what_a_receiver_needs_is_a_secret_beside_the_settings(configure: Configure) -> None:
    configure(
        secret=("hpc-stack:alert_webhook_url",),
        hpc_stack__cluster={**SMALL, **CHAT},
        **{"hpc-stack:alert_webhook_url": "https://chat.example.org/hook"},
    )
    found = stack.load_alert_secrets(stack.load_settings())
    assert found.keys() == {"alert_webhook_url"}


@pytest.mark.parametrize("plain", [{}, {"hpc-stack:alert_webhook_url": "https://chat"}])
def test_a_receivers_secret_that_is_missing_or_in_plain_text_is_asked_for(
    configure: Configure, plain: dict[str, str]
) -> None:
    configure(hpc_stack__cluster={**SMALL, **CHAT}, **plain)
    settings = stack.load_settings()
    with pytest.raises(pulumi.RunError) as caught:
        stack.load_alert_secrets(settings)
    assert "make secret NAME=alert_webhook_url STACK=local" in str(caught.value)
    assert "https://chat" not in str(caught.value)


def test_without_a_receiver_no_secret_is_needed(configure: Configure) -> None:
    configure(hpc_stack__cluster=SMALL)
    assert stack.load_alert_secrets(stack.load_settings()) == {}
