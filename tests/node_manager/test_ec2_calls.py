"""Requests to AWS: what is tried again, how long, and what is told of it."""

import os
from collections.abc import Callable

import pytest
from botocore.exceptions import (
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError
from node_manager.ec2_calls import BUDGET_SECONDS, CallFailed, Calls, connect
from node_manager.provider import ProviderUnavailable

from tests.node_manager.moto_server import environment
from tests.node_manager.scripted_ec2 import refusal

THROTTLED = refusal("RequestLimitExceeded", "Request limit exceeded.", 503)
NOBODY = EndpointConnectionError(endpoint_url="http://x")
SILENT = ReadTimeoutError(endpoint_url="http://x")


class Told:
    """Calls whose waits, answers and results are recorded."""

    def __init__(self, *answers: Exception | str, fraction: float = 1.0) -> None:
        self.answers = list(answers)
        self.slept: list[float] = []
        self.observed: list[tuple[str, str]] = []
        self.calls = Calls(
            observe=lambda name, result: self.observed.append((name, result)),
            sleep=self.slept.append,
            fraction=lambda: fraction,
        )

    def ask(self, **options: int) -> str:
        return self.calls.ask("Call", self._answer, **options)

    def _answer(self) -> str:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (THROTTLED, "RequestLimitExceeded"),
        (refusal("SlowDown", status=503), "SlowDown"),
        (refusal("Whatever", status=500), "Whatever"),
        (NOBODY, "no_answer"),
        (SILENT, "no_answer"),
        (ResponseParserError("no XML"), "no_answer"),
    ],
)
def test_what_may_pass_is_tried_again_and_every_attempt_is_told(
    error: Exception, code: str
) -> None:
    told = Told(error, error, "done")
    assert told.ask() == "done"
    assert told.observed == [("Call", code), ("Call", code), ("Call", "ok")]
    assert told.slept == [0.25, 0.5]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (refusal("UnauthorizedOperation", "You may not.", 403), "UnauthorizedOperation"),
        (refusal("InsufficientInstanceCapacity", "None.", 500), "InsufficientInstanceCapacity"),
        (NoCredentialsError(), "no_credentials"),
        (ParamValidationError(report="wrong"), "ParamValidationError"),
    ],
)
def test_what_will_not_pass_is_not_tried_again(error: Exception, code: str) -> None:
    told = Told(error)
    with pytest.raises(CallFailed) as caught:
        told.ask()
    assert (caught.value.code, caught.value.passing) == (code, False)
    assert (told.observed, told.slept) == ([("Call", code)], [])


def test_waits_grow_until_the_budget_is_spent() -> None:
    told = Told(THROTTLED)
    with pytest.raises(CallFailed) as caught:
        told.ask()
    assert caught.value.passing
    assert str(caught.value) == "Call: Request limit exceeded. (RequestLimitExceeded)"
    assert told.slept == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert sum(told.slept) <= BUDGET_SECONDS


def test_the_budget_is_for_all_calls_together_until_the_next_round() -> None:
    told = Told(THROTTLED)
    for _ in range(2):
        with pytest.raises(CallFailed):
            told.ask()
    spent = sum(told.slept)
    assert spent <= BUDGET_SECONDS
    told.calls.begin()
    with pytest.raises(CallFailed):
        told.ask()
    assert sum(told.slept) > spent


def test_waits_are_a_part_of_the_longest_and_tries_have_an_end() -> None:
    told = Told(THROTTLED, fraction=0.0)
    with pytest.raises(CallFailed):
        told.ask()
    assert set(told.slept) == {0.0}
    assert len(told.observed) == 12
    half = Told(THROTTLED, "done", fraction=0.5)
    assert half.ask() == "done"
    assert half.slept == [0.125]


def test_a_caller_may_want_one_try_only() -> None:
    told = Told(THROTTLED)
    with pytest.raises(CallFailed):
        told.ask(tries=1)
    assert told.slept == []


def _endpoint(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for key, value in environment(url).items():
        monkeypatch.setenv(key, value)


def test_the_endpoint_is_boto3s_own_business(monkeypatch: pytest.MonkeyPatch) -> None:
    _endpoint(monkeypatch, "http://127.0.0.1:1")
    clients = connect("eu-west-1")
    assert clients.ec2.meta.endpoint_url == "http://127.0.0.1:1"
    assert clients.s3.meta.endpoint_url == "http://127.0.0.1:1"
    # boto3 tries nothing again by itself: the manager counts every attempt.
    assert clients.ec2.meta.config.retries == {"mode": "standard", "total_max_attempts": 1}  # type: ignore[attr-defined]
    assert clients.ec2.meta.config.connect_timeout == 5  # type: ignore[attr-defined]
    assert clients.ec2.meta.config.read_timeout == 30  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda patch: _endpoint(patch, "no url"), "Invalid endpoint: no url"),
        (lambda patch: patch.setenv("AWS_PROFILE", "nobody"), "nobody"),
    ],
)
def test_settings_that_boto3_refuses_are_one_plain_line(
    monkeypatch: pytest.MonkeyPatch, spoil: Callable[[pytest.MonkeyPatch], None], words: str
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    spoil(monkeypatch)
    with pytest.raises(ProviderUnavailable, match=words) as caught:
        connect("eu-west-1")
    assert str(caught.value).startswith("ec2: ")
    assert "\n" not in str(caught.value)
