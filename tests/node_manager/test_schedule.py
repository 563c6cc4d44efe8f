"""A class from 9 to 11 has its nodes at 9, in its own time zone, in summer and in winter."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from node_manager.schedule import scheduled_nodes

from tests.node_manager.builders import make_fleet

BERLIN = ZoneInfo("Europe/Berlin")
CLASS = {"days": [0, 2], "from": "09:00", "to": "11:00", "nodes": 10}
NIGHT = {"days": [6], "from": "22:00", "to": "06:00", "nodes": 3}
ALL_DAY = {"days": [5], "from": "00:00", "to": "00:00", "nodes": 2}
LEAD = 120


def nodes_at(schedule: list[dict[str, Any]], when: str) -> int:
    pool = make_fleet(max_nodes=20, schedule=schedule).pools[0]
    moment = datetime.fromisoformat(when).replace(tzinfo=BERLIN)
    return scheduled_nodes(pool, moment.timestamp(), BERLIN, LEAD)


# 2026-11-23 is a Monday.
@pytest.mark.parametrize(
    ("schedule", "when", "expected"),
    [
        ([], "2026-11-23T10:00", 0),
        ([CLASS], "2026-11-23T08:57", 0),
        ([CLASS], "2026-11-23T08:58", 10),  # the machines boot meanwhile
        ([CLASS], "2026-11-23T10:59", 10),
        ([CLASS], "2026-11-23T11:00", 0),
        ([CLASS], "2026-11-24T10:00", 0),
        ([CLASS], "2026-11-25T10:00", 10),
        ([CLASS], "2026-07-06T08:58", 10),  # daylight saving time
        ([CLASS], "2026-07-06T08:57", 0),
        ([NIGHT], "2026-11-22T23:30", 3),
        ([NIGHT], "2026-11-23T05:59", 3),  # it began yesterday
        ([NIGHT], "2026-11-23T06:00", 0),
        ([NIGHT], "2026-11-22T05:00", 0),
        ([ALL_DAY], "2026-11-28T00:00", 2),
        ([ALL_DAY], "2026-11-28T23:59", 2),
        ([ALL_DAY], "2026-11-29T00:00", 0),
        ([CLASS, CLASS | {"nodes": 4, "to": "12:00"}], "2026-11-23T10:00", 10),
        ([CLASS, CLASS | {"nodes": 4, "to": "12:00"}], "2026-11-23T11:30", 4),
    ],
)
def test_the_largest_window_counts(
    schedule: list[dict[str, Any]], when: str, expected: int
) -> None:
    assert nodes_at(schedule, when) == expected
