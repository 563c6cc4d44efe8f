"""prometheus.yml: what is measured, where and how often, and who hears of alerts."""

from collections.abc import Iterator
from typing import Any

import yaml

from config.render.gpu_exporter import GPU_METRICS_PORT
from config.render.node_names import node_range
from config.render.site import AwsSite, Site
from config.settings import ClusterSettings

RULES = "/etc/prometheus/alerts.yml"
TARGETS = "/run/fleet/targets"
"""Where the node manager writes which nodes there are: nodes.json, gpus.json (file discovery)."""
NODE_METRICS_PORT = 9100
ALERTMANAGER_PORT = 9093

_SLURM = {
    "slurm-jobs": "/metrics/jobs",
    "slurm-nodes": "/metrics/nodes",
    "slurm-partitions": "/metrics/partitions",
    "slurm-scheduler": "/metrics/scheduler",
    "slurm-accounts": "/metrics/jobs-users-accts",
}
"""slurmctld's own endpoints; the one above them is only a list."""


def prometheus_yaml(settings: ClusterSettings, site: Site) -> str:
    """The file's text."""
    alertmanager = alertmanager_address(settings, site.aws)
    document = {
        "global": {
            "scrape_interval": f"{settings.monitoring.scrape_seconds}s",
            "scrape_timeout": f"{min(10, settings.monitoring.scrape_seconds)}s",
            "evaluation_interval": f"{settings.monitoring.scrape_seconds}s",
            "external_labels": {"cluster": settings.name},
        },
        "rule_files": [RULES],
        "alerting": {
            "alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}],
        },
        "scrape_configs": list(_jobs(settings, site)),
    }
    return yaml.safe_dump(document, sort_keys=False, width=1000)


def alertmanager_address(settings: ClusterSettings, aws: AwsSite | None) -> str:
    """Where Prometheus reaches it: in the host's network, where it sends by the host's role."""
    host = aws.controller_address if aws and settings.monitoring.alerts.sns else "alertmanager"
    return f"{host}:{ALERTMANAGER_PORT}"


def _jobs(settings: ClusterSettings, site: Site) -> Iterator[dict[str, Any]]:
    # On EC2 some are in the host's own network.
    host = site.aws.controller_address if site.aws else None
    yield _job("prometheus", "localhost:9090")
    yield _job("alertmanager", alertmanager_address(settings, site.aws))
    for name, path in _SLURM.items():
        yield _job(name, "slurmctld:6817") | {"metrics_path": path}
    yield _job("node-manager", f"{host or 'node-manager'}:9810")
    yield _job("job-exporter", "job-exporter:9811")
    yield _job("mysql", "mysqld-exporter:9104")
    yield _job("host", f"{host or 'node-exporter'}:{NODE_METRICS_PORT}")
    yield _discovered("node", "nodes.json")
    if site.measures_gpus:
        # `up` is about all GPUs at once; what is of one has its node's labels in their place.
        yield _job("gpu", f"dcgm-exporter:{GPU_METRICS_PORT}", node="this machine", pool="all") | {
            "metric_relabel_configs": list(_nodes_of_gpus(settings, site))
        }
    elif settings.jobs_gpus_are_measured:
        yield _discovered("gpu", "gpus.json")


def _nodes_of_gpus(settings: ClusterSettings, site: Site) -> Iterator[dict[str, Any]]:
    """What gives a GPU of this machine the labels that each node's own exporter would have."""
    for name, files in settings.gpu_files.items():
        count = len(files) // settings.pools[name].max_nodes
        for index in range(settings.pools[name].max_nodes):
            own = files[index * count : (index + 1) * count]
            ids = "|".join(site.gpu_ids[file] for file in own if file in site.gpu_ids)
            node = node_range(name, index + 1, index + 1)
            for label, value in (("node", node), ("pool", name)) if ids else ():
                yield {
                    "source_labels": ["UUID"],
                    "regex": ids,
                    "target_label": label,
                    "replacement": value,
                }


def _job(name: str, target: str, **labels: str) -> dict[str, Any]:
    found = {"targets": [target], **({"labels": labels} if labels else {})}
    return {"job_name": name, "static_configs": [found]}


def _discovered(name: str, file: str) -> dict[str, Any]:
    # The file is watched; where that fails, it is read again so often.
    source = {"files": [f"{TARGETS}/{file}"], "refresh_interval": "5s"}
    # A node is told by its name, not by an address that the next one may have.
    relabel = {"source_labels": ["node"], "target_label": "instance"}
    return {"job_name": name, "file_sd_configs": [source], "relabel_configs": [relabel]}
