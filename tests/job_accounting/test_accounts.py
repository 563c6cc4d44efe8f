"""Accounts, their tree and limits are read from sacctmgr."""

from collections.abc import Sequence

import pytest
from job_accounting.accounts import AccountsUnavailable, parse_accounts, read_accounts
from job_accounting.command import CommandFailed

ASSOCIATIONS = """\
root|||
root|root||
research||root|billing=60000000,cpu=100
research|ada||
research|carol||
teaching||root|
class||teaching|cpu=8
class|ben||
class|ada||billing=1
"""


def test_a_limit_is_dollars_of_billing_minutes() -> None:
    accounts = parse_accounts(ASSOCIATIONS)
    limits = {name: accounts[name].limit_dollars for name in accounts.names()}
    assert limits == {"class": None, "research": 100.0, "root": None, "teaching": None}


def test_accounts_are_a_tree() -> None:
    accounts = parse_accounts(ASSOCIATIONS)
    assert accounts.above("class") == ["teaching", "root"]
    assert accounts.with_below("teaching") == {"teaching", "class"}
    assert accounts.with_below("root") == {"root", "research", "teaching", "class"}


def test_a_user_has_the_accounts_that_name_him() -> None:
    accounts = parse_accounts(ASSOCIATIONS)
    assert accounts.of_user("ada") == ["class", "research"]
    assert accounts.of_user("nobody") == []
    assert "class" in accounts
    assert "nix" not in accounts


def test_a_tree_that_bites_its_tail_ends_somewhere() -> None:
    assert parse_accounts("a||b|\nb||a|\n").above("a") == ["b", "a"]


def test_accounting_that_is_away_or_empty_is_told() -> None:
    def away(command: Sequence[str], timeout: float) -> str:
        raise CommandFailed("sacctmgr: error: Connection refused")

    with pytest.raises(AccountsUnavailable, match="Connection refused"):
        read_accounts(away)
    with pytest.raises(AccountsUnavailable, match="no account at all"):
        read_accounts(lambda command, timeout: "")
