"""The bundle as the object in S3 that the controller's host agent fetches and runs."""

import hashlib
import json

from config.render.bundle import render_bundle
from config.render.compose import DATA_VOLUMES, secret_variables
from config.render.site import Site, project_name, volume_name
from config.settings import ClusterSettings

BUNDLE_KEY = "bundle/bundle.json"
STATUS_KEY = "status/controller.json"
DUMPS_PREFIX = "dumps/"
DATA_DIRECTORY = "/data"
"""Where the controller's host mounts its data volume."""
HOME_DIRECTORY = "/home"
"""Where every machine mounts the homes."""
USERS_DIRECTORY = "/home/.hpc-stack/users"
"""The user database: beside the homes, so that nodes see a change at once. Root's, as all of it."""


def aws_bundle(settings: ClusterSettings, site: Site) -> str:
    """The object's text. Raises ValueError for a site that is not on AWS."""
    if site.aws is None:
        raise ValueError("a bundle in S3 is for a site on AWS")
    directories = {name: f"{DATA_DIRECTORY}/{name}" for name in DATA_VOLUMES}
    # Homes and users are the nodes' as well.
    directories |= {"home": HOME_DIRECTORY, "users": USERS_DIRECTORY}
    document = {
        "version": 1,
        "cluster": settings.name,
        "project": project_name(settings.name),
        "compose": render_bundle(settings, site).compose,
        "secrets": secret_variables(settings),
        "volumes": {volume_name(settings.name, name): path for name, path in directories.items()},
        "registry": site.aws.registry,
    }
    content = json.dumps(document, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(content.encode()).hexdigest()
    return json.dumps({**document, "digest": digest}, sort_keys=True, separators=(",", ":"))


def bundle_digest(text: str) -> str:
    """The digest that a bundle carries, by which its delivery is followed."""
    return str(json.loads(text)["digest"])
