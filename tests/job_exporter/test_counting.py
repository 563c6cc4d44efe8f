"""Finished jobs are counted once, through outages, late records, restarts and failed writes."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from job_exporter import counting
from job_exporter.births import BEFORE
from job_exporter.cursor import FAR_EVERY, OVERLAP, SHORT_OVERLAP

from tests.job_exporter.builders import DAY, HOUR, MONTH, NOW, make_life, make_settings
from tests.job_exporter.fake_exporter import FakeExporter
from tests.job_exporter.fake_slurm import FakeSlurm, queue_line

COMPLETED = {"partition": "cpu", "account": "physics", "qos": "normal", "state": "completed"}


def finished(exporter: FakeExporter) -> float:
    return exporter.value("jobs_finished_total", **COMPLETED) or 0.0


@pytest.fixture
def slurm() -> FakeSlurm:
    return FakeSlurm()


@pytest.fixture
def exporter(tmp_path: Path, slurm: FakeSlurm) -> FakeExporter:
    return FakeExporter(tmp_path, slurm)


def test_the_first_start_counts_what_has_just_ended(
    exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    slurm.end(JobIDRaw=1, End=NOW - DAY)
    slurm.end(JobIDRaw=2, End=NOW - 60)
    slurm.deliver()
    assert exporter.count()
    assert finished(exporter) == 1
    assert slurm.queries == [(NOW - OVERLAP, NOW)]
    assert exporter.value("accounting_cursor_timestamp_seconds") == NOW


def test_afterwards_a_pass_is_one_query(exporter: FakeExporter, slurm: FakeSlurm) -> None:
    exporter.count()
    slurm.queries.clear()
    exporter.now += 60
    exporter.count()
    assert slurm.queries == [(NOW - SHORT_OVERLAP, NOW + 60)]


def test_a_job_at_the_edge_of_two_slices_is_counted_once(
    exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    exporter.count()
    slurm.end(End=NOW - OVERLAP + DAY)
    slurm.deliver()
    exporter.now += 2 * DAY
    slurm.queries.clear()
    exporter.count()
    assert slurm.queries[0] == (NOW - OVERLAP, NOW - OVERLAP + DAY)
    assert finished(exporter) == 1


def test_counting_goes_on_where_it_was_after_a_restart(
    exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    slurm.end(JobIDRaw=1, End=NOW - 60)
    slurm.deliver()
    exporter.count()
    before = exporter.scrape()
    exporter.start()
    after = exporter.scrape()
    kinds = ("_total", "_bucket", "_sum", "_count", "_created")
    counters = {key for key in before if key[0].endswith(kinds)}
    assert len(counters) > 30
    assert {key: after[key] for key in counters} == {key: before[key] for key in counters}
    exporter.count()
    assert finished(exporter) == 1


def test_what_ended_while_nobody_counted_is_counted(
    exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    exporter.count()
    for number in range(5):
        slurm.end(JobIDRaw=number, End=NOW + number * DAY)
    slurm.deliver()
    exporter.now += 5 * DAY
    exporter.start()
    slurm.queries.clear()
    exporter.count()
    assert finished(exporter) == 5
    assert len(slurm.queries) == 6


def test_records_that_come_late_are_counted(exporter: FakeExporter, slurm: FakeSlurm) -> None:
    exporter.count()
    slurm.end(End=NOW - OVERLAP + 60)
    slurm.deliver()
    for _ in range(FAR_EVERY // 60):
        exporter.now += 60
        exporter.count()
    assert finished(exporter) == 1


def test_after_the_clock_was_set_back_jobs_are_counted_at_once(
    exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    exporter.count()
    exporter.now -= 600
    slurm.end(End=NOW - 590)
    slurm.deliver()
    exporter.now += 60
    exporter.count()
    assert finished(exporter) == 1


def test_while_slurmdbd_is_away_counters_stay(exporter: FakeExporter, slurm: FakeSlurm) -> None:
    slurm.end(End=NOW - 60)
    slurm.deliver()
    exporter.count()
    slurm.slurmdbd = False
    exporter.now += 60
    assert not exporter.count()
    assert finished(exporter) == 1
    assert exporter.value("slurmdbd_answers") == 0
    assert exporter.value("accounting_cursor_timestamp_seconds") == NOW
    assert exporter.value("accounting_last_success_timestamp_seconds") == NOW
    exporter.count()
    assert exporter.events() == ["waiting"], "a trouble that lasts is told once"
    slurm.slurmdbd = True
    assert exporter.count()
    assert exporter.value("slurmdbd_answers") == 1
    assert exporter.events() == ["waiting", "answers again"]


def test_what_slurmctld_kept_through_an_outage_is_counted_however_late_it_comes(
    exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    exporter.count()
    slurm.slurmdbd = False
    for number in range(100):
        slurm.end(JobIDRaw=number, End=NOW + number * 60)
    exporter.now += 2 * HOUR
    exporter.count()
    slurm.slurmdbd = True
    # slurmdbd answers before slurmctld has sent it everything.
    for _ in range(5):
        slurm.deliver(most=10)
        exporter.now += 20 * 60
        exporter.count()
    assert finished(exporter) < 100
    slurm.deliver()
    exporter.now += 60
    exporter.count()
    assert finished(exporter) == 100


def test_what_slurmctld_kept_while_it_was_itself_away_is_counted(
    exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    exporter.count()
    slurm.end(End=NOW + 10)
    slurm.slurmctld = False
    for _ in range(10):
        exporter.now += 20 * 60
        assert exporter.count()
    slurm.slurmctld = True
    slurm.deliver()
    exporter.count()
    assert finished(exporter) == 1


def test_a_state_that_cannot_be_saved_is_not_shown(
    exporter: FakeExporter, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter.count()
    slurm.end(End=NOW)
    slurm.deliver()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("job_exporter.state_file.StateFile.write", full)
        exporter.now += 60
        assert not exporter.count()
        assert finished(exporter) == 0
        assert exporter.value("accounting_last_success_timestamp_seconds") == NOW
    assert exporter.events() == ["waiting"]
    exporter.count()
    assert finished(exporter) == 1


def test_a_ledger_that_cannot_be_read_delays_counting_and_loses_nothing(
    exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    ledger = exporter.directory / "lives-2026-11.jsonl"
    ledger.mkdir()
    slurm.end(End=NOW - 60)
    slurm.deliver()
    assert not exporter.count()
    ledger.rmdir()
    exporter.write_ledger([make_life()])
    assert exporter.count()
    assert exporter.value("jobs_unpriced_total") == 0
    assert finished(exporter) == 1


def test_memory_of_counted_jobs_is_bounded(
    exporter: FakeExporter, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "MOST_COUNTED", 3)
    exporter.count()
    for number in range(5):
        slurm.end(JobIDRaw=number, End=NOW + number)
    slurm.deliver()
    slurm.slurmctld = False
    exporter.now += HOUR
    exporter.count()
    assert finished(exporter) == 5
    assert exporter.board.counted.state.cursor.counted == {}
    assert "looks back no further" in exporter.events()


def test_a_clock_that_was_set_back_counts_nothing_twice(
    exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    slurm.end(End=NOW - 60)
    slurm.deliver()
    exporter.count()
    exporter.now -= HOUR
    assert exporter.count()
    exporter.now += 2 * HOUR
    exporter.count()
    assert finished(exporter) == 1


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version": 99}', '{"version": 1, "since": "x"}', "\x00"]
)
def test_a_state_of_no_use_is_told_and_counting_begins_anew(
    content: str, exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    slurm.end(End=NOW - 60)
    slurm.deliver()
    exporter.count()
    (exporter.directory / "state.json").write_text(content)
    exporter.start()
    assert exporter.events() == ["counts anew"]
    assert (exporter.directory / "state.bad").read_text() == content
    assert finished(exporter) == 0
    exporter.count()
    assert finished(exporter) == 0, "what has just ended was counted in the state that is lost"
    slurm.end(JobIDRaw=2, End=NOW + 30)
    slurm.deliver()
    exporter.now += 60
    exporter.count()
    assert finished(exporter) == 1


def test_a_state_that_cannot_be_used_is_kept_once(exporter: FakeExporter) -> None:
    for content in ("first", "second"):
        (exporter.directory / "state.json").write_text(content)
        exporter.start()
    assert {path.name for path in exporter.directory.glob("state*")} == {"state.json", "state.bad"}
    assert (exporter.directory / "state.bad").read_text() == "second"


def test_a_state_of_no_use_is_no_first_start_until_another_is_saved(
    exporter: FakeExporter, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm.end(End=NOW - 60)
    slurm.deliver()
    exporter.count()
    (exporter.directory / "state.json").write_text("{")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("job_exporter.state_file.StateFile.write", full)
        exporter.start()
    exporter.start()
    exporter.count()
    assert finished(exporter) == 0


@pytest.mark.parametrize("lacks", ["unpriced", "gpu_seconds", "waits"])
def test_a_state_of_an_earlier_or_later_exporter_is_of_use(
    lacks: str, exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    slurm.end(End=NOW - 60, NodeList="lost-1")
    slurm.deliver()
    exporter.count()
    path = exporter.directory / "state.json"
    first, *runs = path.read_text().splitlines()
    document = json.loads(first)
    for part in ("counts", "births"):
        document[part]["of_later"] = [[["x"], 1.0]]
    for part in ("counts", "histograms", "births"):
        document[part].pop(lacks, None)
    del document["spending"]["unpriced"]
    path.write_text("\n".join([json.dumps(document), *runs]))
    exporter.start()
    assert exporter.events() == []
    exporter.count()
    assert finished(exporter) == 1, "counted before, and not again"
    assert exporter.value("jobs_unpriced_total") == (0 if lacks == "unpriced" else 1)
    assert "of_later" not in path.read_text()


def test_a_state_with_other_buckets_is_of_no_use(exporter: FakeExporter, slurm: FakeSlurm) -> None:
    exporter.count()
    path = exporter.directory / "state.json"
    document = json.loads(path.read_text().splitlines()[0])
    document["histograms"]["waits"]["bounds"][0] = 0.5
    path.write_text(json.dumps(document))
    exporter.start()
    assert "its histograms have other buckets" in exporter.log.getvalue()


def test_a_period_is_what_ended_and_what_runs(tmp_path: Path, slurm: FakeSlurm) -> None:
    begun = MONTH + HOUR + 60
    exporter = FakeExporter(tmp_path, slurm, now=begun)
    exporter.write_ledger([make_life("cpu-1"), make_life("cpu-2", capacity="spot", price=0.5)])
    # Half of a machine at 1 $ an hour, for an hour; half of the job was in October.
    slurm.end(JobIDRaw=1, Account="lattice", Start=MONTH - HOUR, End=MONTH + HOUR)
    slurm.deliver()
    exporter.count()
    exporter.look_back()
    exporter.now = NOW
    slurm.queue = [
        queue_line(
            JobID=2,
            State="RUNNING",
            StartTime=NOW - 4 * HOUR,
            NodeList="cpu-2",
            tres_alloc="cpu=4,mem=1G",
        )
    ]
    exporter.count()
    exporter.look()
    assert exporter.value("account_cost_period_dollars", account="lattice") == 0.5
    assert exporter.value("account_cost_period_dollars", account="physics") == 2.5
    assert exporter.value("account_cost_period_dollars", account="root") == 2.5
    assert exporter.value("account_budget_dollars", account="physics") == 100
    assert exporter.value("account_budget_dollars", account="lattice") is None
    assert (
        exporter.value(
            "job_cost_dollars_total",
            account="lattice",
            user="ada",
            partition="cpu",
            capacity="on_demand",
        )
        == 1.0
    )


def test_a_job_that_ends_stays_in_the_period_all_along(
    exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    exporter.write_ledger([make_life()])
    exporter.count()
    exporter.look_back()
    start = NOW - HOUR
    slurm.queue = [
        queue_line(
            JobID=2, State="RUNNING", StartTime=start, NodeList="cpu-1", tres_alloc="cpu=2,mem=1G"
        )
    ]

    def spent() -> float | None:
        return exporter.value("account_cost_period_dollars", account="physics")

    exporter.look()
    assert spent() == 0.5
    slurm.queue = []
    slurm.end(JobIDRaw=2, Start=start, End=NOW)
    exporter.now += 15
    exporter.look()
    assert spent() == 0.5, "it has left the queue and is not in accounting"
    slurm.deliver()
    exporter.now += 15
    exporter.count()
    assert spent() == 0.5, "it is counted since the last look"
    exporter.look()
    assert spent() == 0.5


def test_a_new_period_begins_at_nothing_even_without_accounting(
    exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    exporter.write_ledger([make_life()])
    exporter.look_back()
    slurm.end(JobIDRaw=1, End=NOW - 60)
    slurm.deliver()
    exporter.count()
    exporter.look()
    assert exporter.value("account_cost_period_dollars", account="physics") == 0.5
    slurm.slurmdbd = False
    december = MONTH + 30 * DAY
    exporter.now = december + 60
    exporter.look()
    assert exporter.value("account_cost_period_dollars", account="physics") == 0
    slurm.slurmdbd = True
    slurm.end(JobIDRaw=2, Start=december - HOUR, End=december + HOUR)
    slurm.deliver()
    exporter.now = december + 2 * HOUR
    exporter.count()
    exporter.look()
    assert exporter.value("account_cost_period_dollars", account="physics") == 0.5
    assert exporter.value("job_cost_dollars_total") is None
    assert finished(exporter) == 2


def test_a_series_is_as_old_as_its_first_job_and_older_than_a_scrape_of_it(
    exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    user = {"account": "physics", "user": "ada", "state": "completed"}
    group = {"partition": "cpu", "account": "physics", "qos": "normal"}

    def births() -> list[float | None]:
        return [
            exporter.value("user_jobs_finished_created", **user),
            exporter.value("job_run_seconds_created", **group),
        ]

    exporter.count()
    assert births() == [None, None]
    assert exporter.value("jobs_unpriced_created") == NOW - BEFORE
    slurm.end(JobIDRaw=1, End=NOW)
    slurm.deliver()
    exporter.now += 60.25
    exporter.count()
    assert births() == [NOW + 60.25 - BEFORE] * 2
    slurm.end(JobIDRaw=2, End=NOW + 60)
    slurm.deliver()
    exporter.now += 60
    exporter.start()
    exporter.count()
    assert exporter.value("user_jobs_finished_total", **user) == 2
    assert births() == [NOW + 60.25 - BEFORE] * 2


def test_labels_are_bounded_and_stay_the_same_after_a_restart(
    tmp_path: Path, slurm: FakeSlurm
) -> None:
    exporter = FakeExporter(
        tmp_path, slurm, make_settings(max_accounts=2, max_users=3, accounts={})
    )
    exporter.write_ledger([make_life()])
    for number in range(40):
        slurm.end(JobIDRaw=number, End=NOW - 60, Account=f"a{number % 5}", User=f"u{number % 7}")
    slurm.deliver()
    exporter.count()
    exporter.start()
    labels = [dict(labels) for name, labels in exporter.scrape() if name.startswith("job")]
    assert {found["account"] for found in labels if "account" in found} == {"a0", "a1", "other"}
    assert {found["user"] for found in labels if "user" in found} == {"u0", "u1", "u2", "other"}
    total = sum(
        value for (name, _), value in exporter.scrape().items() if name == "jobs_finished_total"
    )
    assert total == 40
    by_user = [
        value
        for (name, _), value in exporter.scrape().items()
        if name == "user_jobs_finished_total"
    ]
    assert sum(by_user) == 40
    assert len(by_user) <= 3 * 4


@dataclass
class _Life:
    """A cluster whose jobs end, whose daemons come and go, and whose exporter is restarted."""

    exporter: FakeExporter
    slurm: FakeSlurm
    jobs: int = 0
    cpu_seconds: int = 0
    runs: set[tuple[int, int]] = field(default_factory=set)
    shown: list[float] = field(default_factory=list)

    def end_job(self, back: int, seconds: int) -> None:
        # Each id twice: the job was requeued. No two of its runs begin at the same time.
        number, end = self.jobs // 2, int(self.exporter.now) - back
        start = end - seconds
        while (number, start) in self.runs:
            start -= 1
        self.runs.add((number, start))
        self.slurm.end(JobIDRaw=number, End=end, Start=start)
        self.jobs += 1
        self.cpu_seconds += 2 * (end - start)

    def crash(self) -> None:
        """After the state was saved and before it was shown."""
        self.exporter.counting.step()
        self.exporter.start()

    def look(self) -> None:
        self.shown.append(finished(self.exporter))


steps = st.one_of(
    st.tuples(st.just("job"), st.integers(0, OVERLAP - 400), st.integers(0, 2 * DAY)),
    st.tuples(st.just("wait"), st.integers(1, 120)),
    st.tuples(st.just("long"), st.integers(1, 3 * DAY)),
    st.tuples(st.just("deliver"), st.integers(1, 3)),
    st.tuples(st.just("count")),
    st.tuples(st.just("slice")),
    st.tuples(st.just("restart")),
    st.tuples(st.just("crash")),
    st.tuples(st.just("slurmdbd"), st.booleans()),
    st.tuples(st.just("slurmctld"), st.booleans()),
)


@given(moves=st.lists(steps, max_size=60))
@settings(max_examples=300, deadline=None)
def test_whatever_happens_each_job_is_counted_once(moves: list[tuple[object, ...]]) -> None:
    with TemporaryDirectory() as directory:
        slurm = FakeSlurm()
        life = _Life(FakeExporter(Path(directory), slurm, now=MONTH + DAY), slurm)
        for move in moves:
            _live(life, move)
            life.look()
        # In the end everything is there again, and once a pass has gone back far, it is counted.
        slurm.slurmctld = slurm.slurmdbd = True
        slurm.deliver()
        assert life.exporter.count()
        life.exporter.now += FAR_EVERY
        assert life.exporter.count()
        assert life.exporter.count()
        life.look()
        assert life.shown == sorted(life.shown), "a counter went back"
        assert life.shown[-1] == life.jobs
        used = {"account": "physics", "user": "ada", "kind": "allocated"}
        seconds = life.exporter.value("job_cpu_seconds_total", **used) or 0
        assert seconds == life.cpu_seconds


def _live(life: _Life, move: tuple[object, ...]) -> None:
    match move:
        case ("job", int(back), int(seconds)):
            life.end_job(back, seconds)
        case ("wait" | "long", int(seconds)):
            life.exporter.now += seconds
        case ("deliver", int(most)):
            life.slurm.deliver(most=most)
        case ("count",):
            life.exporter.count()
        case ("slice",):
            life.exporter.counting.step()
        case ("restart",):
            life.exporter.start()
        case ("crash",):
            life.crash()
        case ("slurmdbd" | "slurmctld" as daemon, bool(there)):
            setattr(life.slurm, daemon, there)
