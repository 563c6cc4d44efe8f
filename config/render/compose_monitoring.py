"""The services that observe the cluster. But for the job exporter, none can do anything to it.

Their images are official ones, and all but NVIDIA's have busybox, so a health check is its wget.
"""

from collections.abc import Mapping
from typing import Any

from config.render.gpu_exporter import GPU_EXPORTER_IMAGE, GPU_METRICS_PORT
from config.render.grafana_environment import GRAFANA_ENVIRONMENT
from config.render.mysql_start import EXPORTER_USER
from config.render.parts import answers, secret
from config.render.prometheus import NODE_METRICS_PORT
from config.render.site import BACKSTAGE_NETWORK, CLUSTER_NETWORK, SECRETS_DIRECTORY, Site
from config.settings import ClusterSettings

PROMETHEUS_IMAGE = "prom/prometheus:v3.5.3"
"""The line with long-term support."""
ALERTMANAGER_IMAGE = "prom/alertmanager:v0.33.1"
NODE_EXPORTER_IMAGE = "prom/node-exporter:v1.11.1"
MYSQLD_EXPORTER_IMAGE = "prom/mysqld-exporter:v0.19.0"
GRAFANA_IMAGE = "grafana/grafana:12.2.0"

PROMETHEUS_CONFIGURATION = "/etc/prometheus/prometheus.yml"
ALERTMANAGER_CONFIGURATION = "/etc/alertmanager/alertmanager.yml"
GPU_FIELDS_FILE = "/etc/dcgm-exporter/hpc-stack.csv"

NOBODY_UID = 65534
"""Who the official images of Prometheus run as."""
GRAFANA_UID = 472


def monitoring_services(settings: ClusterSettings, site: Site) -> dict[str, dict[str, Any]]:
    """By name; none where the cluster is not observed."""
    if not settings.monitoring.enabled:
        return {}
    services = {
        "prometheus": _prometheus(settings),
        "alertmanager": _alertmanager(settings, site),
        "node-exporter": _node_exporter(),
        "mysqld-exporter": _mysqld_exporter(),
        "job-exporter": _job_exporter(),
    }
    if grafana_runs(settings, available=site.grafana):
        services["grafana"] = _grafana(settings)
    if site.measures_gpus:
        services["dcgm-exporter"] = _dcgm_exporter(site)
    for service in services.values():
        service["cap_drop"] = ["ALL"]
    return services


def grafana_runs(settings: ClusterSettings, *, available: bool) -> bool:
    """Whether it is wanted and, as the platform knows, `available`: its image can be had."""
    return settings.monitoring.enabled and settings.monitoring.grafana and available


def published_ports(settings: ClusterSettings, *, grafana: bool) -> Mapping[str, int]:
    """All ports on this machine at which a cluster listens, by the setting's name."""
    ports = settings.ports
    found = {"ssh": ports.ssh, "rest": ports.rest}
    if settings.monitoring.enabled:
        found |= {"prometheus": ports.prometheus, "alertmanager": ports.alertmanager}
    if grafana_runs(settings, available=grafana):
        found["grafana"] = ports.grafana
    return found


def pages(settings: ClusterSettings, *, grafana: bool) -> Mapping[str, str]:
    """Addresses on this machine that a browser opens, by the service's name."""
    ports = published_ports(settings, grafana=grafana)
    return {
        name: f"http://127.0.0.1:{port}/"
        for name, port in ports.items()
        if name not in ("ssh", "rest")
    }


def _prometheus(settings: ClusterSettings) -> dict[str, Any]:
    monitoring = settings.monitoring
    return {
        "image": PROMETHEUS_IMAGE,
        "command": [
            f"--config.file={PROMETHEUS_CONFIGURATION}",
            "--storage.tsdb.path=/prometheus",
            f"--storage.tsdb.retention.time={monitoring.retention_days}d",
            f"--storage.tsdb.retention.size={monitoring.retention_gb}GB",
            f"--web.external-url=http://127.0.0.1:{settings.ports.prometheus}/",
            "--web.route-prefix=/",
            # A series that begins at 1 has grown by 1: the first failed launch is one, too.
            "--enable-feature=created-timestamp-zero-ingestion",
        ],
        # Users may reach it, and can only read: what changes it (--web.enable-...) is left off.
        "networks": [CLUSTER_NETWORK, BACKSTAGE_NETWORK],
        "ports": [f"127.0.0.1:{settings.ports.prometheus}:9090"],
        "volumes": ["prometheus:/prometheus", "fleet:/run/fleet:ro"],
        "healthcheck": answers("http://127.0.0.1:9090/-/ready"),
    }


