"""What `make status` is told of the manager's reasons."""

from datetime import UTC, datetime
from pathlib import Path

from node_manager.actions import View
from node_manager.fleet import Capacity
from node_manager.memory import Memory
from node_manager.report import Report, ReportFile, report

from tests.node_manager.builders import NOW, SPOT, make_fleet

EMPTY = View(nodes={}, instances=[])


def test_each_reason_is_a_line_of_its_pool() -> None:
    fleet = make_fleet(spot={**SPOT, "fallback_after_failures": 1})
    memory = Memory().short(("cpu", Capacity.SPOT), "no spot capacity", NOW).start_failed("cpu")
    view = View(nodes={}, instances=[], kept=frozenset({"cpu-2", "other-1"}))
    closed = {("cpu", Capacity.SPOT): "hpc-stack: why"}
    lines = report(fleet, view, memory, closed, 0.5, NOW).notes["cpu"]
    until = datetime.fromtimestamp(NOW + 30, UTC).strftime("%H:%M:%SZ")
    brake = fleet.limits.brake_after
    assert lines == [
        "launches no spot nodes: hpc-stack: why",
        f"on-demand nodes instead of spot ones until {until}: no spot capacity",
        f"1 starts in a row failed; at {brake} the pool is stopped",
        "kept although idle: cpu-2",
    ]


def test_a_pool_with_nothing_to_say_has_no_lines() -> None:
    assert report(make_fleet(), EMPTY, Memory(), {}, 0.0, NOW).notes == {}


def test_the_file_is_read_as_it_was_written_and_left_alone_without_news(tmp_path: Path) -> None:
    file = ReportFile(tmp_path)
    assert file.read() is None
    first = Report(at=NOW, cost=1.5, notes={"cpu": ["a line"]})
    file.write(first)
    file.write(Report(at=NOW + 1, cost=1.5, notes={"cpu": ["a line"]}))
    assert ReportFile(tmp_path).read() == first
    news = Report(at=NOW + 2, cost=1.5, notes={})
    file.write(news)
    assert ReportFile(tmp_path).read() == news
