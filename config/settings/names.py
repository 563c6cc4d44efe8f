"""Names that a user chooses, and those taken by Slurm, by Debian or by our own services."""

from typing import Annotated

from pydantic import AfterValidator, Field

from config.settings.part import Text, refusal

SERVICES = frozenset(
    {
        "slurmctld",
        "slurmdbd",
        "slurmrestd",
        "mysql",
        "login",
        "node-manager",
        "configurator",
        "localhost",
    }
)
"""Host names on the cluster's network."""

RESERVED_POOLS = SERVICES | {"all", "default"}
"""`DEFAULT` is slurm.conf's template partition, `ALL` its word for every node."""

# Debian's base-passwd: users and groups, since each user also gets a group of that name.
_SYSTEM_USERS = """
root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc _apt
nobody nogroup adm tty disk dialout fax voice cdrom floppy tape sudo audio dip operator
src shadow utmp video sasl plugdev staff users input sgx clock kvm render crontab netdev
docker
"""
# Daemons in our images, or in packages that `software` commonly brings.
_SERVICE_USERS = """
slurm slurmrestd munge mysql sshd ssh _ssh messagebus polkitd prometheus alertmanager
grafana systemd-network systemd-resolve systemd-timesync systemd-journal ssl-cert
"""
RESERVED_USERS = frozenset([*_SYSTEM_USERS.split(), *_SERVICE_USERS.split()])


def _not_reserved(reserved: frozenset[str], why: str) -> AfterValidator:
    def check(name: str) -> str:
        if name in reserved:
            raise refusal(f"a name that is not reserved: {name!r} is {why}", "choose another name")
        return name

    return AfterValidator(check)


ClusterName = Annotated[
    Text,
    Field(
        pattern=r"^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$",
        json_schema_extra={
            "allowed": "1 to 20 lower-case letters, digits and '-', first a letter, last not '-'"
        },
    ),
]
PoolName = Annotated[
    Text,
    Field(
        # Node names are `<pool>-<k>` and must stay host names (63 characters) with our prefix.
        pattern=r"^[a-z]([a-z0-9-]{0,22}[a-z0-9])?$",
        json_schema_extra={
            "allowed": "1 to 24 lower-case letters, digits and '-', first a letter, last not '-'"
        },
    ),
    _not_reserved(RESERVED_POOLS, "the name of a service of hpc-stack or a word of Slurm"),
]
# sacctmgr turns names of accounts and QOS into lower case: another case would never compare equal.
AccountName = Annotated[
    Text,
    Field(
        pattern=r"^[a-z][a-z0-9_-]{0,39}$",
        json_schema_extra={
            "allowed": "1 to 40 lower-case letters, digits, '_' and '-', first a letter"
        },
    ),
    _not_reserved(frozenset({"root"}), "Slurm's own account, the top of the tree"),
]
QosName = Annotated[
    Text,
    Field(
        pattern=r"^[a-z][a-z0-9_-]{0,39}$",
        json_schema_extra={
            "allowed": "1 to 40 lower-case letters, digits, '_' and '-', first a letter"
        },
    ),
]
UserName = Annotated[
    Text,
    Field(
        pattern=r"^[a-z][a-z0-9_-]{0,30}$",  # Linux: 32 with the final zero byte
        json_schema_extra={
            "allowed": "1 to 31 lower-case letters, digits, '_' and '-', first a letter"
        },
    ),
    _not_reserved(RESERVED_USERS, "a user or group of the system"),
]


def _plain(text: str) -> str:
    # sacctmgr stores a quote as a backtick, so that the text would differ from the settings for
    # ever; ':' and control characters would break the passwd database.
    if any(not character.isprintable() or character in "\"'`:,\\" for character in text):
        raise refusal("one line without quotes, backslash, ':' or ','", "remove these characters")
    return text


PlainText = Annotated[
    Text,
    Field(
        max_length=200,
        json_schema_extra={"allowed": "one line without quotes, backslash, ':' or ','"},
    ),
    AfterValidator(_plain),
]
"""A description or a person's name."""