def _alertmanager(settings: ClusterSettings, site: Site) -> dict[str, Any]:
    return {
        "image": ALERTMANAGER_IMAGE,
        "command": [
            f"--config.file={ALERTMANAGER_CONFIGURATION}",
            "--storage.path=/alertmanager",
            f"--web.external-url=http://127.0.0.1:{settings.ports.alertmanager}/",
            "--web.route-prefix=/",
            # There is one, which looks for no others.
            "--cluster.listen-address=",
        ],
        "networks": [BACKSTAGE_NETWORK],
        "ports": [f"127.0.0.1:{settings.ports.alertmanager}:9093"],
        # Nobody reads it: Compose does not see by itself that a secret is another one.
        "environment": {"HPC_STACK_SECRETS_SEAL": site.secrets_seal},
        "volumes": ["alertmanager:/alertmanager"],
        "secrets": [secret(name, owner=NOBODY_UID) for name in settings.monitoring.alerts.secrets],
        "healthcheck": answers("http://127.0.0.1:9093/-/ready"),
    }


def _node_exporter() -> dict[str, Any]:
    # CPU, memory and disks in /proc are the machine's in every container, and the root file system
    # is on the disk that holds all of the engine's data. So it needs nothing of the machine.
    return {
        "image": NODE_EXPORTER_IMAGE,
        "command": [f"--web.listen-address=:{NODE_METRICS_PORT}"],
        "healthcheck": answers(f"http://127.0.0.1:{NODE_METRICS_PORT}/"),
    }


def _mysqld_exporter() -> dict[str, Any]:
    run = (
        f'MYSQLD_EXPORTER_PASSWORD="$(cat {SECRETS_DIRECTORY}/exporter_password)" exec '
        f"/bin/mysqld_exporter --mysqld.address=mysql:3306 --mysqld.username={EXPORTER_USER}"
    )
    return {
        "image": MYSQLD_EXPORTER_IMAGE,
        "entrypoint": ["/bin/sh", "-c", run],
        "networks": [BACKSTAGE_NETWORK],
        "secrets": [secret("exporter_password", owner=NOBODY_UID)],
        "healthcheck": answers("http://127.0.0.1:9104/"),
    }


def _job_exporter() -> dict[str, Any]:
    return {
        "volumes": [
            "etc:/etc/cluster:ro",
            "users:/var/lib/extrausers:ro",
            # Its commands authenticate through slurmctld or, where that is down, slurmdbd.
            "slurmctld:/run/slurmctld:ro",
            "slurmdbd:/run/slurmdbd:ro",
            "ledger:/var/lib/hpc-stack/ledger:ro",
            "exporter:/var/lib/hpc-stack/exporter",
        ],
    }


def _dcgm_exporter(site: Site) -> dict[str, Any]:
    # Which job has which GPU it cannot tell here: nodes come and go as containers, and none of them
    # may write where another one's GPUs are told of. It has no shell either, so no health check.
    gpus = {
        "driver": "nvidia",
        "device_ids": [site.gpu_ids[file] for file in sorted(site.gpu_ids)],
        "capabilities": ["gpu"],
    }
    return {
        "image": GPU_EXPORTER_IMAGE,
        "environment": {
            "DCGM_EXPORTER_LISTEN": f":{GPU_METRICS_PORT}",
            "DCGM_EXPORTER_COLLECTORS": GPU_FIELDS_FILE,
        },
        "deploy": {"resources": {"reservations": {"devices": [gpus]}}},
    }


def _grafana(settings: ClusterSettings) -> dict[str, Any]:
    return {
        "image": GRAFANA_IMAGE,
        "environment": {
            **GRAFANA_ENVIRONMENT,
            "GF_SERVER_ROOT_URL": f"http://127.0.0.1:{settings.ports.grafana}/",
        },
        "ports": [f"127.0.0.1:{settings.ports.grafana}:3000"],
        "volumes": ["grafana:/var/lib/grafana"],
        "secrets": [secret("grafana_password", owner=GRAFANA_UID)],
        "healthcheck": answers("http://127.0.0.1:3000/api/health"),
    }
