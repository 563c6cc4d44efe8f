"""compose.yaml, read back as Compose reads it: what each service may do, and what it is given."""

import json
import os
import subprocess
from dataclasses import replace
from typing import Any

import pytest
import yaml

from config.render.bundle import render_bundle
from config.render.compose import DATA_VOLUMES, SECRETS
from config.render.compose_monitoring import GRAFANA_IMAGE, NOBODY_UID, published_ports
from config.render.gpu_exporter import GPU_EXPORTER_IMAGE
from config.render.parts import SLURM_UID
from config.render.prometheus import prometheus_yaml
from config.settings import load_cluster
from ops.prepare.base_images import OPTIONAL, STAND_INS
from tests.unit.settings_samples import GPU, pool, settings
from tests.unit.snapshots.rendered import IMAGES, SITE, load_settings, rendered

RENDERED = rendered(load_settings())
DOCUMENT: dict[str, Any] = yaml.safe_load(RENDERED["compose.yaml"])
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]

OBSERVERS = {"prometheus", "alertmanager", "node-exporter", "mysqld-exporter", "job-exporter"}

every_service = pytest.mark.parametrize("name", sorted(SERVICES))

DELIVERED = {
    "/etc/hpc-stack/etc/slurm.conf": "slurm.conf",
    "/etc/hpc-stack/etc/gres.conf": "gres.conf",
    "/etc/hpc-stack/etc/cgroup.conf": "cgroup.conf",
    "/etc/hpc-stack/accounting.json": "accounting.json",
    "/etc/hpc-stack/slurmdbd.conf": "slurmdbd.conf",
    "/etc/hpc-stack/fleet.json": "fleet.json",
    "/etc/hpc-stack/start-mysql": "start-mysql",
    "/etc/hpc-stack/exporter.json": "exporter.json",
    "/etc/prometheus/prometheus.yml": "prometheus.yml",
    "/etc/prometheus/alerts.yml": "alerts.yml",
    "/etc/alertmanager/alertmanager.yml": "alertmanager.yml",
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
        "prometheus": ["127.0.0.1:9090:9090"],
        "alertmanager": ["127.0.0.1:9093:9093"],
    }


def networks(document: dict[str, Any]) -> dict[str, set[str]]:
    """By network, the services in it."""
    return {
        network: {name for name, one in document["services"].items() if network in one["networks"]}
        for network in document["networks"]
    }


def everything() -> dict[str, Any]:
    """A document with every service that a cluster can have on one machine."""
    site = replace(WITH_GPUS, grafana=True)
    return dict(yaml.safe_load(render_bundle(TWO_NODES, site).compose))


def test_where_users_can_be_nobody_reaches_what_is_backstage() -> None:
    """Alerts could be silenced, and MySQL's exporter be sent to log in at a server of theirs."""
    document = everything()
    services = set(document["services"])
    assert services == {*SERVICES, "grafana", "dcgm-exporter"}
    assert networks(document) == {
        "cluster": services - {"alertmanager", "mysql", "mysqld-exporter"},
        "backstage": {"alertmanager", "mysql", "mysqld-exporter", "prometheus", "slurmdbd"},
    }
    # Nodes come and go by the node manager: all of them in the network of the login node.
    nodes = json.loads(RENDERED["fleet.json"])["docker"]["network"]
    assert nodes == DOCUMENT["networks"]["cluster"]["name"] == "hpc-physics_cluster"


def test_backstage_has_a_way_out_by_which_alertmanager_sends() -> None:
    backstage = DOCUMENT["networks"]["backstage"]
    assert backstage == {
        "name": "hpc-physics_backstage",
        # By which what a killed run has left is found.
        "labels": {"hpc-stack.cluster": "physics", "team": "lattice", "cost-centre": "4711"},
    }


def test_whoever_reaches_prometheus_can_only_read() -> None:
    """As Prometheus is unless it is told otherwise: https://prometheus.io/docs/operating/security/"""
    command = " ".join(SERVICES["prometheus"]["command"])
    for power in ("web.enable-", "remote-write-receiver", "web.config.file"):
        assert power not in command


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
    assert bare == {"slurmctld", "slurmdbd", "slurmrestd", *OBSERVERS}


@every_service
def test_our_images_are_never_pulled(name: str) -> None:
    service = SERVICES[name]
    if name not in IMAGES:
        assert "pull_policy" not in service
        assert service["image"] in STAND_INS
    else:
        assert (service["image"], service["pull_policy"]) == (IMAGES[name], "never")


