"""What the accounting database should hold and what it holds, in the same terms."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from configurator import notation

Value = notation.Tres | int | None
Limits = dict[str, Value]

_READ: dict[str, Callable[[str], Value]] = {
    "GrpTRES": notation.tres,
    "GrpTRESMins": notation.tres,
    "MaxTRESPerJob": notation.tres,
    "MaxTRESPerUser": notation.tres,
    "MaxWall": notation.minutes,
}

ACCOUNT_LIMITS = {
    # Our name, which `sacctmgr modify` takes -> the column in which `sacctmgr show` prints it.
    "GrpTRES": "GrpTRES",
    "GrpTRESMins": "GrpTRESMins",
    "MaxTRESPerJob": "MaxTRES",
    "GrpJobs": "GrpJobs",
    "GrpSubmitJobs": "GrpSubmit",
    "MaxJobs": "MaxJobs",
    "MaxSubmitJobs": "MaxSubmit",
    "MaxWall": "MaxWall",
}
QOS_LIMITS = {
    "GrpTRES": "GrpTRES",
    "GrpTRESMins": "GrpTRESMins",
    "GrpJobs": "GrpJobs",
    "MaxJobsPerUser": "MaxJobsPU",
    "MaxSubmitJobsPerUser": "MaxSubmitPU",
    "MaxTRESPerUser": "MaxTRESPU",
    "MaxTRESPerJob": "MaxTRES",
    "MaxWall": "MaxWall",
}

ASSOCIATION_COLUMNS = "Account,User,ParentName,Share,QOS,DefaultQOS," + ",".join(
    ACCOUNT_LIMITS.values()
)
QOS_COLUMNS = "Name,Description,Flags,Priority,UsageFactor," + ",".join(QOS_LIMITS.values())
USER_COLUMNS = "User,DefaultAccount,AdminLevel"
ACCOUNT_COLUMNS = "Account,Description"


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account of the tree."""

    parent: str
    description: str
    fairshare: int
    qos: frozenset[str]
    default_qos: str
    limits: Limits


@dataclass(frozen=True, kw_only=True)
class Qos:
    """A quality of service."""

    description: str
    flags: frozenset[str] = frozenset({"DenyOnLimit"})
    """By default a job that can never run is refused when it is submitted, and does not wait."""
    priority: int
    usage_factor: float
    limits: Limits


@dataclass(frozen=True, kw_only=True)
class User:
    """A user, and whether they may submit under each of their accounts."""

    default_account: str
    admin: bool
    accounts: Mapping[str, bool]


@dataclass(frozen=True, kw_only=True)
class Records:
    """Everything that the configurator takes care of."""

    qos: dict[str, Qos] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    root_billing_minutes: int | None = None
    """`GrpTRESMins=billing` of Slurm's root account: the money of the whole cluster."""
    root_tres_minutes: notation.Tres = field(default_factory=dict)
    """The other types of its `GrpTRESMins`."""

    @property
    def root_limits(self) -> Limits:
        """What of Slurm's root account is ours."""
        money = self.root_billing_minutes
        billing = {} if money is None else {"billing": money}
        return {"GrpTRESMins": {**self.root_tres_minutes, **billing}}


def desired(document: Mapping[str, Any]) -> Records:
    """The records that accounting.json (version 1) asks for."""
    if document["version"] != 1:
        raise ValueError(f"accounting.json is version {document['version']}; this reads 1")
    return Records(
        qos={
            name: Qos(
                description=entry["description"] or name,
                priority=entry["priority"],
                usage_factor=entry["usage_factor"],
                limits=_limits(entry["limits"]),
            )
            for name, entry in document["qos"].items()
        },
        accounts={
            name: Account(
                parent=entry["parent"],
                description=entry["description"],
                fairshare=entry["fairshare"],
                qos=frozenset(entry["qos"]),
                default_qos=entry["default_qos"],
                limits=_limits(entry["limits"]),
            )
            for name, entry in document["accounts"].items()
        },
        users={
            name: User(
                default_account=entry["default_account"],
                admin=entry["admin"],
                accounts=dict.fromkeys(entry["accounts"], True),
            )
            for name, entry in document["users"].items()
        },
        root_billing_minutes=document["root_billing_minutes"],
        root_tres_minutes=notation.tres(document.get("root_tres_minutes", "")),
    )


Rows = Iterable[Mapping[str, str]]


def current(*, qos: Rows, accounts: Rows, users: Rows, associations: Rows) -> Records:
    """The records that sacctmgr printed, as rows by column."""
    descriptions = {row["Account"]: row["Description"] for row in accounts}
    rows = list(associations)
    root = _root_minutes(rows)
    memberships: dict[str, dict[str, bool]] = {}
    for row in rows:
        if row["User"]:
            # A membership that was taken back keeps its records, but takes no job.
            memberships.setdefault(row["User"], {})[row["Account"]] = row["MaxSubmit"] != "0"
    return Records(
        qos={
            row["Name"]: Qos(
                description=row["Description"],
                flags=frozenset(filter(None, row["Flags"].split(","))),
                priority=int(row["Priority"] or 0),
                usage_factor=float(row["UsageFactor"] or 1),
                limits=_printed(row, QOS_LIMITS),
            )
            for row in qos
        },
        accounts={
            row["Account"]: Account(
                parent=row["ParentName"],
                description=descriptions.get(row["Account"], ""),
                # `parent`, which somebody may have set by hand, is no number of ours.
                fairshare=int(row["Share"]) if row["Share"].isdecimal() else -1,
                qos=frozenset(filter(None, row["QOS"].split(","))),
                default_qos=row["DefaultQOS"],
                limits=_printed(row, ACCOUNT_LIMITS),
            )
            for row in rows
            if not row["User"] and row["Account"] != "root"
        },
        users={
            row["User"]: User(
                default_account=row["DefaultAccount"],
                admin=row["AdminLevel"] == "Administrator",
                accounts=memberships.get(row["User"], {}),
            )
            for row in users
            if row["User"] != "root"
        },
        root_billing_minutes=root.pop("billing", None),
        root_tres_minutes=root,
    )


def _root_minutes(associations: Rows) -> notation.Tres:
    """`GrpTRESMins` of Slurm's root account; none where it has no record."""
    of_root = (row for row in associations if row["Account"] == "root" and not row["User"])
    return next((notation.tres(row["GrpTRESMins"]) for row in of_root), {})


def _limits(texts: Mapping[str, str | None]) -> Limits:
    return {name: _READ.get(name, notation.count)(text or "") for name, text in texts.items()}


def _printed(row: Mapping[str, str], columns: Mapping[str, str]) -> Limits:
    return {name: _READ.get(name, notation.count)(row[column]) for name, column in columns.items()}
