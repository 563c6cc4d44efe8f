"""The accounting database's records, from accounting.json and from what sacctmgr prints."""

from typing import Any

import pytest
from configurator.records import (
    ACCOUNT_COLUMNS,
    ACCOUNT_LIMITS,
    ASSOCIATION_COLUMNS,
    QOS_COLUMNS,
    QOS_LIMITS,
    USER_COLUMNS,
    Account,
    Qos,
    Records,
    User,
    current,
    desired,
)

Rows = list[dict[str, str]]


def printed(columns: str, text: str) -> Rows:
    """Lines of `sacctmgr --parsable2 --noheader` as rows by column."""
    names = columns.split(",")
    return [dict(zip(names, line.split("|"), strict=True)) for line in text.split()]


# As sacctmgr 26.05 prints them; descriptions without blanks, so that a line is a word.
QOS = printed(
    QOS_COLUMNS,
    """
normal|normal||0|1.000000||||||||
short|short_jobs_go_first|DenyOnLimit|100|0.500000|cpu=64|cpu=600||5||mem=2G|node=2|00:15:00
""",
)
ASSOCIATIONS = printed(
    ASSOCIATION_COLUMNS,
    """
root|||1|normal|||||||||
root|root||1||||||||||
research||root|2|normal,short|normal||||||||
research|ada||1||||||||||
class||research|1|normal|normal|cpu=8|||10||4||1-00:00:00
class|ada||1||||||||||
class|ben||1|||||||||0|
""",
)
USERS = printed(
    USER_COLUMNS,
    """
ada|research|Administrator
ben|class|None
root|root|Administrator
""",
)
ACCOUNTS = printed(
    ACCOUNT_COLUMNS,
    """
class|one_course
research|research_groups
root|default_root_account
""",
)
UNLIMITED_ACCOUNT = dict.fromkeys(ACCOUNT_LIMITS) | {
    "GrpTRES": {},
    "GrpTRESMins": {},
    "MaxTRESPerJob": {},
}
UNLIMITED_QOS = dict.fromkeys(QOS_LIMITS) | {
    "GrpTRES": {},
    "GrpTRESMins": {},
    "MaxTRESPerUser": {},
    "MaxTRESPerJob": {},
}


def read(**rows: Rows) -> Records:
    tables = {"qos": QOS, "accounts": ACCOUNTS, "users": USERS, "associations": ASSOCIATIONS}
    return current(**{**tables, **rows})


def test_printed_accounts_are_read_with_their_place_and_limits() -> None:
    assert read().accounts == {
        "research": Account(
            parent="root",
            description="research_groups",
            fairshare=2,
            qos=frozenset({"normal", "short"}),
            default_qos="normal",
            limits=UNLIMITED_ACCOUNT,
        ),
        "class": Account(
            parent="research",
            description="one_course",
            fairshare=1,
            qos=frozenset({"normal"}),
            default_qos="normal",
            limits=UNLIMITED_ACCOUNT
            | {"GrpTRES": {"cpu": 8}, "GrpJobs": 10, "MaxJobs": 4, "MaxWall": 1440},
        ),
    }


def test_printed_users_are_read_with_where_they_may_submit() -> None:
    assert read().users == {
        "ada": User(
            default_account="research", admin=True, accounts={"research": True, "class": True}
        ),
        "ben": User(default_account="class", admin=False, accounts={"class": False}),
    }


def test_printed_qos_are_read_with_their_limits() -> None:
    assert read().qos == {
        "normal": Qos(
            description="normal",
            flags=frozenset(),
            priority=0,
            usage_factor=1,
            limits=UNLIMITED_QOS,
        ),
        "short": Qos(
            description="short_jobs_go_first",
            flags=frozenset({"DenyOnLimit"}),
            priority=100,
            usage_factor=0.5,
            limits=UNLIMITED_QOS
            | {
                "GrpTRES": {"cpu": 64},
                "GrpTRESMins": {"cpu": 600},
                "MaxJobsPerUser": 5,
                "MaxTRESPerUser": {"mem": 2048},
                "MaxTRESPerJob": {"node": 2},
                "MaxWall": 15,
            },
        ),
    }


def test_slurms_own_account_and_user_are_left_alone() -> None:
    records = read()
    assert "root" not in records.accounts
    assert "root" not in records.users


def test_of_slurms_own_account_the_clusters_budget_is_read_alone() -> None:
    assert read().root_billing_minutes is None
    line = "root|||1|normal|||billing=600000,cpu=5||||||"
    rows = [*printed(ASSOCIATION_COLUMNS, line), *ASSOCIATIONS[1:]]
    assert read(associations=rows).root_billing_minutes == 600000


def test_an_empty_database_is_no_records() -> None:
    assert read(qos=[], accounts=[], users=[], associations=[]) == Records()


def document(**changes: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"qos": {}, "accounts": {}, "users": {}, "root_billing_minutes": None}
    return {"version": 1, "cluster": "local", **empty, **changes}


def test_asked_for_and_printed_records_have_the_same_form() -> None:
    limits = dict.fromkeys(ACCOUNT_LIMITS) | {"GrpTRES": "cpu=8", "GrpJobs": "10"}
    limits |= {"MaxJobs": "4", "MaxWall": "1440"}
    account = {"parent": "research", "description": "one_course", "fairshare": 1}
    account |= {"qos": ["normal"], "default_qos": "normal", "limits": limits}
    wanted = desired(document(accounts={"class": account}))
    assert wanted.accounts["class"] == read().accounts["class"]


PLAIN_QOS: dict[str, Any] = {
    "description": None,
    "priority": 1,
    "usage_factor": 1.0,
    "limits": {},
}


def test_a_qos_without_description_is_described_by_its_name() -> None:
    assert desired(document(qos={"short": PLAIN_QOS})).qos["short"].description == "short"


def test_a_job_that_can_never_run_is_refused_by_every_qos_of_ours() -> None:
    assert desired(document(qos={"short": PLAIN_QOS})).qos["short"].flags == {"DenyOnLimit"}


def test_another_version_of_the_file_is_refused() -> None:
    with pytest.raises(ValueError, match="version 2; this reads 1"):
        desired(document(version=2))
