"""The bundle: everything that a platform needs to run a cluster, rendered from its settings."""

from dataclasses import dataclass

from config.render.accounting import accounting_json
from config.render.cgroup_conf import cgroup_conf
from config.render.compose import compose_yaml
from config.render.fleet import fleet_json
from config.render.gres_conf import gres_conf
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
        "slurmdbd": {f"{CONFIGURATION}/slurmdbd.conf": slurmdbd_conf(settings)},
        "node-manager": {f"{CONFIGURATION}/fleet.json": fleet},
    }
    return Bundle(compose=compose_yaml(settings, site, files), fleet=fleet)
