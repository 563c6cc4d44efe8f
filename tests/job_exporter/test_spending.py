"""What accounts have spent, by months and in the period of the budgets."""

from datetime import UTC, datetime

import pytest
from job_exporter.account_costs import account_costs
from job_exporter.period import month_start, next_month, period_start
from job_exporter.spending import Spending

from tests.job_exporter.builders import DAY, HOUR, LIVES, MONTH, NOW, make_job, make_settings

OCTOBER, DECEMBER = MONTH - 31 * DAY, MONTH + 30 * DAY


def test_a_month_begins_at_its_first_second_by_utc() -> None:
    assert month_start(NOW) == month_start(MONTH) == MONTH
    assert month_start(MONTH - 1) == OCTOBER
    assert next_month(MONTH) == next_month(DECEMBER - 1) == DECEMBER
    assert next_month(DECEMBER) == DECEMBER + 31 * DAY


@pytest.mark.parametrize(
    ("period", "day", "begins"),
    [
        ("month", "2026-12-31", "2026-12-01"),
        ("quarter", "2026-12-31", "2026-10-01"),
        ("quarter", "2026-09-30", "2026-07-01"),
        ("quarter", "2026-01-01", "2026-01-01"),
        ("year", "2026-12-31", "2026-01-01"),
        ("forever", "2026-12-31", "1970-01-01"),
    ],
)
def test_a_period_is_a_calendar_month_quarter_or_year(period: str, day: str, begins: str) -> None:
    at = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
    assert datetime.fromtimestamp(period_start(at, period), UTC).date().isoformat() == begins


def test_a_job_counts_for_each_month_with_its_part_there() -> None:
    spending = Spending(start=MONTH)
    # Half of a machine at 1 $ an hour.
    spending.add(make_job(Start=MONTH - HOUR, End=DECEMBER + 2 * HOUR), LIVES, NOW)
    assert spending.months == {
        OCTOBER: {"physics": 0.5},
        MONTH: {"physics": 360.0},
        DECEMBER: {"physics": 1.0},
    }
    assert spending.since(DECEMBER) == {"physics": 1.0}
    assert spending.since(OCTOBER) == spending.since(0) == {"physics": 361.5}


def test_a_job_of_unknown_cost_is_told_once_in_the_month_of_its_end() -> None:
    spending = Spending(start=MONTH)
    for end in (MONTH - 1, MONTH + HOUR - 1, NOW):
        spending.add(make_job(NodeList="lost-1", End=end), LIVES, NOW)
    spending.add(make_job(Start="Unknown", NodeList="None assigned"), LIVES, NOW)
    assert spending == Spending(start=MONTH, unpriced={OCTOBER: 1, MONTH: 2})
    assert spending.unpriced_since(MONTH) == 2
    assert spending.unpriced_since(0) == 3


def test_what_is_missing_is_found_from_its_beginning_on() -> None:
    spending = Spending(start=MONTH)
    spending.reach_back(MONTH - 2 * DAY)
    spending.reach_back(MONTH - DAY)
    assert spending.missing == [(MONTH - 2 * DAY, MONTH)]
    spending.found(MONTH - DAY)
    assert spending.missing == [(MONTH - DAY, MONTH)]
    spending.reach_back(MONTH - 3 * DAY)
    assert spending.missing == [(MONTH - DAY, MONTH), (MONTH - 3 * DAY, MONTH - 2 * DAY)]
    spending.found(MONTH)
    spending.found(MONTH - 2 * DAY)
    assert spending == Spending(start=MONTH - 3 * DAY)


def test_a_copy_leaves_the_original_as_it_was() -> None:
    before = Spending(start=MONTH, months={MONTH: {"physics": 1.0}})
    after = before.copy()
    after.add(make_job(), LIVES, NOW)
    after.add(make_job(NodeList="lost-1"), LIVES, NOW)
    after.reach_back(0)
    assert before == Spending(start=MONTH, months={MONTH: {"physics": 1.0}})


def test_an_accounts_cost_includes_the_accounts_below() -> None:
    own = {"lattice": 1.0, "physics": 2.0, "teaching": 4.0}
    assert account_costs(make_settings(), own, ["lattice", "teaching"]) == {
        "root": 7.0,
        "physics": 3.0,
        "lattice": 1.0,
        "teaching": 4.0,
    }


def test_accounts_beyond_the_limit_are_other_and_budgets_stay_right() -> None:
    own = {"teaching": 1.0, "lattice": 2.0, "stranger": 4.0}
    assert account_costs(make_settings(max_accounts=1), own, ["teaching"]) == {
        "root": 7.0,
        "physics": 2.0,
        "teaching": 1.0,
        "other": 6.0,
    }
