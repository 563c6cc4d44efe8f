"""When the period of the budgets began: all begin anew with a calendar month, quarter or year."""

from datetime import UTC, datetime

MONTHS = {"month": 1, "quarter": 3, "year": 12}
FOREVER = "forever"
PERIODS = (*MONTHS, FOREVER)


def period_start(now: float, period: str) -> int:
    """The first second of the period by UTC, seconds since the epoch; 0: of all time."""
    if period == FOREVER:
        return 0
    day, months = datetime.fromtimestamp(now, UTC), MONTHS[period]
    return _first(day.year, day.month - (day.month - 1) % months)


def month_start(now: float) -> int:
    """The first second of the UTC month."""
    return period_start(now, "month")


def next_month(now: float) -> int:
    """The first second of the UTC month after it."""
    day = datetime.fromtimestamp(now, UTC)
    return _first(day.year + day.month // 12, day.month % 12 + 1)


def _first(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp())
