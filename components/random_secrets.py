"""The cluster's secrets: made once, kept encrypted in Pulumi's state, nowhere else on disk."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping

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


def seal(key: pulumi.Output[str], texts: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
    """A public word that is another one for other texts, and that tells nothing of them.

    By a random key, since what people think of can be guessed.
    """

    def sealed(secret: str, known: dict[str, str]) -> str:
        message = json.dumps(known, sort_keys=True).encode()
        return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()[:12]

    both = pulumi.Output.all(key=key, texts=pulumi.Output.all(**texts))
    return pulumi.Output.unsecret(both.apply(lambda it: sealed(it["key"], it["texts"])))


def fingerprint(secret: pulumi.Output[str]) -> pulumi.Output[str]:
    """A public name for a random secret, from which nobody can find it."""
    return pulumi.Output.unsecret(
        secret.apply(lambda text: hashlib.sha256(text.encode()).hexdigest()[:12])
    )
