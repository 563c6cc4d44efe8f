"""How many nodes a pool's schedule asks for at a time. Pure."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from node_manager.fleet import Pool, Window

_DAY = 24 * 60


def scheduled_nodes(pool: Pool, now: float, zone: ZoneInfo, lead_seconds: int) -> int:
    """The most that any window asks for, from `lead_seconds` before it begins until it ends.

    The lead is what a machine may take to boot: the nodes are there when the window begins.
    """
    if not pool.schedule:
        return 0
    moments = (
        datetime.fromtimestamp(now, zone),
        datetime.fromtimestamp(now, zone) + timedelta(seconds=lead_seconds),
    )
    wanted = (
        window.nodes
        for window in pool.schedule
        if any(_covers(window, moment) for moment in moments)
    )
    return max(wanted, default=0)


def _covers(window: Window, moment: datetime) -> bool:
    minute = moment.hour * 60 + moment.minute
    length = (window.end - window.start) % _DAY or _DAY
    # A window that began yesterday may reach into today.
    return any(
        (moment.weekday() - days_ago) % 7 in window.days
        and 0 <= minute + days_ago * _DAY - window.start < length
        for days_ago in (0, 1)
    )
