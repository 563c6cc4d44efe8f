"""The representative cluster, and every text that is rendered from settings."""

from pathlib import Path
from typing import Any

import yaml

from config.render.accounting import accounting_json
from config.render.alert_rules import alert_rules
from config.render.alertmanager import alertmanager_yml
from config.render.bundle import render_bundle
from config.render.cgroup_conf import cgroup_conf
from config.render.exporter_json import exporter_json
from config.render.gres_conf import gres_conf
from config.render.mysql_start import mysql_start
from config.render.prometheus import prometheus_yaml
from config.render.site import Site
from config.render.slurm_conf import slurm_conf
from config.render.slurmdbd_conf import slurmdbd_conf
from config.render.user_database import user_database
from config.settings import ClusterSettings, load_cluster

HERE = Path(__file__).parent
EXPECTED = HERE / "expected"
SERVICES = (
    "slurmctld",
    "slurmdbd",
    "slurmrestd",
    "login",
    "slurmd",
    "configurator",
    "node-manager",
    "job-exporter",
)
IMAGES = {name: f"hpc-stack/{name}:0123456789ab" for name in SERVICES}
SITE = Site(images=IMAGES, cgroup="v2", memory_mb=256_000)
OLD_SITE = Site(images=IMAGES, cgroup="v1")


def load_settings(**changes: Any) -> ClusterSettings:
    """The representative cluster, with some parts exchanged."""
    return load_cluster({**yaml.safe_load((HERE / "settings.yaml").read_text()), **changes})


def rendered(settings: ClusterSettings, site: Site = SITE) -> dict[str, str]:
    """The bundle and each of its files, by a name for people."""
    bundle = render_bundle(settings, site)
    users = user_database(settings)
    return {
        "compose.yaml": bundle.compose,
        "fleet.json": bundle.fleet,
        "slurm.conf": slurm_conf(settings, site),
        "gres.conf": gres_conf(settings),
        "cgroup.conf": cgroup_conf(site),
        "slurmdbd.conf": slurmdbd_conf(settings),
        "accounting.json": accounting_json(settings),
        "start-mysql": mysql_start(),
        "prometheus.yml": prometheus_yaml(settings, site),
        "alerts.yml": alert_rules(settings),
        "alertmanager.yml": alertmanager_yml(settings),
        "exporter.json": exporter_json(settings),
        **{f"users/{path}": text for path, text in users.items()},
    }


def stored() -> dict[str, str]:
    """The snapshots, by the same names."""
    files = (path for path in EXPECTED.rglob("*") if path.is_file())
    return {str(path.relative_to(EXPECTED)): path.read_text() for path in files}
