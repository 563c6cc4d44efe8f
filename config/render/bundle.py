"""The bundle: everything that a platform needs to run a cluster, rendered from its settings."""

from dataclasses import dataclass

from config.render.accounting import accounting_json
from config.render.alert_rules import alert_rules
from config.render.alertmanager import alertmanager_yml
from config.render.cgroup_conf import cgroup_conf
from config.render.compose import compose_yaml
from config.render.compose_monitoring import (
    ALERTMANAGER_CONFIGURATION,
    GPU_FIELDS_FILE,
    PROMETHEUS_CONFIGURATION,
    grafana_runs,
)
from config.render.exporter_json import exporter_json
from config.render.fleet import fleet_json
from config.render.gpu_exporter import GPU_FIELDS
from config.render.gres_conf import gres_conf
from config.render.mysql_start import START, mysql_start
from config.render.prometheus import RULES, prometheus_yaml
from config.render.site import Site
from config.render.slurm_conf import slurm_conf
from config.render.slurmdbd_conf import slurmdbd_conf
from config.render.user_database import user_database
from config.settings import ClusterSettings

CONFIGURATION = "/etc/hpc-stack"
"""Where the configurator and the node manager find what was rendered for them."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """One cluster as text. Same settings and site, same bytes."""

    compose: str
    """The Compose document, with every configuration file inline and no secret."""
    fleet: str
    """fleet.json, which the document contains too."""


def render_bundle(settings: ClusterSettings, site: Site) -> Bundle:
    """Render a cluster's bundle for one site."""
    fleet = fleet_json(settings, site)
    users = user_database(settings)
    files = {
        "configurator": {
            f"{CONFIGURATION}/etc/slurm.conf": slurm_conf(settings, site),
            f"{CONFIGURATION}/etc/gres.conf": gres_conf(settings),
            f"{CONFIGURATION}/etc/cgroup.conf": cgroup_conf(site),
            f"{CONFIGURATION}/accounting.json": accounting_json(settings),
            **{f"{CONFIGURATION}/users/{path}": text for path, text in users.items()},
        },
        "mysql": {START: mysql_start()},
        "slurmdbd": {f"{CONFIGURATION}/slurmdbd.conf": slurmdbd_conf(settings)},
        "node-manager": {f"{CONFIGURATION}/fleet.json": fleet},
        **_monitoring(settings, site),
    }
    return Bundle(compose=compose_yaml(settings, site, files), fleet=fleet)


def _monitoring(settings: ClusterSettings, site: Site) -> dict[str, dict[str, str]]:
    if not settings.monitoring.enabled:
        return {}
    files = {
        "prometheus": {
            PROMETHEUS_CONFIGURATION: prometheus_yaml(settings, site),
            RULES: alert_rules(settings),
        },
        "alertmanager": {ALERTMANAGER_CONFIGURATION: alertmanager_yml(settings)},
        "job-exporter": {f"{CONFIGURATION}/exporter.json": exporter_json(settings)},
    }
    if site.measures_gpus:
        files["dcgm-exporter"] = {GPU_FIELDS_FILE: GPU_FIELDS}
    if grafana_runs(settings, available=site.grafana):
        # Imported where it is needed: its library is large, and most machines that render a
        # cluster for tests have no Grafana.
        from config.render.grafana import grafana_files

        files["grafana"] = grafana_files(settings)
    return files
