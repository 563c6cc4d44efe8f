"""compose.yaml: the controller's services, with every configuration file inline.

A service is recreated when its own files change: their hash is one of its labels, since Compose
does not look at the content of inline files. Slurm's configuration is not a service's own file: the
configurator brings it to the running slurmctld, which takes it without a restart.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import yaml

from config.render.compose_aws import bridge_subnet, place_on_ec2
from config.render.compose_monitoring import monitoring_services
from config.render.mysql_start import START
from config.render.parts import SLURM_UID, health, secret
from config.render.site import (
    BACKSTAGE_NETWORK,
    CLUSTER_NETWORK,
    Site,
    cluster_labels,
    network_name,
    project_name,
    volume_name,
)
from config.render.slurmdbd_conf import DATABASE, DATABASE_USER
from config.settings import ClusterSettings

MYSQL_IMAGE = "mysql:9.7"
"""MySQL's LTS line. slurmdbd 26.05 works with it over caching_sha2_password."""

SECRETS = {
    "slurm_key": "HPC_STACK_SLURM_KEY",
    "jwt_key": "HPC_STACK_JWT_KEY",
    "database_password": "HPC_STACK_DATABASE_PASSWORD",
    "database_root_password": "HPC_STACK_DATABASE_ROOT_PASSWORD",
    "exporter_password": "HPC_STACK_EXPORTER_PASSWORD",
    "grafana_password": "HPC_STACK_GRAFANA_PASSWORD",
}
"""Secrets by name, and the environment variable from which Compose takes each."""


def secret_variables(settings: ClusterSettings) -> dict[str, str]:
    """Those of SECRETS, and what the receivers of alerts need besides, which the user gives."""
    given = settings.monitoring.alerts.secrets if settings.monitoring.enabled else ()
    return {**SECRETS, **{name: f"HPC_STACK_{name.upper()}" for name in given}}


DATA_VOLUMES = (
    "alertmanager",
    "exporter",
    "grafana",
    "home",
    "ledger",
    "mysql",
    "prometheus",
    "ssh",
    "state",
)
"""Volumes that hold what nobody can make again. The platform creates and guards them."""

_SLURM_KEY = "/etc/slurm/slurm.key"
_JWT_KEY = "/etc/slurm/jwt_hs256.key"

# Files of a service: path in the container -> text.
Files = Mapping[str, str]


def compose_yaml(settings: ClusterSettings, site: Site, files: Mapping[str, Files]) -> str:
    """The document's text.

    `files` gives each service its configuration files. Volumes in DATA_VOLUMES must exist, and the
    environment must hold the variables of SECRETS when Compose runs.
    """
    cluster = settings.name
    labels = cluster_labels(cluster, settings.tags)
    services = _services(settings, site)
    configs: dict[str, Any] = {}
    for name, service in services.items():
        own = files.get(name, {})
        service["labels"] = {**labels, **({"hpc-stack.configuration": _digest(own)} if own else {})}
        for path, text in sorted(own.items()):
            key = f"{name}{path.replace('/', '_')}"
            configs[key] = {"content": text}
            service.setdefault("configs", []).append({"source": key, "target": path})
    used = {use["source"] for service in services.values() for use in service.get("secrets", ())}
    document = {
        "name": project_name(cluster),
        "services": services,
        "networks": {
            name: _network(name, settings, site, labels)
            for name in (CLUSTER_NETWORK, BACKSTAGE_NETWORK)
        },
        "volumes": _volumes(cluster, labels, shared_users=site.aws is not None),
        "configs": configs,
        "secrets": {
            name: {"environment": variable}
            for name, variable in secret_variables(settings).items()
            if name in used
        },
    }
    return yaml.dump(_uninterpolated(document), Dumper=_Dumper, sort_keys=False, width=1000)


def running_services(settings: ClusterSettings, site: Site) -> tuple[str, ...]:
    """Names of the services that run all the time; the configurator may end."""
    return tuple(sorted(name for name in _services(settings, site) if name != "configurator"))


