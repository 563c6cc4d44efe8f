"""The bundle: what the cluster is, as the infrastructure has written it to S3. Version 1.

The other end is config/render/aws_bundle.py.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

VERSION = 1
KEY = "bundle/bundle.json"


class BundleError(ValueError):
    """The bundle cannot be used. The text says why."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """One cluster, to be run by Compose."""

    digest: str
    cluster: str
    project: str
    compose: str
    secrets: Mapping[str, str]
    """Secret to the environment variable in which Compose takes it."""
    volumes: Mapping[str, str]
    """Volume of the engine's to the directory of the host to which it is bound."""
    registry: str
    """Host name; empty: the images are there."""


def parse_bundle(text: str) -> Bundle:
    """Raises BundleError for what is not whole, or of another version."""
    try:
        document: Any = json.loads(text)
    except ValueError as error:
        raise BundleError(f"the bundle is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise BundleError("the bundle is not an object")
    version = document.get("version")
    if version != VERSION:
        raise BundleError(
            f"the bundle is of version {version}; this agent reads version {VERSION}. "
            "Fix: `pulumi up` from one checkout, which brings both"
        )
    digest = document.pop("digest", None)
    content = json.dumps(document, sort_keys=True, separators=(",", ":"))
    if digest != hashlib.sha256(content.encode()).hexdigest():
        raise BundleError("the bundle is not whole: its digest is another one")
    try:
        return Bundle(
            digest=digest,
            **{key: document[key] for key in ("cluster", "project", "compose", "registry")},
            secrets=dict(document["secrets"]),
            volumes=dict(document["volumes"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"the bundle lacks {error}") from None
