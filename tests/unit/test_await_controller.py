"""Waiting for the controller: until it is ready, has failed, or has said nothing for too long."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from components.aws.await_controller import SECONDS, NotReady, wait


class Clock:
    """Time passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def status(state: str, digest: str = "new", **more: Any) -> dict[str, Any]:
    at = "2026-11-24T10:00:00Z"
    return {
        "state": state,
        "digest": digest,
        "detail": "",
        "log": "",
        "instance_id": "i-1",
        "at": at,
    } | more


def reader(*answers: dict[str, Any] | None) -> Callable[[], dict[str, Any] | None]:
    """The answers one after the other, then the last for ever."""

    def each() -> Iterator[dict[str, Any] | None]:
        yield from answers
        while True:
            yield answers[-1]

    return each().__next__


def waited(*answers: dict[str, Any] | None) -> float:
    """Seconds until the wait for a bundle "new" on i-1 ends."""
    clock = Clock()
    wait(reader(*answers), digest="new", instance="i-1", clock=clock, sleep=clock.sleep)
    return clock.now


def test_it_ends_when_the_controller_is_ready() -> None:
    assert waited(None, status("ready", "old"), status("applying"), status("ready")) == 6


def test_what_the_controller_said_of_another_bundle_is_not_about_this_one() -> None:
    assert waited(status("failed", "old"), status("ready")) == 2


@pytest.mark.parametrize(
    "before", [status("ready", instance_id="i-0"), status("failed", "", instance_id="i-0")]
)
def test_what_the_machine_before_said_is_not_about_this_one(before: dict[str, Any]) -> None:
    assert waited(before, status("ready")) == 2


def test_a_failure_is_told_with_its_reason_and_the_end_of_the_log() -> None:
    with pytest.raises(NotReady) as caught:
        waited(status("failed", detail="service mysql exited (1)", log="no space left\n"))
    assert "could not run the new bundle: service mysql exited (1)" in str(caught.value)
    assert "The end of its log:\nno space left" in str(caught.value)


def test_a_host_that_could_not_boot_has_no_digest_to_tell() -> None:
    with pytest.raises(NotReady, match="blkid"):
        waited(status("failed", "", detail="blkid failed"))


@pytest.mark.parametrize(
    ("last", "said"), [(None, "has said nothing"), (status("applying"), "last said 'applying'")]
)
def test_silence_ends_after_ten_minutes_with_what_to_do(
    last: dict[str, Any] | None, said: str
) -> None:
    assert SECONDS == 600
    with pytest.raises(NotReady) as caught:
        waited(last)
    assert said in str(caught.value)
    assert "get-console-output" in str(caught.value)
