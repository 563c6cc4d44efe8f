"""The cluster's secrets: made once, kept encrypted in Pulumi's state, nowhere else on disk."""

import hashlib
from collections.abc import Iterable

import pulumi
from pulumi_command.local import Command, Logging

# 48 bytes, as 64 characters that need no quoting anywhere.
_RANDOM = "head -c 48 /dev/urandom | base64 | tr -d '\\n' | tr '+/' '-_'"


def make_secrets(
    name: str, names: Iterable[str], *, parent: pulumi.Resource, protect: bool
) -> dict[str, pulumi.Output[str]]:
    """One random text for each name, as secret outputs.

    They are protected like the data: without its password a database volume is of no use.
    """
    return {
        secret: pulumi.Output.secret(
            Command(
                f"{name}-{secret.replace('_', '-')}",
                create=_RANDOM,
                logging=Logging.NONE,
                opts=pulumi.ResourceOptions(
                    parent=parent, protect=protect, additional_secret_outputs=["stdout"]
                ),
            ).stdout
        )
        for secret in names
    }


def fingerprint(secret: pulumi.Output[str]) -> pulumi.Output[str]:
    """A public name for a random secret, from which nobody can find it."""
    return pulumi.Output.unsecret(
        secret.apply(lambda text: hashlib.sha256(text.encode()).hexdigest()[:12])
    )
