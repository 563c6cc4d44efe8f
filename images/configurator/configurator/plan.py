"""From records as they are to records as they should be: a list of sacctmgr commands.

Nothing is deleted: what settings no longer name keeps its history, takes no new job, and is
reported. Each step is idempotent, so a plan that was cut short is simply made again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from configurator.records import Account, Limits, Qos, Records, Value

NO_LIMIT = "-1"


@dataclass(frozen=True)
class Step:
    """One sacctmgr command and what it does, in words."""

    arguments: tuple[str, ...]
    meaning: str


def plan(wanted: Records, present: Records) -> list[Step]:
    """Steps in the order in which each finds what it refers to."""
    return [
        *_qos_steps(wanted, present),
        *_account_steps(wanted, present),
        *_budget_steps(wanted, present),
        *_user_steps(wanted, present),
        *_closing_steps(wanted, present),
    ]


def unmanaged(wanted: Records, present: Records) -> list[str]:
    """One line for each record that settings do not name, and which is therefore closed."""
    lines = [
        f"{kind} {name}: not in the settings; its records are kept, it takes no new job"
        for kind, names in (
            ("account", present.accounts.keys() - wanted.accounts.keys()),
            ("user", present.users.keys() - wanted.users.keys()),
        )
        for name in sorted(names)
    ]
    return lines + [
        f"QOS {name}: not in the settings; kept, no account may use it"
        for name in sorted(present.qos.keys() - wanted.qos.keys())
    ]


def _qos_steps(wanted: Records, present: Records) -> Iterator[Step]:
    for name, qos in wanted.qos.items():
        old = present.qos.get(name)
        if old is None:
            yield Step(("add", "qos", name), f"QOS {name}: added")
        changes = _qos_changes(qos, old)
        if changes:
            yield Step(
                ("modify", "qos", "where", f"name={name}", "set", *changes),
                f"QOS {name}: {' '.join(changes)}",
            )


def _qos_changes(qos: Qos, old: Qos | None) -> list[str]:
    changes = _limit_changes(qos.limits, old.limits if old else {})
    if old is None or old.flags != qos.flags:
        changes.append(f"Flags={','.join(sorted(qos.flags))}")
    if old is None or old.priority != qos.priority:
        changes.append(f"Priority={qos.priority}")
    if old is None or old.usage_factor != qos.usage_factor:
        changes.append(f"UsageFactor={qos.usage_factor}")
    if old is None or old.description != qos.description.lower():
        # sacctmgr keeps descriptions in lower case.
        changes.append(f"Description={qos.description.lower()}")
    return changes


def _account_steps(wanted: Records, present: Records) -> Iterator[Step]:
    for name in _parents_first(wanted.accounts):
        account, old = wanted.accounts[name], present.accounts.get(name)
        if old is None:
            yield Step(
                ("add", "account", name, f"parent={account.parent}"), f"account {name}: added"
            )
        changes = _account_changes(account, old)
        if changes:
            yield Step(
                ("modify", "account", "where", f"name={name}", "set", *changes),
                f"account {name}: {' '.join(changes)}",
            )


def _parents_first(accounts: Mapping[str, Account]) -> list[str]:
    def depth(name: str) -> int:
        above = accounts[name].parent
        return 0 if above not in accounts else 1 + depth(above)

    return sorted(accounts, key=lambda name: (depth(name), name))


def _account_changes(account: Account, old: Account | None) -> list[str]:
    changes = _limit_changes(account.limits, old.limits if old else {})
    if old is None or old.qos != account.qos:
        changes.append(f"QosLevel={','.join(sorted(account.qos))}")
    if old is None or old.default_qos != account.default_qos:
        changes.append(f"DefaultQOS={account.default_qos}")
    if old is None or old.fairshare != account.fairshare:
        changes.append(f"Fairshare={account.fairshare}")
    if old is not None and old.parent != account.parent:
        changes.append(f"Parent={account.parent}")
    if old is None or old.description != account.description.lower():
        changes.append(f"Description={account.description.lower()}")
    return changes


def _budget_steps(wanted: Records, present: Records) -> Iterator[Step]:
    """The cluster's budgets. Nothing else of Slurm's own root account is ours."""
    changes = _limit_changes(wanted.root_limits, present.root_limits)
    if changes:
        yield Step(
            ("modify", "account", "where", "name=root", "set", *changes),
            f"the whole cluster: {' '.join(changes)}",
        )


def _user_steps(wanted: Records, present: Records) -> Iterator[Step]:
    for name, user in wanted.users.items():
        old = present.users.get(name)
        held = old.accounts if old else {}
        missing = [account for account in user.accounts if account not in held]
        if missing:
            yield Step(
                ("add", "user", name, f"account={','.join(missing)}"),
                f"user {name}: added to {', '.join(missing)}",
            )
        for account in user.accounts:
            if held.get(account) is False:
                yield _membership(name, account, NO_LIMIT, "may submit again")
        if old is None or old.default_account != user.default_account:
            yield _user_setting(name, f"DefaultAccount={user.default_account}")
        if (old is not None and old.admin) != user.admin:
            yield _user_setting(name, f"AdminLevel={'Administrator' if user.admin else 'None'}")


def _closing_steps(wanted: Records, present: Records) -> Iterator[Step]:
    for name, account in present.accounts.items():
        if name not in wanted.accounts and account.limits["GrpSubmitJobs"] != 0:
            yield Step(
                ("modify", "account", "where", f"name={name}", "set", "GrpSubmitJobs=0"),
                f"account {name}: closed, since settings no longer name it",
            )
    for user_name, user in present.users.items():
        asked = wanted.users.get(user_name)
        for membership, is_open in user.accounts.items():
            if is_open and (asked is None or membership not in asked.accounts):
                closed = "closed, since settings no longer name it"
                yield _membership(user_name, membership, "0", closed)
        if asked is None and user.admin:
            yield _user_setting(user_name, "AdminLevel=None")


def _user_setting(name: str, change: str) -> Step:
    return Step(
        ("modify", "user", "where", f"name={name}", "set", change), f"user {name}: {change}"
    )


def _membership(user: str, account: str, most_jobs: str, meaning: str) -> Step:
    where = ("where", f"name={user}", f"account={account}")
    return Step(
        ("modify", "user", *where, "set", f"MaxSubmitJobs={most_jobs}"),
        f"user {user} in account {account}: {meaning}",
    )


def _limit_changes(wanted: Limits, present: Limits) -> list[str]:
    return [
        f"{name}={_assignment(value, present.get(name))}"
        for name, value in wanted.items()
        if (value or None) != (present.get(name) or None)
        or (value == 0) != (present.get(name) == 0)
    ]


def _assignment(value: Value, old: Value) -> str:
    if isinstance(value, dict):
        # sacctmgr changes only the types that are named: those that went are set to no limit.
        gone = dict.fromkeys(old, NO_LIMIT) if isinstance(old, dict) else {}
        return ",".join(f"{kind}={count}" for kind, count in sorted({**gone, **value}.items()))
    return NO_LIMIT if value is None else str(value)
