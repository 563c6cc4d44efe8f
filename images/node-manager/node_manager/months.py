"""Calendar months, quarters and years, UTC. Times are seconds since the epoch."""

from datetime import UTC, datetime


def month_name(at: float) -> str:
    """For instance "2026-11"."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m")


def month_of_name(name: str) -> float:
    """When a month begins. Raises ValueError."""
    return datetime.strptime(name, "%Y-%m").replace(tzinfo=UTC).timestamp()


def month_start(at: float) -> float:
    """When the month of a time began."""
    return _first_of(datetime.fromtimestamp(at, UTC)).timestamp()


def month_end(at: float) -> float:
    """When the month of a time ends."""
    then = _first_of(datetime.fromtimestamp(at, UTC))
    return _first_of(
        then.replace(year=then.year + then.month // 12, month=then.month % 12 + 1)
    ).timestamp()


def period_start(period: str, at: float) -> float:
    """When the period of a time began: "month", "quarter", "year" or "forever" (the epoch)."""
    then = _first_of(datetime.fromtimestamp(at, UTC))
    if period == "month":
        return then.timestamp()
    if period == "quarter":
        return then.replace(month=(then.month - 1) // 3 * 3 + 1).timestamp()
    return then.replace(month=1).timestamp() if period == "year" else 0.0


def _first_of(then: datetime) -> datetime:
    return then.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
