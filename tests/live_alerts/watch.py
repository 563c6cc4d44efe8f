"""What a cluster's Prometheus says of its alerts, all the time."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from typing import Any

from tests.cluster.watching import rules

PENDING, FIRING = "pending", "firing"


@dataclass
class Seen:
    """When, in epoch seconds, an alert first began and fired; since when it is over."""

    began: float | None = None
    fired: float | None = None
    ended: float | None = None


def say(text: str) -> None:
    """One line of progress."""
    print(f"[alerts] {time.strftime('%H:%M:%S')} {text}", flush=True)


class Watch:
    """Reads the state of all alerts once a second."""

    def __init__(self, prometheus: str) -> None:
        """`prometheus`: its URL."""
        self.seen: dict[str, Seen] = {}
        self._prometheus = prometheus
        self._now: dict[str, list[dict[str, Any]]] = {}
        self._over = threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._look)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Nobody waits for anything any more at its end."""
        self._thread.start()
        try:
            yield
        finally:
            self._end()
            self._thread.join()

    @contextmanager
    def ended_early(self) -> Iterator[None]:
        """Whoever waits in another thread is not waited for when something breaks in this one."""
        try:
            yield
        except BaseException:
            self._end()
            raise

    def _end(self) -> None:
        self._over.set()
        with self._changed:
            self._changed.notify_all()

    def await_there(
        self,
        alerts: Sequence[str],
        states: Sequence[str],
        seconds: float,
        *,
        since: float = 0.0,
        about: Mapping[str, str] | None = None,
    ) -> None:
        """Wait until each is in one of the states, and has not been there since before `since`.

        `about`: what the values of its labels begin with.
        """

        def there(alert: str) -> bool:
            return any(
                one["state"] in states
                and datetime.fromisoformat(one["activeAt"]).timestamp() >= since
                and all(one["labels"].get(k, "").startswith(v) for k, v in (about or {}).items())
                for one in self._now.get(alert, ())
            )

        self._await(alerts, there, f"not {' or '.join(states)}", seconds)

    def await_fired(self, alerts: Sequence[str], seconds: float) -> None:
        """Wait until each has fired at some time."""

        def fired(alert: str) -> bool:
            return alert in self.seen and self.seen[alert].fired is not None

        self._await(alerts, fired, "have not fired", seconds)

    def await_ended(self, alerts: Sequence[str], seconds: float) -> None:
        """Wait until none of them is there."""
        self._await(alerts, lambda alert: not self._now.get(alert), "have not ended", seconds)

    def _await(
        self, alerts: Sequence[str], so: Callable[[str], bool], lacking: str, seconds: float
    ) -> None:
        deadline = time.monotonic() + seconds
        with self._changed:
            while missing := [one for one in alerts if not so(one)]:
                left = deadline - time.monotonic()
                names = ", ".join(missing)
                assert left > 0, f"{names} {lacking} after {seconds:.0f} s"
                assert not self._over.is_set(), f"{names} {lacking} when all was over"
                self._changed.wait(left)

    def _look(self) -> None:
        while not self._over.wait(1):
            try:
                found = rules(self._prometheus)
            except (OSError, HTTPException, ValueError):
                continue  # it is restarted
            with self._changed:
                self._now = {name: rule["alerts"] for name, rule in found.items()}
                for name, rule in found.items():
                    self._note(self.seen.setdefault(name, Seen()), name, rule["state"])
                self._changed.notify_all()

    def _note(self, seen: Seen, name: str, state: str) -> None:
        now = time.time()
        if state in (PENDING, FIRING):
            seen.began = seen.began or now
            seen.ended = None
        elif seen.began is not None and seen.ended is None:
            seen.ended = now
            say(f"{name} has ended")
        if state == FIRING and seen.fired is None:
            seen.fired = now
            say(f"{name} fires")