def _services(settings: ClusterSettings, site: Site) -> dict[str, dict[str, Any]]:
    # The order is the one in which a person thinks of them; nothing depends on it. No service waits
    # for another to be healthy: each awaits what it needs by itself, so all start at the same time.
    services = {
        "mysql": _mysql(settings),
        "slurmdbd": _slurmdbd(),
        "slurmctld": _slurmctld(),
        "slurmrestd": _slurmrestd(settings),
        "login": _login(settings),
        "configurator": _configurator(),
        "node-manager": _node_manager(),
        **monitoring_services(settings, site),
    }
    for name, service in services.items():
        if name in site.images:
            # Our images are built, never pulled: their names are nobody's on a public registry.
            service.update({"image": site.images[name], "pull_policy": "never"})
        service.update(
            {
                "hostname": name,
                "init": True,
                "restart": "on-failure:3" if name == "configurator" else "unless-stopped",
                "networks": service.get("networks", [CLUSTER_NETWORK]),
                # A fork bomb ends with its container.
                "pids_limit": 4096,
                "security_opt": ["no-new-privileges:true"],
                "logging": {"driver": "local", "options": {"max-size": "10m", "max-file": "3"}},
            }
        )
    if site.aws:
        place_on_ec2(services, settings, site.aws)
    return services


def _mysql(settings: ClusterSettings) -> dict[str, Any]:
    database = settings.database
    return {
        "image": MYSQL_IMAGE,
        "command": [
            "mysqld",
            f"--innodb-buffer-pool-size={database.buffer_pool_mb}M",
            f"--max-connections={database.max_connections}",
            f"--performance-schema={'ON' if database.performance_schema else 'OFF'}",
            # SchedMD's advice for slurmdbd: https://slurm.schedmd.com/accounting.html#mysql-configuration
            "--innodb-lock-wait-timeout=900",
            # One server: nothing reads a binary log. The X protocol is not used.
            "--disable-log-bin",
            "--mysqlx=OFF",
        ],
        "environment": {
            "MYSQL_DATABASE": DATABASE,
            "MYSQL_USER": DATABASE_USER,
            "MYSQL_PASSWORD_FILE": "/run/secrets/database_password",
            "MYSQL_ROOT_PASSWORD_FILE": "/run/secrets/database_root_password",
            "MYSQL_ROOT_HOST": "localhost",
        },
        "entrypoint": ["/bin/bash", START],
        "secrets": [
            secret("database_password"),
            secret("database_root_password"),
            secret("exporter_password"),
        ],
        "networks": [BACKSTAGE_NETWORK],
        "volumes": ["mysql:/var/lib/mysql"],
        "healthcheck": health(
            # The password reaches the client by its environment, not its arguments.
            'MYSQL_PWD="$(cat /run/secrets/database_password)" '
            f"mysql --host=127.0.0.1 --user={DATABASE_USER} --execute='SELECT 1' {DATABASE}"
        ),
    }


def _slurmdbd() -> dict[str, Any]:
    return {
        "cap_drop": ["ALL"],
        # By which of them it goes out, and by which a published port comes in, is the engine's
        # choice, which `priority` does not change: https://github.com/docker/compose/issues/12170
        "networks": [CLUSTER_NETWORK, BACKSTAGE_NETWORK],
        "volumes": [
            "etc:/etc/cluster:ro",
            "users:/var/lib/extrausers:ro",
            "slurmdbd:/run/slurmdbd",
        ],
        "secrets": [
            secret("slurm_key", _SLURM_KEY, SLURM_UID),
            secret("jwt_key", _JWT_KEY, SLURM_UID),
            secret("database_password", None, SLURM_UID),
        ],
    }


