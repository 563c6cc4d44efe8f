"""Requests to AWS: clients without retries of their own, and one place that tries again.

Every attempt is told to the observer. Nothing in here knows what the requests are for.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.exceptions import (
    ConnectionError as NoConnection,
)
from botocore.parsers import ResponseParserError

from node_manager.ec2_errors import is_passing, one_line
from node_manager.provider import CallObserver, ProviderUnavailable, ignore_call

if TYPE_CHECKING:
    # The image has boto3 without its stubs.
    from types_boto3_ec2.client import EC2Client
    from types_boto3_s3.client import S3Client

CONNECT_SECONDS, READ_SECONDS = 5, 30
BUDGET_SECONDS = 20.0
"""What attempts and waits may take together before a further attempt is given up."""
TRIES = 12
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.25, 5.0

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Clients:
    """What the provider talks to."""

    ec2: "EC2Client"
    s3: "S3Client"


def connect(region: str) -> Clients:
    """Clients for a region; the endpoint is AWS' own, or AWS_ENDPOINT_URL.

    Raises ProviderUnavailable for settings that boto3 does not accept. Sends nothing.
    """
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        # Calls.ask() tries again: it knows how much time is left and tells the observer.
        retries={"mode": "standard", "total_max_attempts": 1},
    )
    try:
        core = botocore.session.Session()
        # Times stay text: parsing them is half of what reading 1000 instances costs (measured).
        core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=str)
        session = boto3.session.Session(botocore_session=core)
        return Clients(
            ec2=session.client("ec2", region_name=region, config=config),
            s3=session.client("s3", region_name=region, config=config),
        )
    except (BotoCoreError, ValueError) as error:
        raise ProviderUnavailable(f"ec2: {one_line(str(error))}") from error


class CallFailed(Exception):
    """AWS refused a request, or did not answer it."""

    def __init__(self, name: str, code: str, message: str, *, passing: bool) -> None:
        """`passing`: the same request may succeed a moment later."""
        super().__init__(f"{name}: {message} ({code})")
        self.code = code
        self.message = message
        self.passing = passing


class Calls:
    """Sends requests one after the other. `begin` starts a budget for all that follow."""

    def __init__(
        self,
        *,
        observe: CallObserver = ignore_call,
        sleep: Callable[[float], None] = time.sleep,
        fraction: Callable[[], float] = random.random,
    ) -> None:
        """`fraction`: a random number from 0 to 1."""
        self._observe = observe
        self._sleep = sleep
        self._fraction = fraction
        self._spent = 0.0

    def begin(self) -> None:
        """A new round, or a new launch: all of the budget is there again."""
        self._spent = 0.0

    def tell(self, name: str, result: str) -> None:
        """Tell the observer of an answer that came and is of no use."""
        self._observe(name, result)

    def ask(self, name: str, call: Callable[[], Result], *, tries: int = TRIES) -> Result:
        """One request, tried again while that may help and the budget lasts. Raises CallFailed."""
        longest = FIRST_WAIT_SECONDS
        while True:
            tries -= 1
            begun = time.monotonic()
            try:
                result = call()
            except (BotoCoreError, ClientError, ResponseParserError) as error:
                failed = _failed(name, error)
            else:
                self._observe(name, "ok")
                return result
            finally:
                self._spent += time.monotonic() - begun
            self._observe(name, failed.code)
            # Full jitter: managers that were refused together must not come back together.
            wait = self._fraction() * longest
            if tries <= 0 or not failed.passing or self._spent + wait > BUDGET_SECONDS:
                raise failed
            self._sleep(wait)
            self._spent += wait
            longest = min(longest * 2, LONGEST_WAIT_SECONDS)


def _failed(name: str, error: Exception) -> CallFailed:
    if isinstance(error, ClientError):
        answer = error.response
        code = str(answer.get("Error", {}).get("Code", "unknown"))
        status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        message = one_line(str(answer.get("Error", {}).get("Message", "")))
        return CallFailed(name, code, message, passing=is_passing(code, status))
    text = one_line(str(error))
    if isinstance(error, HTTPClientError | NoConnection | ResponseParserError):
        return CallFailed(name, "no_answer", text, passing=True)
    if isinstance(error, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError):
        return CallFailed(name, "no_credentials", text, passing=False)
    return CallFailed(name, type(error).__name__, text, passing=False)
