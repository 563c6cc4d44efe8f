"""Plans carried out on a small sacctmgr in memory: they get there, in order, and lose nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from configurator import notation
from configurator.plan import Step, plan, unmanaged
from configurator.records import ACCOUNT_LIMITS, QOS_LIMITS, Account, Limits, Qos, Records, User
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
TRES_LIMITS = {"GrpTRES", "GrpTRESMins", "MaxTRESPerJob", "MaxTRESPerUser"}
TRES = st.dictionaries(st.sampled_from(["cpu", "mem", "node"]), st.integers(0, 9), max_size=3)
COUNTS = st.none() | st.integers(0, 9)
# Whole databases are large examples, and the machine may be busy with a cluster.
quick = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
TEXTS = st.sampled_from(["one course", "Groups", "zoë"])


@dataclass
class Sacctmgr:
    """The accounting database behind the commands that plans use. Refuses what the real one does:
    to add what is there, and to refer to what is not."""

    qos: dict[str, Qos] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    root: Limits = field(default_factory=lambda: {"GrpTRESMins": {}})

    @classmethod
    def holding(cls, records: Records) -> "Sacctmgr":
        minutes = records.root_billing_minutes
        root: Limits = {"GrpTRESMins": {} if minutes is None else {"billing": minutes}}
        return cls(dict(records.qos), dict(records.accounts), dict(records.users), root)

    def records(self) -> Records:
        minutes = self.root["GrpTRESMins"]
        assert isinstance(minutes, dict)
        return Records(
            qos=self.qos,
            accounts=self.accounts,
            users=self.users,
            root_billing_minutes=minutes.get("billing"),
        )

    def run(self, step: Step) -> None:
        verb, entity, *words = step.arguments
        if verb == "add":
            name, *options = words
            getattr(self, f"_add_{entity}")(name, **_pairs(options))
            return
        assert verb == "modify"
        at = words.index("set")
        assert words[0] == "where"
        where, changes = _pairs(words[1:at]), _pairs(words[at + 1 :])
        assert changes
        for key, value in changes.items():
            getattr(self, f"_set_{entity}")(key, value, **where)

    def _add_qos(self, name: str) -> None:
        assert name not in self.qos
        self.qos[name] = Qos(
            description=name,
            flags=frozenset(),
            priority=0,
            usage_factor=1.0,
            limits=dict.fromkeys(QOS_LIMITS),
        )

    def _set_qos(self, key: str, value: str, *, name: str) -> None:
        old = self.qos[name]
        match key:
            case "Description":
                new = replace(old, description=value)
            case "Flags":
                new = replace(old, flags=frozenset(value.split(",")))
            case "Priority":
                new = replace(old, priority=int(value))
            case "UsageFactor":
                new = replace(old, usage_factor=float(value))
            case _:
                new = replace(old, limits=_limited(old.limits, key, value))
        self.qos[name] = new

    def _add_account(self, name: str, *, parent: str) -> None:
        assert name not in self.accounts
        assert parent == "root" or parent in self.accounts
        self.accounts[name] = Account(
            parent=parent,
            description=name,
            fairshare=1,
            qos=frozenset({"normal"}),
            default_qos="normal",
            limits=dict.fromkeys(ACCOUNT_LIMITS),
        )

    def _set_account(self, key: str, value: str, *, name: str) -> None:
        if name == "root":
            self.root = _limited(self.root, key, value)
            return
        old = self.accounts[name]
        match key:
            case "Description":
                new = replace(old, description=value)
            case "QosLevel":
                assert set(value.split(",")) <= self.qos.keys()
                new = replace(old, qos=frozenset(value.split(",")))
            case "DefaultQOS":
                new = replace(old, default_qos=value)
            case "Fairshare":
                new = replace(old, fairshare=int(value))
            case "Parent":
                assert name not in self._line(value)
                new = replace(old, parent=value)
            case _:
                new = replace(old, limits=_limited(old.limits, key, value))
        self.accounts[name] = new

    def _line(self, name: str) -> list[str]:
        """An account and all above it."""
        return [] if name == "root" else [name, *self._line(self.accounts[name].parent)]

    def _add_user(self, name: str, *, account: str) -> None:
        added = account.split(",")
        assert set(added) <= self.accounts.keys()
        old = self.users.get(name) or User(default_account=added[0], admin=False, accounts={})
        assert not set(added) & old.accounts.keys()
        self.users[name] = replace(old, accounts={**old.accounts, **dict.fromkeys(added, True)})

    def _set_user(self, key: str, value: str, *, name: str, account: str = "") -> None:
        old = self.users[name]
        if key == "DefaultAccount":
            assert value in old.accounts
            self.users[name] = replace(old, default_account=value)
        elif key == "AdminLevel":
            self.users[name] = replace(old, admin={"Administrator": True, "None": False}[value])
        else:
            assert (key, value) in {("MaxSubmitJobs", "0"), ("MaxSubmitJobs", "-1")}
            assert account in old.accounts
            self.users[name] = replace(old, accounts={**old.accounts, account: value == "-1"})


def _pairs(words: list[str]) -> dict[str, str]:
    pairs = [word.split("=", 1) for word in words]
    assert len({key for key, _ in pairs}) == len(pairs)
    return {key: value for key, value in pairs}  # noqa: C416 # mypy wants pairs of two


def _limited(limits: Limits, key: str, value: str) -> Limits:
    assert key in limits
    if key not in TRES_LIMITS:
        return {**limits, key: None if value == "-1" else int(value)}
    old = limits[key]
    counts = dict(old) if isinstance(old, dict) else {}
    for kind, _, count in (pair.partition("=") for pair in value.split(",")):
        if count == "-1":
            counts.pop(kind, None)
        else:
            counts |= notation.tres(f"{kind}={count}")
    return {**limits, key: counts}


def limits(names: Mapping[str, str]) -> st.SearchStrategy[Limits]:
    return st.fixed_dictionaries({n: TRES if n in TRES_LIMITS else COUNTS for n in names})


@st.composite
def records(draw: st.DrawFn) -> Records:
    """Records that refer to nothing that is not there."""
    qos = {"normal", *draw(st.sets(NAMES, max_size=2))}
    order = draw(st.permutations(sorted(draw(st.sets(NAMES, min_size=1)))))
    accounts = {}
    for index, name in enumerate(order):
        usable = frozenset(draw(st.sets(st.sampled_from(sorted(qos)), min_size=1)))
        accounts[name] = Account(
            parent=draw(st.sampled_from(["root", *order[:index]])),
            description=draw(TEXTS),
            fairshare=draw(st.integers(0, 3)),
            qos=usable,
            default_qos=draw(st.sampled_from(sorted(usable))),
            limits=draw(limits(ACCOUNT_LIMITS)),
        )
    memberships = st.lists(st.sampled_from(order), min_size=1, unique=True)
    users = draw(st.dictionaries(NAMES, memberships, max_size=3))
    return Records(
        qos={
            name: Qos(
                description=draw(TEXTS),
                priority=draw(st.integers(0, 9)),
                usage_factor=draw(st.sampled_from([0.0, 0.5, 1.0])),
                limits=draw(limits(QOS_LIMITS)),
            )
            for name in sorted(qos)
        },
        accounts=accounts,
        users={
            name: User(
                default_account=held[0],
                admin=draw(st.booleans()),
                accounts=dict.fromkeys(held, True),
            )
            for name, held in users.items()
        },
        root_billing_minutes=draw(COUNTS),
    )


def kept(records: Records) -> Records:
    """Records as sacctmgr keeps them: descriptions in lower case, no limit in one notation."""

    def entry(one: Any) -> Any:
        plain = {name: None if value == {} else value for name, value in one.limits.items()}
        return replace(one, description=one.description.lower(), limits=plain)

    return Records(
        qos={name: entry(one) for name, one in records.qos.items()},
        accounts={name: entry(one) for name, one in records.accounts.items()},
        users=records.users,
        root_billing_minutes=records.root_billing_minutes,
    )


def carried_out(wanted: Records, present: Records) -> Records:
    database = Sacctmgr.holding(kept(present))
    for step in plan(wanted, present):
        database.run(step)
    return database.records()


@quick
@given(records())
def test_there_is_nothing_to_do_when_records_are_as_wanted(wanted: Records) -> None:
    assert plan(wanted, kept(wanted)) == []
    assert unmanaged(wanted, wanted) == []


@quick
@given(records(), records())
def test_what_is_named_becomes_as_wanted(wanted: Records, present: Records) -> None:
    after, asked = kept(carried_out(wanted, present)), kept(wanted)
    assert {name: after.qos[name] for name in asked.qos} == asked.qos
    assert {name: after.accounts[name] for name in asked.accounts} == asked.accounts
    assert after.root_billing_minutes == asked.root_billing_minutes
    for name, user in asked.users.items():
        found = after.users[name]
        assert (found.default_account, found.admin) == (user.default_account, user.admin)
        assert {account for account, is_open in found.accounts.items() if is_open} == set(
            user.accounts
        )


@quick
@given(records(), records())
def test_a_second_plan_has_nothing_to_do(wanted: Records, present: Records) -> None:
    assert plan(wanted, carried_out(wanted, present)) == []


@quick
@given(records(), records(), st.data())
def test_a_plan_that_was_cut_short_is_completed_by_the_next_one(
    wanted: Records, present: Records, draws: st.DataObject
) -> None:
    database = Sacctmgr.holding(kept(present))
    steps = plan(wanted, present)
    for step in steps[: draws.draw(st.integers(0, len(steps)))]:
        database.run(step)
    assert plan(wanted, carried_out(wanted, database.records())) == []


@quick
@given(records(), records())
def test_nothing_is_ever_deleted(wanted: Records, present: Records) -> None:
    assert {step.arguments[0] for step in plan(wanted, present)} <= {"add", "modify"}
    after = carried_out(wanted, present)
    assert present.qos.keys() <= after.qos.keys()
    assert present.accounts.keys() <= after.accounts.keys()
    for name, user in present.users.items():
        assert user.accounts.keys() <= after.users[name].accounts.keys()


@quick
@given(records(), records())
def test_what_is_no_longer_named_is_closed_and_reported(wanted: Records, present: Records) -> None:
    after = carried_out(wanted, present)
    lines = "\n".join(unmanaged(wanted, present)) + "\n"
    for name in present.accounts.keys() - wanted.accounts.keys():
        assert after.accounts[name].limits["GrpSubmitJobs"] == 0
        assert f"account {name}: not in the settings" in lines
    for name in present.users.keys() - wanted.users.keys():
        assert not any(after.users[name].accounts.values())
        assert not after.users[name].admin
        assert f"user {name}: not in the settings" in lines
    for name in present.qos.keys() - wanted.qos.keys():
        assert f"QOS {name}: not in the settings" in lines


@quick
@given(records())
def test_limits_that_are_no_longer_set_are_all_taken_back(present: Records) -> None:
    unlimited = {
        name: replace(one, limits={n: {} if n in TRES_LIMITS else None for n in one.limits})
        for name, one in present.accounts.items()
    }
    wanted = replace(present, accounts=unlimited)
    after = kept(carried_out(wanted, present))
    for account in after.accounts.values():
        assert not any(value is not None for value in account.limits.values())
