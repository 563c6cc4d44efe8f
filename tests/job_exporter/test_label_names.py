"""Who is told by name: those in the settings, then whoever comes first; never more than allowed."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from job_exporter.births import BEFORE
from job_exporter.label_names import LabelNames
from job_exporter.settings_file import Settings

from tests.job_exporter.builders import HOUR, make_life, make_settings
from tests.job_exporter.fake_exporter import FakeExporter, Samples
from tests.job_exporter.fake_slurm import FakeSlurm


def words(names: LabelNames, used: str) -> str:
    """What each of these names of one letter is told as, "-" for "other"."""
    return "".join(names.word(name).replace("other", "-") for name in used)


def started(names: LabelNames, limit: int, settled: str) -> LabelNames:
    """The names after a start with these settings."""
    return LabelNames(limit, settled, names.names(), names.strangers())


def test_names_that_no_settings_know_come_first_come_first_served() -> None:
    names = LabelNames(2)
    assert words(names, "abcab") == "ab-ab"
    assert names.copy().names() == ["a", "b"]


def test_names_of_the_settings_have_a_place_however_late_they_come() -> None:
    assert words(LabelNames(3, settled="xy"), "abcxyab") == "a--xya-"


def test_of_more_names_in_the_settings_than_places_the_first_have_one() -> None:
    names = LabelNames(2, settled="wxyz")
    assert words(names, "azyx") == "-zy-"
    assert words(started(names, 2, "wxyz"), "wxyz") == "--yz", "and keep it"


def test_a_name_that_has_left_the_settings_gives_its_place_to_whoever_comes() -> None:
    names = LabelNames(2, settled="xy")
    words(names, "xy")
    later = started(names, 2, "z")
    assert later.names() == []
    assert "x" not in later
    assert words(later, "axz") == "a-z"


def test_those_who_came_last_make_room_for_names_of_the_settings() -> None:
    names = LabelNames(3)
    words(names, "abc")
    later = started(names, 3, "yz")
    assert later.names() == ["a"]
    assert words(later, "cbayz") == "--ayz"


def test_a_name_made_by_hand_keeps_its_place_when_the_settings_get_it() -> None:
    names = LabelNames(2)
    words(names, "ab")
    later = started(names, 2, "b")
    assert (later.names(), later.strangers()) == (["b", "a"], ["a"])


def test_a_lower_limit_holds_at_once() -> None:
    names = LabelNames(3, settled="x")
    words(names, "axb")
    assert started(names, 2, "x").names() == ["x", "a"]


@given(
    lives=st.lists(
        st.tuples(st.integers(1, 4), st.sets(st.sampled_from("abcdefg")), st.text("abcdefg"))
    )
)
def test_whatever_settings_come_places_are_bounded_and_theirs(
    lives: list[tuple[int, set[str], str]],
) -> None:
    names = LabelNames(1)
    for limit, settled, used in lives:
        names = started(names, limit, "".join(settled))
        named = words(names, used)
        assert len(names.names()) <= limit
        assert set(names.names()) == {name for name in "abcdefg" if name in names}
        if len(settled) <= limit:
            assert settled & set(used) <= set(named)
        again = started(names, limit, "".join(settled))
        assert again.names() == names.names() == names.copy().names()
        assert words(again.copy(), used) == words(names, used)


USERS = 3
MOST_USERS = USERS + 1
"""A class, and one user who was made by hand."""


def semester(number: int) -> Settings:
    """The settings of a semester: one account, and a class of users that no other one has."""
    return make_settings(
        max_accounts=1,
        max_users=MOST_USERS,
        accounts={f"class-{number}": {"parent": "root", "budget_dollars": None}},
        users=[f"s{number}-{student}" for student in range(USERS)],
    )


@dataclass
class Seen:
    """What Prometheus makes of scrapes: by how much each counter grew, from 0 at its birth on."""

    exporter: FakeExporter
    last: Samples = field(default_factory=dict)
    increase: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    """By the metric and the user."""

    def scrape(self) -> None:
        now = self.exporter.scrape()
        for (name, labels), value in now.items():
            if not name.endswith("_total"):
                continue
            before = self.last.get((name, labels))
            if before is None and self.last:
                born = now[name.replace("_total", "_created"), labels]
                assert born == self.exporter.now - BEFORE, "it would be no increase"
            assert value >= (before or 0.0), "a counter went back"
            self.increase[name, dict(labels).get("user", "")] += value - (before or 0.0)
        self.last = now

    def sum(self, metric: str) -> float:
        """The metric's increase, of all users."""
        return sum(grown for (name, _), grown in self.increase.items() if name == metric)

    def users(self) -> dict[str, float]:
        """Finished jobs by user."""
        name = "user_jobs_finished_total"
        return {user: grown for (found, user), grown in self.increase.items() if found == name}


