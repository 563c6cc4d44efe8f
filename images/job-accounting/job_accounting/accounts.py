"""The tree of accounts, who may use which, and what each may spend: out of sacctmgr."""

from collections.abc import Iterable
from dataclasses import dataclass

from job_accounting.command import CommandFailed, Runner, run_command
from job_accounting.cost import BILLING_MINUTES_PER_DOLLAR

_TIMEOUT = 20.0


class AccountsUnavailable(Exception):
    """Accounting did not answer. The text is sacctmgr's."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """`limit_dollars`: what its jobs and those of accounts below it may cost; None: no limit.

    `limited`: whether it has a limit of minutes of anything, money or not.
    """

    name: str
    parent: str | None
    users: frozenset[str]
    limit_dollars: float | None
    limited: bool


class Accounts:
    """All accounts."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._by_name = {account.name: account for account in accounts}

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Account:
        return self._by_name[name]

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._by_name)

    def of_user(self, user: str) -> list[str]:
        """The accounts that a user may use."""
        return [name for name in self.names() if user in self._by_name[name].users]

    def above(self, name: str) -> list[str]:
        """The accounts above one, the nearest first."""
        found: list[str] = []
        account = self._by_name.get(name)
        while account is not None and account.parent is not None and account.parent not in found:
            found.append(account.parent)
            account = self._by_name.get(account.parent)
        return found

    def with_below(self, name: str) -> frozenset[str]:
        """An account and all below it."""
        return frozenset({name, *(other for other in self._by_name if name in self.above(other))})


def read_accounts(run: Runner = run_command) -> Accounts:
    """The accounts as accounting has them. Raises AccountsUnavailable."""
    columns = "format=Account,User,ParentName,GrpTRESMins"
    command = ("sacctmgr", "--noheader", "--parsable2", "show", "assoc", columns)
    try:
        accounts = parse_accounts(run(command, _TIMEOUT))
    except CommandFailed as error:
        raise AccountsUnavailable(str(error)) from error
    if not accounts.names():
        raise AccountsUnavailable("it knows no account at all")  # root always exists
    return accounts


def parse_accounts(text: str) -> Accounts:
    """Accounts out of `account|user|parent|GrpTRESMins`; lines with a user say who may use it."""
    users: dict[str, set[str]] = {}
    rows: dict[str, tuple[str | None, str]] = {}
    for line in text.splitlines():
        account, _, rest = line.partition("|")
        user, _, rest = rest.partition("|")
        parent, _, limits = rest.partition("|")
        if user:
            users.setdefault(account, set()).add(user)
        elif account:
            rows[account] = (parent or None, limits.strip())
    return Accounts(
        Account(
            name=name,
            parent=parent,
            users=frozenset(users.get(name, ())),
            limit_dollars=_billing_dollars(limits),
            limited=bool(limits),
        )
        for name, (parent, limits) in rows.items()
    )


def _billing_dollars(tres: str) -> float | None:
    for part in tres.split(","):
        name, _, value = part.partition("=")
        if name == "billing" and value.isdecimal():
            return int(value) / BILLING_MINUTES_PER_DOLLAR
    return None
