"""Users: the same on every container of the cluster, each with a group of its own."""

import base64
import binascii
import re
from typing import Annotated

from pydantic import AfterValidator, Field

from config.settings.names import PlainText
from config.settings.part import Many, Part, Switch, Text, Whole, refusal, without_duplicates

KEY_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
ALLOWED = "one line of a public key file: type, key, and perhaps a comment"

# `openssh-key-v1` in base64 begins every OpenSSH private key's body.
_PRIVATE = re.compile(r"PRIVATE KEY|b3BlbnNzaC1rZXktdjE", re.IGNORECASE)


def looks_private(text: str) -> bool:
    """Whether a text holds (part of) a private key."""
    return _PRIVATE.search(text) is not None


def _names_its_type(kind: str, body: str) -> bool:
    # RFC 4253: the key's data begins with the length of its type's name and that name.
    try:
        data = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        return False
    return data.startswith(len(kind).to_bytes(4, "big") + kind.encode()) and len(data) > 40


def _public_key(line: str) -> str:
    if looks_private(line):
        raise refusal(
            ALLOWED,
            "this is a private key: paste the .pub file instead, and replace the key pair "
            "if this file was ever shared",
            secret=True,
        )
    line = line.strip()
    words = line.split(None, 2)
    if (
        not line.isprintable()
        or len(words) < 2
        or words[0] not in KEY_TYPES
        or not _names_its_type(words[0], words[1])
    ):
        raise refusal(
            ALLOWED, "paste the whole line, for instance of ~/.ssh/id_ed25519.pub", secret=True
        )
    return line


SshKey = Annotated[
    Text,
    Field(max_length=16_000, json_schema_extra={"allowed": ALLOWED}),
    AfterValidator(_public_key),
]


class User(Part):
    """A person. Their group has the same name and number."""

    # Below 2000 are Debian's own, above 59999 its reserved ranges (and slurm's 64030).
    uid: Annotated[Whole, Field(ge=2000, le=59_999)]
    """Number of the user and of their group; unique."""
    accounts: Annotated[
        Many[Annotated[Text, Field(json_schema_extra={"allowed": "the name of an account"})]],
        Field(min_length=1),
        AfterValidator(without_duplicates),
    ]
    """Accounts that they may charge; the first is the default."""
    ssh_keys: Annotated[Many[SshKey], AfterValidator(without_duplicates)] = ()
    """Public keys with which they log in."""
    admin: Switch = False
    """Whether they may administer Slurm: all jobs, nodes, accounts."""
    full_name: PlainText = ""
    """Their name, for people to read."""