def told(samples: Samples, label: str) -> set[str]:
    """The values of a label in the counters."""
    found = (dict(labels) for name, labels in samples if name.endswith("_total"))
    return {labels[label] for labels in found if label in labels}


@pytest.fixture
def exporter(tmp_path: Path) -> FakeExporter:
    exporter = FakeExporter(tmp_path, FakeSlurm(), semester(0))
    exporter.write_ledger([make_life()])
    return exporter


def run_jobs(exporter: FakeExporter, first: int, jobs: list[tuple[str, str]]) -> None:
    """A job ends for each account and user: two of its machine's four CPUs for an hour."""
    for number, (account, user) in enumerate(jobs, first):
        end = int(exporter.now)
        exporter.slurm.end(JobIDRaw=number, Account=account, User=user, End=end)
    exporter.slurm.deliver()
    exporter.now += 60


def test_each_semester_is_told_by_name_and_nothing_twice(exporter: FakeExporter) -> None:
    seen = Seen(exporter)
    seen.scrape()
    jobs = 0
    for number in range(3):
        exporter.settings = semester(number)
        exporter.start()
        seen.scrape()
        assert seen.sum("jobs_finished_total") == jobs, "a start is no growth"
        students = sorted(exporter.settings.users)
        # By hand: one who comes first and one for whom no place is left, as for last year's users.
        people = ["guest", *students, "late", *students, f"s{number - 1}-0"]
        account = f"class-{number}"
        run_jobs(exporter, jobs, [*((account, user) for user in people), ("closed", "guest")])
        jobs += len(people) + 1
        exporter.counting.step()
        exporter.start()  # after it was saved and before it was shown
        exporter.count()
        seen.scrape()
        exporter.start()
        exporter.count()
        seen.scrape()
        assert told(exporter.scrape(), "user") == {*students, "guest", "other"}
        assert told(exporter.scrape(), "account") == {account, "other"}
    for name in ("jobs_finished_total", "user_jobs_finished_total"):
        assert seen.sum(name) == jobs
    assert seen.sum("job_cpu_seconds_total") == jobs * 3 * HOUR
    assert seen.sum("job_cost_dollars_total") == jobs * 0.5
    students = [f"s{number}-{student}" for number in range(3) for student in range(USERS)]
    assert seen.users() == {**dict.fromkeys(students, 2), "guest": 6, "other": 6}


def test_a_class_that_comes_back_begins_anew(exporter: FakeExporter) -> None:
    seen = Seen(exporter)
    seen.scrape()
    for jobs, number in enumerate((0, 1, 0)):
        exporter.settings = semester(number)
        exporter.start()
        seen.scrape()
        run_jobs(exporter, jobs, [(f"class-{number}", f"s{number}-0")])
        exporter.count()
        seen.scrape()
    assert seen.users() == {"s0-0": 2, "s1-0": 1}
    student = {"account": "class-0", "user": "s0-0", "state": "completed"}
    assert exporter.value("user_jobs_finished_total", **student) == 1


def test_after_a_lost_state_the_class_has_its_names_all_the_same(exporter: FakeExporter) -> None:
    run_jobs(exporter, 0, [("class-0", f"by-hand-{number}") for number in range(9)])
    exporter.count()
    (exporter.directory / "state.json").write_text("{")
    exporter.start()
    users = ["guest", "late", *sorted(exporter.settings.users)]
    run_jobs(exporter, 9, [("class-0", user) for user in users])
    exporter.count()
    assert told(exporter.scrape(), "user") == {"guest", "other", *exporter.settings.users}


def births(exporter: FakeExporter, user: str) -> set[float]:
    """When the series of a user began."""
    times = exporter.board.counted.state.births.times.values()
    return {born for series in times for labels, born in series.items() if user in labels}


def test_a_state_from_before_there_were_strangers_keeps_those_in_the_settings(
    exporter: FakeExporter,
) -> None:
    run_jobs(exporter, 0, [("class-0", "s0-0"), ("class-0", "guest")])
    exporter.count()
    before = births(exporter, "guest")
    path = exporter.directory / "state.json"
    first, *runs = path.read_text().splitlines()
    document = json.loads(first)
    del document["strangers"]
    path.write_text("\n".join([json.dumps(document), *runs]))
    exporter.start()
    assert exporter.events() == []
    assert told(exporter.scrape(), "user") == {"s0-0"}
    run_jobs(exporter, 2, [("class-0", "guest")])
    exporter.count()
    assert told(exporter.scrape(), "user") == {"s0-0", "guest"}
    assert min(births(exporter, "guest")) > max(before), "it begins anew, and so at 0"
