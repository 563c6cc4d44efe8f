"""Pulumi's events, in the form that `pulumi up --json` prints them, become lines for a person."""

import re
from collections.abc import Iterable
from typing import Any

import pytest

from ops.progress import STEPS, Progress

Event = dict[str, Any]
KIND = "hpcstack:local:Cluster$command:local:Command"


def urn(part: str) -> str:
    return f"urn:pulumi:local::hpc-stack::{KIND}::local-{part}"


def begins(part: str, operation: str = "create") -> Event:
    return {"sequence": 4, "resourcePreEvent": {"metadata": {"op": operation, "urn": urn(part)}}}


def ends(part: str, operation: str = "create") -> Event:
    return {"sequence": 5, "resOutputsEvent": {"metadata": {"op": operation, "urn": urn(part)}}}


def fails(part: str) -> Event:
    failure = {"metadata": {"op": "create", "urn": urn(part)}, "status": 1, "steps": 0}
    return {"sequence": 6, "resOpFailedEvent": failure}


def says(severity: str, message: str) -> Event:
    return {"diagnosticEvent": {"severity": severity, "message": message, "color": "never"}}


def heard(capsys: pytest.CaptureFixture[str], events: Iterable[Event]) -> tuple[Progress, str]:
    """What was told of some events, with every duration as `T`."""
    progress = Progress("up")
    for event in events:
        progress(event)
    return progress, re.sub(r"\d+\.\d s\b", "T s", capsys.readouterr().out)


Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize(("part", "words"), sorted(STEPS.items()))
def test_a_step_is_told_when_it_begins_and_when_it_ended(
    capsys: Captured, part: str, words: str
) -> None:
    _, text = heard(capsys, [begins(part), ends(part)])
    assert text == f"[up] {words}: making ...\n[up] {words}: done T s\n"


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ("create", "making"),
        ("update", "changing"),
        ("delete", "removing"),
        ("create-replacement", "making again"),
        ("delete-replaced", "removing the old one"),
    ],
)
def test_the_line_says_what_is_done(capsys: Captured, operation: str, words: str) -> None:
    progress, text = heard(capsys, [begins("services", operation)])
    assert text == f"[up] cluster: {words} ...\n"
    assert progress.changed


@pytest.mark.parametrize("operation", ["same", "read", "refresh", "discard"])
def test_nothing_is_told_where_nothing_changes(capsys: Captured, operation: str) -> None:
    progress, text = heard(capsys, [begins("services", operation), ends("services", operation)])
    assert text == ""
    assert not progress.changed


def test_a_resource_that_is_no_step_counts_as_a_change_but_is_not_told(capsys: Captured) -> None:
    progress, text = heard(capsys, [begins("jwt-key"), ends("jwt-key")])
    assert text == ""
    assert progress.changed


def test_steps_that_overlap_are_each_told(capsys: Captured) -> None:
    events = [begins("images"), begins("home-volume"), ends("home-volume"), ends("images")]
    _, text = heard(capsys, events)
    assert text.splitlines() == [
        "[up] images: making ...",
        "[up] data volumes: making ...",
        "[up] data volumes: done T s",
        "[up] images: done T s",
    ]


def test_a_step_that_fails_is_told_and_its_reason_is_kept(capsys: Captured) -> None:
    reason = 'error: exit status 1: running "docker compose up":\nport is already allocated\n'
    progress, text = heard(capsys, [begins("services"), says("error", reason), fails("services")])
    assert text == "[up] cluster: making ...\n[up] cluster: failed T s\n"
    assert progress.problems == [reason.strip()]


def test_problems_are_kept_in_order_without_colours(capsys: Captured) -> None:
    events = [
        says("error", "<{%fg 1%}>first<{%reset%}>"),
        says("error", "\x1b[31msecond\x1b[0m \n"),
    ]
    progress, text = heard(capsys, events)
    assert progress.problems == ["first", "second"]
    assert text == ""


def test_a_warning_is_a_note(capsys: Captured) -> None:
    warning = "<{%fg 3%}>warning: <{%reset%}>cluster.pools.cpu.cpus: 9, but this machine has 2\n"
    progress, text = heard(capsys, [says("warning", warning)])
    assert text == "[up] note: warning: cluster.pools.cpu.cpus: 9, but this machine has 2\n"
    assert progress.problems == []


@pytest.mark.parametrize(
    "event",
    [
        says("warning", "using pulumi-resource-command from $PATH at /x"),
        says("info", "some words"),
        says("info#err", "other words"),
        {"sequence": 1, "preludeEvent": {"config": {}}},
        {"sequence": 9, "summaryEvent": {"resourceChanges": {"same": 3}}},
        {"sequence": 10, "cancelEvent": {}},
        {},
    ],
)
def test_what_is_of_no_interest_is_not_told(capsys: Captured, event: Event) -> None:
    progress, text = heard(capsys, [event])
    assert (text, progress.problems, progress.changed) == ("", [], False)


def test_an_end_without_a_beginning_is_not_told(capsys: Captured) -> None:
    _, text = heard(capsys, [ends("images"), fails("services")])
    assert text == ""


def test_lines_are_marked_with_the_command(capsys: Captured) -> None:
    Progress("clean")(begins("services", "delete"))
    assert capsys.readouterr().out == "[clean] cluster: removing ...\n"