@every_service
def test_services_reap_their_children_and_their_logs_have_an_end(name: str) -> None:
    assert SERVICES[name]["init"] is True
    assert SERVICES[name]["logging"]["options"].keys() == {"max-size", "max-file"}


def test_every_secret_is_declared_used_and_comes_from_the_environment() -> None:
    used = {use["source"] for service in SERVICES.values() for use in service.get("secrets", ())}
    # Grafana's password is Grafana's alone, which is not everywhere.
    assert used == DOCUMENT["secrets"].keys() == SECRETS.keys() - {"grafana_password"}
    assert DOCUMENT["secrets"] == {name: {"environment": SECRETS[name]} for name in used}


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
        assert use["uid"] in ("0", str(SLURM_UID), str(NOBODY_UID))


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
    assert marked == {
        "configurator", "slurmdbd", "node-manager", "mysql",
        "prometheus", "alertmanager", "job-exporter",
    }  # fmt: skip


def test_a_cluster_that_is_not_observed_has_no_service_for_it() -> None:
    settings = load_settings(monitoring={"enabled": False})
    document = yaml.safe_load(render_bundle(settings, SITE).compose)
    assert document["services"].keys() == SERVICES.keys() - OBSERVERS
    assert networks(document) == {
        "cluster": document["services"].keys() - {"mysql"},
        "backstage": {"mysql", "slurmdbd"},
    }
    assert published_ports(settings, grafana=True).keys() == {"ssh", "rest"}


def test_grafana_runs_where_its_image_can_be_had_unless_nobody_wants_it() -> None:
    site = replace(SITE, grafana=True)
    for wanted in (True, False):
        settings = load_settings(monitoring={"grafana": wanted})
        services = yaml.safe_load(render_bundle(settings, site).compose)["services"]
        assert ("grafana" in services) is wanted
        assert ("grafana" in published_ports(settings, grafana=True)) is wanted
    assert OPTIONAL.keys() == {GRAFANA_IMAGE, GPU_EXPORTER_IMAGE}
    assert "grafana" not in SERVICES


# --- this machine's GPUs -------------------------------------------------------------------------

GPU_IDS = {f"/dev/nvidia{number}": f"GPU-{number}" for number in range(4)}
WITH_GPUS = replace(SITE, gpu_exporter=True, gpu_ids=GPU_IDS)
TWO_NODES = load_cluster(settings(pools={"cpu": pool(), "gpu": pool(max_nodes=2, gpus=GPU)}))


def test_gpus_of_this_machine_are_measured_where_the_image_can_be_had() -> None:
    document = yaml.safe_load(render_bundle(TWO_NODES, WITH_GPUS).compose)
    service = document["services"]["dcgm-exporter"]
    (devices,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert devices["device_ids"] == list(GPU_IDS.values())
    assert devices["capabilities"] == ["gpu"]
    assert service["cap_drop"] == ["ALL"]
    (config,) = service["configs"]
    assert service["environment"]["DCGM_EXPORTER_COLLECTORS"] == config["target"]
    unseen = load_cluster({**settings(), "monitoring": {"enabled": False}})
    for others, site in (
        (TWO_NODES, replace(WITH_GPUS, gpu_exporter=False)),
        (TWO_NODES, replace(WITH_GPUS, gpu_ids={})),
        (unseen, WITH_GPUS),
    ):
        rendering = yaml.safe_load(render_bundle(others, site).compose)
        assert "dcgm-exporter" not in rendering["services"]


def test_a_gpu_of_this_machine_has_the_labels_of_its_node() -> None:
    document = yaml.safe_load(prometheus_yaml(TWO_NODES, WITH_GPUS))
    (job,) = (one for one in document["scrape_configs"] if one["job_name"] == "gpu")
    (there,) = job["static_configs"]
    assert there == {
        "targets": ["dcgm-exporter:9400"],
        "labels": {"node": "this machine", "pool": "all"},
    }
    labels = [
        (rule["regex"], rule["target_label"], rule["replacement"])
        for rule in job["metric_relabel_configs"]
    ]
    assert labels == [
        ("GPU-0|GPU-1", "node", "gpu-1"),
        ("GPU-0|GPU-1", "pool", "gpu"),
        ("GPU-2|GPU-3", "node", "gpu-2"),
        ("GPU-2|GPU-3", "pool", "gpu"),
    ]


def test_nobody_is_asked_for_gpus_that_nobody_measures() -> None:
    document = yaml.safe_load(prometheus_yaml(TWO_NODES, SITE))
    assert "gpu" not in {job["job_name"] for job in document["scrape_configs"]}
