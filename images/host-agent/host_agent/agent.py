"""The loop: look for another bundle, apply it, say how it went, dump the database once a day."""

import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

from host_agent import dumps, engine
from host_agent.account import Account, AwsUnavailable, SecretMissing
from host_agent.bundle import Bundle, BundleError, parse_bundle
from host_agent.decide import Progress, is_due

POLL_SECONDS = 3.0
LOGIN_SECONDS = 6 * 3600.0
HEARTBEAT = Path("/run/host-agent/heartbeat")
HEALTHY_SECONDS = 600.0
"""Longer than an application of a bundle may take."""
RETRY_DUMP = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the agent runs."""

    account: Account
    instance: str
    dump_at: str
    """HH:MM in UTC."""


class Agent:
    """One cluster on this host. What AWS does not tell changes nothing of what runs."""

    def __init__(
        self, place: Place, *, say: Callable[..., None], clock: Callable[[], float]
    ) -> None:
        self._place, self._say, self._clock = place, say, clock
        self._account = place.account
        self._etag = ""
        self._bundle: Bundle | None = None
        self._progress = Progress()
        self._logged_in_at = -LOGIN_SECONDS
        self._next_dump = dumps.next_time(datetime.now(UTC), place.dump_at)

    def round(self) -> None:
        """Look once, and do what is due. Never raises for what AWS or the engine do."""
        try:
            self._look()
        except AwsUnavailable as error:
            self._say("aws", error=str(error))
        except BundleError as error:
            # What runs is what was good: it stays.
            self._say("refused", reason=str(error))
            self._report("failed", "", str(error))
        bundle = self._bundle
        if bundle is not None and is_due(self._progress, bundle.digest, self._clock()):
            self._apply(bundle)
        if bundle is not None and datetime.now(UTC) >= self._next_dump:
            self._dump(bundle)

    def _look(self) -> None:
        fetched = self._account.fetch_bundle(self._etag)
        if fetched is not None:
            self._etag = fetched.etag
            self._bundle = parse_bundle(fetched.text)

    def _apply(self, bundle: Bundle) -> None:
        begun = self._clock()
        self._say("applying", digest=bundle.digest)
        self._report("applying", bundle.digest)
        try:
            engine.prepare_volumes(bundle.volumes)
            secrets = self._account.secrets(sorted(bundle.secrets))
            self._log_in(bundle)
            engine.compose_up(bundle, secrets)
        except engine.EngineFailed as error:
            self._failed(bundle.digest, str(error), error.log)
        except (AwsUnavailable, SecretMissing, OSError) as error:
            self._failed(bundle.digest, str(error), "")
        else:
            self._progress = self._progress.succeeded(bundle.digest)
            self._say("ready", digest=bundle.digest, seconds=round(self._clock() - begun, 1))
            self._report("ready", bundle.digest)

    def _log_in(self, bundle: Bundle) -> None:
        if bundle.registry and self._clock() - self._logged_in_at >= LOGIN_SECONDS:
            engine.log_in(bundle.registry, self._account.registry_password())
            self._logged_in_at = self._clock()

    def _failed(self, digest: str, why: str, log: str) -> None:
        self._progress = self._progress.failed_with(digest, self._clock())
        self._say("failed", digest=digest, reason=why)
        self._report("failed", digest, " ".join(why.split())[:500], log)

    def _report(self, state: str, digest: str, detail: str = "", log: str = "") -> None:
        status = {
            "version": 1,
            "digest": digest,
            "state": state,
            "detail": detail,
            "log": log,
            "instance_id": self._place.instance,
            "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        try:
            self._account.report(status)
        except AwsUnavailable as error:
            self._say("aws", error=str(error))

    def _dump(self, bundle: Bundle) -> None:
        now = datetime.now(UTC)
        try:
            name = dumps.dump(bundle.project, self._account, now)
        except (dumps.DumpFailed, AwsUnavailable) as error:
            self._say("no dump", reason=str(error))
            self._next_dump = now + RETRY_DUMP
        else:
            self._say("dump", name=name)
            self._next_dump = dumps.next_time(now, self._place.dump_at)


def log_line(event: str, **facts: Any) -> None:
    """One line of the log, as JSON; no secret is ever a fact."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    print(json.dumps({"at": at, "event": event, **facts}), file=sys.stderr, flush=True)


def run(place: Place) -> int:
    """Until SIGTERM or SIGINT; what runs stays up."""
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    HEARTBEAT.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    agent = Agent(place, say=log_line, clock=time.monotonic)
    log_line("started", instance=place.instance, bucket=place.account.bucket)
    while not stopped.is_set():
        agent.round()
        HEARTBEAT.touch()
        stopped.wait(POLL_SECONDS)
    log_line("stopped")
    return 0


def health() -> int:
    """Whether the loop goes round."""
    try:
        age = time.time() - HEARTBEAT.stat().st_mtime
    except OSError:
        print("the loop has not gone round yet")
        return 1
    print(f"last round {age:.0f} s ago")
    return 0 if age < HEALTHY_SECONDS else 1
