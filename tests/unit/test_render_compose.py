"""compose.yaml, read back as Compose reads it: what each service may do, and what it is given."""

import json
import os
import subprocess
from typing import Any

import pytest
import yaml

from config.render.compose import DATA_VOLUMES, SECRETS, SLURM_UID
from tests.unit.snapshots.rendered import IMAGES, load_settings, rendered

RENDERED = rendered(load_settings())
DOCUMENT: dict[str, Any] = yaml.safe_load(RENDERED["compose.yaml"])
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]

every_service = pytest.mark.parametrize("name", sorted(SERVICES))

DELIVERED = {
    "/etc/hpc-stack/etc/slurm.conf": "slurm.conf",
    "/etc/hpc-stack/etc/gres.conf": "gres.conf",
    "/etc/hpc-stack/etc/cgroup.conf": "cgroup.conf",
    "/etc/hpc-stack/accounting.json": "accounting.json",
    "/etc/hpc-stack/slurmdbd.conf": "slurmdbd.conf",
    "/etc/hpc-stack/fleet.json": "fleet.json",
    **{f"/etc/hpc-stack/{name}": name for name in RENDERED if name.startswith("users/")},
}
"""Path in a container, and which text is there."""


def compose_config(*options: str) -> dict[str, Any]:
    """What Compose itself makes of the document. Needs its command, but no engine."""
    done = subprocess.run(
        ["docker", "compose", "--file", "-", "config", "--format", "json", *options],
        input=RENDERED["compose.yaml"],
        env={**os.environ, **dict.fromkeys(SECRETS.values(), "hush-hush")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # a variable that is not set is only a warning
    return dict(json.loads(done.stdout))


def test_every_text_of_the_bundle_is_inline_and_whole() -> None:
    contents = {
        use["target"]: DOCUMENT["configs"][use["source"]]["content"].replace("$$", "$")
        for service in SERVICES.values()
        for use in service.get("configs", ())
    }
    assert contents == {path: RENDERED[name] for path, name in DELIVERED.items()}


def test_no_dollar_is_left_that_compose_would_take_for_a_variable() -> None:
    assert "$" not in RENDERED["compose.yaml"].replace("$$", "")
    assert "$$" in RENDERED["compose.yaml"]


def test_compose_takes_the_document_and_every_text_as_it_was_rendered() -> None:
    understood = compose_config()
    assert understood["services"].keys() == SERVICES.keys()
    contents = {
        use["target"]: understood["configs"][use["source"]]["content"].replace("$$", "$")
        for service in understood["services"].values()
        for use in service.get("configs", ())
    }
    assert contents == {path: RENDERED[name] for path, name in DELIVERED.items()}
    assert "hush-hush" not in json.dumps(understood)


def test_every_config_is_used_once() -> None:
    used = [use["source"] for service in SERVICES.values() for use in service.get("configs", ())]
    assert sorted(used) == sorted(DOCUMENT["configs"])


def test_ports_are_published_on_this_machine_alone() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "login": ["127.0.0.1:2222:22"],
        "slurmrestd": ["127.0.0.1:6821:6820"],
    }


def test_only_the_node_manager_has_the_engines_socket() -> None:
    with_socket = [name for name, service in SERVICES.items() if "docker.sock" in str(service)]
    assert with_socket == ["node-manager"]


@every_service
def test_no_directory_of_this_machine_is_mounted(name: str) -> None:
    sources = [volume.split(":")[0] for volume in SERVICES[name].get("volumes", ())]
    paths = [source for source in sources if not source.isidentifier()]
    assert paths == (["/var/run/docker.sock"] if name == "node-manager" else [])
    assert set(sources) - set(paths) <= DOCUMENT["volumes"].keys()


@every_service
def test_no_service_is_privileged_or_can_become_it(name: str) -> None:
    assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "pid", "ipc", "network_mode", "devices"} & set(
        SERVICES[name]
    )


def test_daemons_that_are_not_root_have_no_capabilities() -> None:
    bare = {name for name, service in SERVICES.items() if service.get("cap_drop") == ["ALL"]}
    assert bare == {"slurmctld", "slurmdbd", "slurmrestd"}


@every_service
def test_our_images_are_never_pulled(name: str) -> None:
    service = SERVICES[name]
    if name == "mysql":
        assert "pull_policy" not in service
        assert service["image"].startswith("mysql:")
    else:
        assert (service["image"], service["pull_policy"]) == (IMAGES[name], "never")


@every_service
def test_services_reap_their_children_and_their_logs_have_an_end(name: str) -> None:
    assert SERVICES[name]["init"] is True
    assert SERVICES[name]["logging"]["options"].keys() == {"max-size", "max-file"}


def test_every_secret_is_declared_used_and_comes_from_the_environment() -> None:
    used = {use["source"] for service in SERVICES.values() for use in service.get("secrets", ())}
    assert used == DOCUMENT["secrets"].keys() == SECRETS.keys()
    assert DOCUMENT["secrets"] == {
        name: {"environment": variable} for name, variable in SECRETS.items()
    }


@every_service
def test_no_secret_is_in_a_services_environment_or_arguments(name: str) -> None:
    service = SERVICES[name]
    written = json.dumps([service.get("environment"), service.get("command")])
    assert not any(variable in written for variable in SECRETS.values())
    for key, value in service.get("environment", {}).items():
        if "PASSWORD" in key:
            assert key.endswith("_FILE")
            assert value.startswith("/run/secrets/")


@every_service
def test_a_secret_is_readable_by_its_owner_alone(name: str) -> None:
    for use in SERVICES[name].get("secrets", ()):
        assert use["mode"] == 0o400
        assert use["uid"] == use["gid"]
        assert use["uid"] in ("0", str(SLURM_UID))


def test_only_the_accounting_daemon_and_the_database_know_the_database_password() -> None:
    knowing = {
        name
        for name, service in SERVICES.items()
        for use in service.get("secrets", ())
        if use["source"].startswith("database")
    }
    assert knowing == {"mysql", "slurmdbd"}


def test_data_is_in_volumes_that_compose_neither_makes_nor_removes() -> None:
    external = {name for name, volume in DOCUMENT["volumes"].items() if volume.get("external")}
    assert external == set(DATA_VOLUMES)
    assert {volume["name"] for volume in DOCUMENT["volumes"].values()} == {
        f"hpc-physics_{name}" for name in DOCUMENT["volumes"]
    }


@every_service
def test_every_service_is_labelled_with_the_cluster_and_the_users_tags(name: str) -> None:
    tags = {"hpc-stack.cluster": "physics", "team": "lattice", "cost-centre": "4711"}
    assert SERVICES[name]["labels"].items() >= tags.items()


def test_services_with_files_are_marked_with_what_is_in_them() -> None:
    # Compose does not look at the content of inline files when it decides what to recreate.
    marked = {name for name, one in SERVICES.items() if "hpc-stack.configuration" in one["labels"]}
    assert marked == {name for name, one in SERVICES.items() if "configs" in one}
    assert marked == {"configurator", "slurmdbd", "node-manager"}
