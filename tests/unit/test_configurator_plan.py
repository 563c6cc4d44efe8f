"""From records as they are to records as they should be: which commands, in which order."""

from dataclasses import replace

import pytest
from configurator.plan import plan, unmanaged
from configurator.records import ACCOUNT_LIMITS, QOS_LIMITS, Account, Qos, Records, User, Value

NOTHING: dict[str, Value] = {}


def account(parent: str = "root", **changes: Value) -> Account:
    """An account with some limits."""
    return Account(
        parent=parent,
        description="one",
        fairshare=1,
        qos=frozenset({"normal"}),
        default_qos="normal",
        limits={**dict.fromkeys(ACCOUNT_LIMITS), **changes},
    )


def qos(priority: int = 0, **changes: Value) -> Qos:
    """A QOS with some limits."""
    return Qos(
        description="one",
        priority=priority,
        usage_factor=1.0,
        limits={**dict.fromkeys(QOS_LIMITS), **changes},
    )


def user(*accounts: str, admin: bool = False) -> User:
    """A user who may submit under some accounts, of which the first is the default."""
    return User(default_account=accounts[0], admin=admin, accounts=dict.fromkeys(accounts, True))


def commands(wanted: Records, present: Records) -> list[str]:
    return [" ".join(step.arguments) for step in plan(wanted, present)]


def account_change(old: Account, new: Account) -> list[str]:
    """What is set when only this account changes."""
    found = commands(Records(accounts={"a": new}), Records(accounts={"a": old}))
    assert all(command.startswith("modify account where name=a set ") for command in found)
    return [word for command in found for word in command.split(" ")[5:]]


def test_a_new_cluster_gets_qos_then_accounts_then_users() -> None:
    wanted = Records(
        qos={"normal": qos()},
        accounts={"b": account("a"), "a": account()},
        users={"ada": user("b", "a", admin=True)},
    )
    assert commands(wanted, Records()) == [
        "add qos normal",
        "modify qos where name=normal set Flags=DenyOnLimit Priority=0 UsageFactor=1.0"
        " Description=one",
        "add account a parent=root",
        "modify account where name=a set QosLevel=normal DefaultQOS=normal Fairshare=1"
        " Description=one",
        "add account b parent=a",
        "modify account where name=b set QosLevel=normal DefaultQOS=normal Fairshare=1"
        " Description=one",
        "add user ada account=b,a",
        "modify user where name=ada set DefaultAccount=b",
        "modify user where name=ada set AdminLevel=Administrator",
    ]


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (account(), account(MaxJobs=4), "MaxJobs=4"),
        (account(MaxJobs=4), account(MaxJobs=0), "MaxJobs=0"),
        (account(MaxJobs=0), account(), "MaxJobs=-1"),
        (account(MaxJobs=4), account(), "MaxJobs=-1"),
        (account(), account(MaxWall=90), "MaxWall=90"),
        (account(MaxWall=90), account(), "MaxWall=-1"),
        (account(), account(GrpTRES={"mem": 2, "cpu": 4}), "GrpTRES=cpu=4,mem=2"),
        (account(GrpTRES={"cpu": 4}), account(GrpTRES={"cpu": 0}), "GrpTRES=cpu=0"),
        (account(GrpTRES={"cpu": 4}), account(GrpTRES={}), "GrpTRES=cpu=-1"),
        (
            account(GrpTRES={"cpu": 4, "mem": 1}),
            account(GrpTRES={"cpu": 4, "node": 2}),
            "GrpTRES=cpu=4,mem=-1,node=2",
        ),
        (account(), replace(account(), fairshare=5), "Fairshare=5"),
        (account(), replace(account(), description="Other"), "Description=other"),
        (account(), account("b"), "Parent=b"),
        (account(), replace(account(), default_qos="x"), "DefaultQOS=x"),
        (account(), replace(account(), qos=frozenset("yx")), "QosLevel=x,y"),
    ],
)
def test_a_change_of_an_account_sets_just_that(old: Account, new: Account, change: str) -> None:
    assert account_change(old, new) == [change]