def _slurmctld() -> dict[str, Any]:
    return {
        "cap_drop": ["ALL"],
        "volumes": [
            "etc:/etc/cluster:ro",
            "users:/var/lib/extrausers:ro",
            "state:/var/spool/slurmctld",
            "slurmctld:/run/slurmctld",
            # Before it runs itself, its commands authenticate through slurmdbd.
            "slurmdbd:/run/slurmdbd",
            "fleet:/run/fleet",
        ],
        "secrets": [
            secret("slurm_key", _SLURM_KEY, SLURM_UID),
            secret("jwt_key", _JWT_KEY, SLURM_UID),
        ],
    }


def _slurmrestd(settings: ClusterSettings) -> dict[str, Any]:
    return {
        "cap_drop": ["ALL"],
        "ports": [f"127.0.0.1:{settings.ports.rest}:6820"],
        "volumes": ["etc:/etc/cluster:ro", "users:/var/lib/extrausers:ro"],
    }


def _login(settings: ClusterSettings) -> dict[str, Any]:
    return {
        "ports": [f"127.0.0.1:{settings.ports.ssh}:22"],
        "environment": {"SLURM_CONTROLLER": "slurmctld:6817"},
        "volumes": [
            "home:/home",
            "users:/var/lib/extrausers:ro",
            "ssh:/etc/ssh/keys",
            # What machines have cost, for hpc-cost and hpc-job.
            "ledger:/var/lib/hpc-stack/ledger:ro",
        ],
        "secrets": [secret("slurm_key", _SLURM_KEY, SLURM_UID)],
    }


def _configurator() -> dict[str, Any]:
    return {
        "volumes": [
            "etc:/etc/cluster",
            "users:/var/lib/extrausers",
            "home:/home",
            "slurmctld:/run/slurmctld",
        ],
    }


def _node_manager() -> dict[str, Any]:
    return {
        "volumes": [
            "/var/run/docker.sock:/var/run/docker.sock",
            "etc:/etc/cluster:ro",
            "slurmctld:/run/slurmctld",
            "fleet:/run/fleet",
            "ledger:/var/lib/hpc-stack/ledger",
        ],
        # Not for itself: it gives the key to each node that it makes.
        "secrets": [secret("slurm_key", "slurm.key")],
    }


def _network(
    name: str, settings: ClusterSettings, site: Site, labels: Mapping[str, str]
) -> dict[str, Any]:
    network: dict[str, Any] = {"name": network_name(settings.name, name), "labels": dict(labels)}
    if site.aws and settings.aws:
        # Left to itself, the engine may take a range that the VPC has, too.
        subnet = bridge_subnet(settings.aws.network.cidr, name)
        network["ipam"] = {"config": [{"subnet": subnet}]}
    return network


def _volumes(cluster: str, labels: Mapping[str, str], *, shared_users: bool) -> dict[str, Any]:
    # Where nodes are machines of their own, the platform shares the users with them, too.
    given = (*DATA_VOLUMES, "users") if shared_users else DATA_VOLUMES
    volumes: dict[str, Any] = {
        name: {"name": volume_name(cluster, name), "external": True} for name in given
    }
    for name in sorted({"etc", "users"} - set(given)):
        volumes[name] = {"name": volume_name(cluster, name), "labels": dict(labels)}
    # True only while somebody keeps it so, hence in memory: the sockets through which the daemons
    # authenticate commands, and which nodes are ready.
    for name in ("slurmctld", "slurmdbd", "fleet"):
        volumes[name] = {
            "name": volume_name(cluster, name),
            "labels": dict(labels),
            "driver_opts": {
                "type": "tmpfs",
                "device": "tmpfs",
                "o": f"size=8m,uid={SLURM_UID},gid={SLURM_UID},mode=0755",
            },
        }
    return volumes


def _digest(files: Files) -> str:
    return hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:16]


def _uninterpolated(value: Any) -> Any:
    """The value with every dollar doubled: Compose would take it for a variable."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, list):
        return [_uninterpolated(item) for item in value]
    if isinstance(value, dict):
        return {key: _uninterpolated(item) for key, item in value.items()}
    return value


class _Dumper(yaml.SafeDumper):
    """YAML for people: files as text blocks, and no references between equal parts."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
