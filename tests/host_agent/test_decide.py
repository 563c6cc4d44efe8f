"""When a bundle is applied, and when a failed one is tried again."""

import pytest
from host_agent.decide import LONGEST_PAUSE, Progress, is_due


@pytest.mark.parametrize(
    ("progress", "wanted", "now", "due"),
    [
        (Progress(), "a", 0, True),
        (Progress(applied="a"), "a", 1e9, False),
        (Progress(applied="a"), "b", 0, True),
        (Progress(applied="a").failed_with("b", 100), "b", 159, False),
        (Progress(applied="a").failed_with("b", 100), "b", 160, True),
        (Progress(applied="a").failed_with("b", 100), "c", 101, True),
        # Half of a failed bundle may run: the old one is brought back at once.
        (Progress(applied="a").failed_with("b", 100), "a", 101, True),
    ],
)
def test_what_is_due(progress: Progress, wanted: str, now: float, due: bool) -> None:
    assert is_due(progress, wanted, now) is due


def test_the_pause_doubles_up_to_ten_minutes() -> None:
    progress, pauses = Progress(), []
    for _ in range(6):
        progress = progress.failed_with("a", 0)
        pauses.append(progress.pause)
    assert pauses == [60, 120, 240, 480, LONGEST_PAUSE, LONGEST_PAUSE]


def test_another_bundle_and_a_success_begin_anew() -> None:
    failed = Progress().failed_with("a", 0).failed_with("a", 0)
    assert failed.failed_with("b", 0).pause == 60
    assert failed.succeeded("a") == Progress(applied="a")