def test_no_limit_is_the_same_in_either_notation() -> None:
    assert account_change(account(GrpTRES={}), account()) == []
    assert account_change(account(), account(GrpTRES={})) == []


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (qos(), qos(7), "Priority=7"),
        (qos(), replace(qos(), usage_factor=0.5), "UsageFactor=0.5"),
        (qos(), qos(MaxJobsPerUser=2), "MaxJobsPerUser=2"),
        (qos(MaxTRESPerUser={"cpu": 2}), qos(), "MaxTRESPerUser=-1"),
        (replace(qos(), flags=frozenset()), qos(), "Flags=DenyOnLimit"),
    ],
)
def test_a_change_of_a_qos_sets_just_that(old: Qos, new: Qos, change: str) -> None:
    if change == "MaxTRESPerUser=-1":
        new = qos(MaxTRESPerUser={})  # as accounting.json gives it
        change = "MaxTRESPerUser=cpu=-1"
    wanted, present = Records(qos={"q": new}), Records(qos={"q": old})
    assert commands(wanted, present) == [f"modify qos where name=q set {change}"]


def test_descriptions_compare_as_sacctmgr_keeps_them() -> None:
    shouted = replace(account(), description="ONE")
    assert account_change(account(), shouted) == []


def test_each_parent_comes_before_its_children() -> None:
    chain = {"a": account("b"), "b": account("c"), "c": account()}
    added = [c.split(" ")[2] for c in commands(Records(accounts=chain), Records()) if "add" in c]
    assert added == ["c", "b", "a"]


def test_an_account_that_settings_no_longer_name_is_closed_once_and_reported() -> None:
    present = Records(accounts={"old": account()})
    assert commands(Records(), present) == [
        "modify account where name=old set GrpSubmitJobs=0",
    ]
    closed = Records(accounts={"old": account(GrpSubmitJobs=0)})
    assert commands(Records(), closed) == []
    assert unmanaged(Records(), closed) == [
        "account old: not in the settings; its records are kept, it takes no new job"
    ]


def test_an_account_that_comes_back_is_open_again() -> None:
    assert account_change(account(GrpSubmitJobs=0), account()) == ["GrpSubmitJobs=-1"]


def test_a_user_whom_settings_no_longer_name_is_closed_and_no_longer_admin() -> None:
    present = Records(users={"eve": user("a", "b", admin=True)})
    assert commands(Records(), present) == [
        "modify user where name=eve account=a set MaxSubmitJobs=0",
        "modify user where name=eve account=b set MaxSubmitJobs=0",
        "modify user where name=eve set AdminLevel=None",
    ]
    closed = replace(user("a"), accounts={"a": False})
    assert commands(Records(), Records(users={"eve": closed})) == []
    assert unmanaged(Records(), Records(users={"eve": closed})) == [
        "user eve: not in the settings; its records are kept, it takes no new job"
    ]


def test_a_user_who_comes_back_may_submit_again() -> None:
    closed = replace(user("a"), accounts={"a": False})
    found = commands(Records(users={"eve": user("a")}), Records(users={"eve": closed}))
    assert found == ["modify user where name=eve account=a set MaxSubmitJobs=-1"]


def test_a_user_who_changes_account_gets_the_new_one_before_the_old_one_closes() -> None:
    found = commands(Records(users={"ada": user("b")}), Records(users={"ada": user("a")}))
    assert found == [
        "add user ada account=b",
        "modify user where name=ada set DefaultAccount=b",
        "modify user where name=ada account=a set MaxSubmitJobs=0",
    ]


def test_a_qos_that_settings_no_longer_name_is_kept_and_reported() -> None:
    present = Records(qos={"old": qos()})
    assert commands(Records(), present) == []
    assert unmanaged(Records(), present) == [
        "QOS old: not in the settings; kept, no account may use it"
    ]


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [(None, 600, "600"), (600, 700, "700"), (600, 0, "0"), (0, None, "-1")],
)
def test_the_clusters_budget_is_a_limit_of_slurms_own_account(
    old: int | None, new: int | None, change: str
) -> None:
    wanted, present = Records(root_billing_minutes=new), Records(root_billing_minutes=old)
    assert commands(wanted, present) == [
        f"modify account where name=root set GrpTRESMins=billing={change}"
    ]
    assert commands(wanted, wanted) == []


def test_a_budget_that_went_is_taken_back_and_other_limits_stay() -> None:
    old = account(GrpTRESMins={"billing": 600, "cpu": 5})
    assert account_change(old, account(GrpTRESMins={"cpu": 5})) == ["GrpTRESMins=billing=-1,cpu=5"]


def test_each_step_says_what_it_does() -> None:
    wanted = Records(accounts={"a": account(MaxJobs=4)}, users={"ada": user("a")})
    present = Records(accounts={"a": account(), "old": account()})
    assert [step.meaning for step in plan(wanted, present)] == [
        "account a: MaxJobs=4",
        "user ada: added to a",
        "user ada: DefaultAccount=a",
        "account old: closed, since settings no longer name it",
    ]
