"""exporter.json, version 1: reading and checking.

The other end, which writes the file, is in config/render. Unknown keys are ignored, so that a newer
writer may add some; an unknown version is refused.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from job_exporter.period import PERIODS

VERSION = 1
ROOT = "root"
"""The account above all others: the whole cluster."""

_ADDRESS = re.compile(r"[A-Za-z0-9.-]+:\d{1,5}")

T = TypeVar("T")


class SettingsError(ValueError):
    """exporter.json cannot be used. The text names the key, the value and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """`parent`: the account above it, "" for root. Budgets of a period: `budget_dollars`, None:
    none, and `tres_minutes`, by TRES."""

    parent: str
    budget_dollars: float | None
    tres_minutes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the exporter is told. `max_accounts` and `max_users` bound the values of labels.

    `users`: those of the settings, who come before others (`label_names`).
    """

    cluster: str
    query_seconds: int
    queue_seconds: int
    max_accounts: int
    max_users: int
    budget_period: str
    """month, quarter, year or forever."""
    accounts: Mapping[str, Account]
    users: frozenset[str] = frozenset()
    job_comments: bool = False
    """Whether each ended job gets a line about what it used and cost."""
    prometheus: str | None = None
    """Who knows how busy jobs' GPUs were, as HOST:PORT; None: nobody."""

    @property
    def budgets(self) -> dict[str, float]:
        """Dollars a period, of the accounts that have a budget."""
        found = {name: account.budget_dollars for name, account in self.accounts.items()}
        return {name: budget for name, budget in found.items() if budget is not None}

    @property
    def tres_budgets(self) -> dict[str, Mapping[str, int]]:
        """Minutes a period by TRES, of the accounts that have such budgets."""
        found = {name: account.tres_minutes for name, account in self.accounts.items()}
        return {name: minutes for name, minutes in found.items() if minutes}

    def lineage(self, account: str) -> Iterator[str]:
        """The account, those above it, and root, below which is what the settings do not know."""
        while account != ROOT:
            yield account
            known = self.accounts.get(account)
            account = known.parent if known else ROOT
        yield ROOT


def read_settings(path: Path) -> Settings:
    """Read and check the file. Raises SettingsError, also when it is missing or is not JSON."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{path}: not JSON: {error}") from error
    try:
        return parse_settings(document)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


def parse_settings(document: object) -> Settings:
    """Check a parsed document. Raises SettingsError."""
    top = _mapping(document, "the document")
    version = _get(top, "version", int)
    if version != VERSION:
        raise SettingsError(
            f"version: {version} is not known; this job exporter reads version {VERSION}. "
            "Build the job-exporter image and the bundle from the same checkout."
        )
    accounts = {name: _account(name, part) for name, part in _get(top, "accounts", dict).items()}
    _check_parents(accounts)
    return Settings(
        cluster=_get(top, "cluster", str),
        query_seconds=_number(top, "query_seconds"),
        queue_seconds=_number(top, "queue_seconds"),
        max_accounts=_number(top, "max_accounts"),
        max_users=_number(top, "max_users"),
        budget_period=_period(top.get("budget_period", "month")),
        accounts=accounts,
        users=_users(top.get("users", [])),
        job_comments=_switch(top, "job_comments"),
        prometheus=_address(top.get("prometheus")),
    )


def _period(value: object) -> str:
    if value not in PERIODS:
        allowed = ", ".join(PERIODS)
        raise SettingsError(f"budget_period: {_shown(value)} is none of {allowed}")
    return str(value)


def _users(value: object) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise SettingsError(f"users: expected a list of names, found {_shown(value)}")
    return frozenset(value)


def _address(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise SettingsError(f"prometheus: expected HOST:PORT, found {_shown(value)}")
    return value


def _account(name: str, document: object) -> Account:
    where = f"accounts.{name}"
    part = _mapping(document, where)
    parent = "" if name == ROOT else _get(part, "parent", str, where)
    budget = part.get("budget_dollars")
    if isinstance(budget, bool) or not isinstance(budget, int | float | None):
        raise SettingsError(
            f"{where}.budget_dollars: expected a number or null, found {_shown(budget)}"
        )
    if budget is not None and budget <= 0:
        raise SettingsError(f"{where}.budget_dollars: {_shown(budget)} is not more than 0")
    return Account(
        parent=parent,
        budget_dollars=None if budget is None else float(budget),
        tres_minutes=_minutes(part.get("tres_minutes", {}), f"{where}.tres_minutes"),
    )


def _minutes(document: object, where: str) -> dict[str, int]:
    minutes = _mapping(document, where)
    return {tres: _get(minutes, tres, int, where) for tres in minutes}


def _check_parents(accounts: Mapping[str, Account]) -> None:
    for name in accounts:
        seen = [name]
        while seen[-1] != ROOT:
            parent = accounts[seen[-1]].parent
            if parent != ROOT and parent not in accounts:
                raise SettingsError(
                    f'accounts.{seen[-1]}.parent: "{parent}" is not in accounts, nor "{ROOT}"'
                )
            if parent in seen:
                raise SettingsError(f"accounts.{name}.parent: {' -> '.join([*seen, parent])}")
            seen.append(parent)


def _mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(f"{where}: expected an object, found {_shown(value)}")
    return value


def _get(values: Mapping[str, Any], key: str, kind: type[T], where: str = "") -> T:
    path = f"{where}.{key}" if where else key
    if key not in values:
        raise SettingsError(f"{path}: missing")
    value = values[key]
    # bool is an int to Python, not to the person who wrote true for a count.
    if not isinstance(value, kind) or isinstance(value, bool):
        raise SettingsError(f"{path}: expected {kind.__name__}, found {_shown(value)}")
    return value


def _number(values: Mapping[str, Any], key: str) -> int:
    value = _get(values, key, int)
    if value < 1:
        raise SettingsError(f"{key}: {value} is too small; at least 1")
    return value


def _switch(values: Mapping[str, Any], key: str) -> bool:
    value = values.get(key, False)
    if not isinstance(value, bool):
        raise SettingsError(f"{key}: expected true or false, found {_shown(value)}")
    return value


def _shown(value: object) -> str:
    return json.dumps(value, default=str)[:80]
