"""The bill says what was spent, on what, and what of it is not certain."""

import json
from datetime import UTC, datetime

import pytest
from job_accounting.bill import (
    AccountBill,
    Bill,
    MinutesLeft,
    Month,
    NotAMonth,
    bill_json,
    bill_lines,
)
from job_accounting.records import Job
from job_accounting.spending import charges, total, totals

from tests.job_accounting.builders import NOW, job, lives

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC).timestamp()
THIS_MONTH = Month.of(None, NOW)


def bill(
    *jobs: Job,
    limit: float | None = None,
    counted: float | None = None,
    minutes: tuple[MinutesLeft, ...] = (),
) -> Bill:
    found = charges(jobs, lives({}), NOW, NOVEMBER, NOW)
    account = AccountBill(name="research", sum=total(found), limit=limit, counted=counted)
    return Bill(
        month=THIS_MONTH,
        title="jobs of ada",
        charges=found,
        accounts=[account],
        minutes=minutes,
        sums={"user": totals(found, lambda one: one.user)},
        one_user=False,
        pools_without_price=[],
    )


def text(of: Bill, most: int = 10) -> str:
    lines = list(bill_lines(of, most))
    assert max(map(len, lines)) <= 80
    return "\n".join(lines)


def test_this_month_goes_until_now() -> None:
    assert Month.of(None, NOW) == Month(since=NOVEMBER, until=NOW, current=True)
    assert Month.of("2026-11", DECEMBER) == Month(since=NOVEMBER, until=DECEMBER, current=False)
    assert Month.of("2026-12", DECEMBER).since == DECEMBER
    assert Month.of("2025-12", NOW).name == "2025-12"


@pytest.mark.parametrize(
    ("month", "trouble"),
    [
        ("2026-12", "has not begun"),
        ("11", "like 2026-11"),
        ("2026-13", "like"),
        ("0000-01", "like"),
        ("9999-12", "has not begun"),
    ],
)
def test_what_is_no_month_is_refused(month: str, trouble: str) -> None:
    with pytest.raises(NotAMonth, match=trouble):
        Month.of(month, NOW)


def test_a_bill_lists_jobs_sums_and_accounts() -> None:
    written = text(bill(job(), job(id="8", name_id="8_1", user="ben", cpus=2)))
    assert written == "\n".join(
        [
            "jobs of ada, 2026-11 so far (UTC)",
            "",
            "JOB  NAME   USER  ACCOUNT   POOL  STATE      RAN   COST",
            "8_1  train  ben   research  cpu   completed  1 h  $1.00",
            "7    train  ada   research  cpu   completed  1 h  $0.50",
            "",
            "2 jobs: $1.50",
            "",
            "USER  JOBS   COST",
            "ben      1  $1.00",
            "ada      1  $0.50",
            "",
            "account research: $1.50",
        ]
    )


def test_the_cheaper_jobs_are_one_line() -> None:
    written = text(bill(*(job(id=str(number)) for number in range(1, 6))), most=2)
    assert "3 more jobs: $1.50" in written
    assert "5 jobs: $2.50" in written


def test_a_running_job_costs_so_far() -> None:
    written = text(bill(job(), job(id="8", state="running", end=None)))
    assert "so far $1.00" in written
    assert "2 jobs: $1.50, of it $1.00 so far by 1 running" in written


def test_a_job_without_a_price_is_named_as_such() -> None:
    written = text(bill(job(), job(id="8", nodes=("cpu-9",))))
    assert "unpriced" in written
    assert "2 jobs: $0.50\n1 job without a price, not in the sum:" in written


def test_a_month_without_jobs_says_so() -> None:
    assert "no jobs that ran" in text(bill())


@pytest.mark.parametrize(
    ("limit", "counted", "line"),
    [
        (100.0, None, "account research: $0.50 of a limit of $100.00; $99.50 left"),
        (100.0, 0.501, "account research: $0.50 of a limit of $100.00; $99.50 left"),
        (
            100.0,
            40.0,
            "account research: $0.50 of a limit of $100.00; $60.00 left (Slurm counts $40.00)",
        ),
        (0.4, None, "account research: $0.50 of a limit of $0.40; nothing left"),
    ],
)
def test_what_is_left_of_a_limit_is_by_slurms_count(
    limit: float, counted: float | None, line: str
) -> None:
    assert text(bill(job(), limit=limit, counted=counted)).endswith(line)


@pytest.mark.parametrize(
    ("tres", "limit", "used", "line"),
    [
        ("cpu", 600_000, 90, "account class: 1.5 of 10,000 cpu-hours; 9,998.5 left"),
        ("gres/gpu", 600, 601, "account class: 10 of 10 gres/gpu-hours; nothing left"),
        ("mem", 6_144_000, 61_440, "account class: 1 of 100 GiB-hours; 99 left"),
    ],
)
def test_minutes_are_told_in_hours(tres: str, limit: int, used: int, line: str) -> None:
    left = MinutesLeft(account="class", tres=tres, limit=limit, used=used)
    assert text(bill(minutes=(left,))).endswith(f"\n{line}")


def test_pools_without_a_price_are_one_line() -> None:
    free = Bill(
        month=Month.of("2026-10", NOW),
        title="all jobs",
        charges=[],
        accounts=[],
        minutes=[],
        sums={},
        one_user=False,
        pools_without_price=["cpu", "gpu"],
    )
    assert text(free).endswith(
        "without a price when they ran: jobs in cpu, gpu. Set price_per_hour."
    )
    assert text(free).startswith("all jobs, 2026-10 (UTC)")


def test_long_words_do_not_widen_the_table() -> None:
    written = text(bill(job(name="a-very-long-name-" * 10, name_id="1234567_12345")))
    assert "a-very-long" in written


def test_a_program_gets_the_same() -> None:
    minutes = (MinutesLeft(account="class", tres="cpu", limit=60, used=7),)
    jobs = (job(), job(id="8", nodes=("cpu-9",)))
    found = bill_json(bill(*jobs, limit=2.0, minutes=minutes), most=10)
    assert json.loads(json.dumps(found)) == found
    assert found["month"] == "2026-11"
    assert [one["dollars"] for one in found["jobs"]] == [0.5, None]
    assert found["total"]["unpriced_jobs"] == 1
    assert found["by"]["user"]["ada"]["jobs"] == 2
    assert found["accounts"]["research"]["left_dollars"] == 1.5
    assert found["minutes"] == [
        {"account": "class", "tres": "cpu", "limit_minutes": 60, "used_minutes": 7}
    ]
