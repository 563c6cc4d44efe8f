"""Costs of jobs that ended before the first start: of one period, added once, bit by bit."""

from pathlib import Path

import pytest
from job_exporter.cursor import OVERLAP
from job_exporter.history import LONGEST, earliest

from tests.job_exporter.builders import DAY, HOUR, MONTH, NOW, make_life, make_settings
from tests.job_exporter.fake_exporter import FakeExporter
from tests.job_exporter.fake_slurm import FakeSlurm

OCTOBER, JANUARY = MONTH - 31 * DAY, MONTH - 304 * DAY


@pytest.fixture
def slurm() -> FakeSlurm:
    return FakeSlurm()


def started(
    directory: Path, slurm: FakeSlurm, period: str = "month", ledger: str = "2026-01"
) -> FakeExporter:
    """An exporter that starts for the first time, with a ledger since a month."""
    exporter = FakeExporter(directory, slurm, make_settings(budget_period=period))
    exporter.write_ledger([make_life()], ledger)
    exporter.write_ledger([make_life()])
    return exporter


def spent(exporter: FakeExporter) -> float | None:
    exporter.look()
    return exporter.value("account_cost_period_dollars", account="physics")


def end_jobs(slurm: FakeSlurm, *ends: int) -> None:
    """Jobs that cost half a dollar each."""
    for end in ends:
        slurm.end(JobIDRaw=end, End=end)
    slurm.deliver()


def test_the_first_start_adds_up_the_month_a_day_at_a_time(
    tmp_path: Path, slurm: FakeSlurm
) -> None:
    exporter = started(tmp_path, slurm)
    end_jobs(slurm, *(MONTH + day * DAY + 5 * HOUR for day in range(-2, 25)))
    exporter.look_back()
    assert spent(exporter) == 12.5
    assert slurm.queries[0] == (MONTH, MONTH + DAY)
    assert slurm.queries[-1] == (MONTH + 24 * DAY, NOW - OVERLAP)
    assert len(slurm.queries) == 25
    assert "jobs_finished_total" not in exporter.names()


def test_jobs_without_a_machine_are_told_also_after_a_restart(
    tmp_path: Path, slurm: FakeSlurm
) -> None:
    exporter = started(tmp_path, slurm)
    slurm.end(End=MONTH + DAY, NodeList="lost-1")
    slurm.deliver()
    exporter.look()
    assert exporter.value("unpriced_jobs_in_period") is None
    exporter.look_back()
    assert spent(exporter) == 0
    assert exporter.value("unpriced_jobs_in_period") == 1
    exporter.start()
    exporter.look()
    assert exporter.value("unpriced_jobs_in_period") == 1
    assert exporter.value("jobs_unpriced_total") == 0


def test_jobs_that_never_began_have_no_machine_to_miss(tmp_path: Path, slurm: FakeSlurm) -> None:
    exporter = started(tmp_path, slurm)
    slurm.never_begun = {"1", "2"}
    slurm.end(JobIDRaw="1", End=MONTH + DAY, NodeList="lost-1", State="CANCELLED")
    slurm.end(JobIDRaw="2", End=NOW - 60, NodeList="lost-1", State="REQUEUED")
    slurm.deliver()
    exporter.look()
    exporter.count()
    exporter.look_back()
    assert exporter.value("unpriced_jobs_in_period") == 0
    assert exporter.value("jobs_unpriced_total") == 0


def test_as_long_as_some_is_missing_nothing_is_told(tmp_path: Path, slurm: FakeSlurm) -> None:
    exporter = started(tmp_path, slurm)
    assert spent(exporter) is None
    while exporter.history.step():
        assert spent(exporter) is None
    assert spent(exporter) == 0


def test_what_counting_begins_with_is_added_once(tmp_path: Path, slurm: FakeSlurm) -> None:
    exporter = started(tmp_path, slurm)
    begin = NOW - OVERLAP
    end_jobs(slurm, MONTH + DAY, begin - 1, begin, begin + 1)
    exporter.count()
    exporter.look_back()
    assert spent(exporter) == 2.0


def test_it_goes_on_where_it_was_after_a_restart(tmp_path: Path, slurm: FakeSlurm) -> None:
    exporter = started(tmp_path, slurm)
    end_jobs(slurm, MONTH + DAY - 1, MONTH + DAY, MONTH + 3 * DAY)
    for _ in range(2):
        exporter.history.step()
    exporter.count()
    exporter.start()
    slurm.queries.clear()
    exporter.look_back()
    assert slurm.queries[0] == (MONTH + 2 * DAY, MONTH + 3 * DAY)
    assert spent(exporter) == 1.5
    exporter.start()
    slurm.queries.clear()
    exporter.look_back()
    assert slurm.queries == []
    assert spent(exporter) == 1.5


@pytest.mark.parametrize(
    ("period", "dollars"), [("month", 0.5), ("quarter", 1.0), ("year", 1.5), ("forever", 2.0)]
)
def test_a_budget_that_lasts_longer_reaches_back_further(
    tmp_path: Path, slurm: FakeSlurm, period: str, dollars: float
) -> None:
    exporter = started(tmp_path, slurm, ledger="2025-12")
    end_jobs(slurm, *(at + DAY for at in (JANUARY - 31 * DAY, JANUARY, OCTOBER, MONTH)))
    exporter.look_back()
    assert spent(exporter) == 0.5
    exporter.settings = make_settings(budget_period=period)
    exporter.start()
    exporter.look_back()
    assert spent(exporter) == dollars
    exporter.settings = make_settings(budget_period="month")
    exporter.start()
    assert spent(exporter) == 0.5, "what is known need not be asked for again"


def test_it_goes_back_to_the_ledgers_first_month(tmp_path: Path, slurm: FakeSlurm) -> None:
    exporter = started(tmp_path, slurm, "forever", ledger="2026-10")
    exporter.look_back()
    assert slurm.queries[0][0] == OCTOBER


def test_without_a_ledger_there_is_nothing_to_ask_for(tmp_path: Path, slurm: FakeSlurm) -> None:
    exporter = FakeExporter(tmp_path, slurm)
    exporter.look_back()
    assert slurm.queries == []
    assert spent(exporter) == 0


def test_it_goes_back_400_days_at_most() -> None:
    assert earliest(NOW, "forever") == NOW - LONGEST
    assert earliest(NOW, "year") == JANUARY


def test_while_accounting_is_away_it_waits(tmp_path: Path, slurm: FakeSlurm) -> None:
    exporter = started(tmp_path, slurm)
    end_jobs(slurm, MONTH + DAY)
    slurm.slurmdbd = False
    for _ in range(3):
        assert not exporter.history.step()
    assert exporter.events() == ["waiting"], "a trouble that lasts is told once"
    slurm.slurmdbd = True
    exporter.look_back()
    assert spent(exporter) == 0.5
    assert exporter.events() == ["waiting", "answers again"]


def test_what_cannot_be_saved_is_not_added(
    tmp_path: Path, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = started(tmp_path, slurm)
    end_jobs(slurm, MONTH + HOUR)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("job_exporter.state_file.StateFile.write", full)
        assert not exporter.history.step()
    assert exporter.board.counted.state.spending.months == {}
    exporter.look_back()
    assert spent(exporter) == 0.5
