"""Prometheus' HTTP API, as far as panels need it, with its mistakes in plain words.

https://prometheus.io/docs/prometheus/latest/querying/api/
"""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

from ops.report.timeline import Timeline

QUERY_SECONDS = 30
"""How long Prometheus may work on one query."""


class NoAnswer(Exception):
    """Nobody answers there, or not as Prometheus does."""


class Refused(Exception):
    """Prometheus answers that it cannot answer the query; the text is its own."""


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """One series: its labels and its samples, each a time in seconds and a value."""

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]


class Prometheus:
    """The server at a URL. Safe to use from several threads."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        # Never through a proxy: it is this machine, or a network that the proxy is not for.
        self._opener = build_opener(ProxyHandler({}))

    def now(self, expr: str, at: float) -> tuple[Sampled, ...]:
        """The values at a time, in seconds since the epoch. Raises NoAnswer and Refused."""
        return self._ask("query", {"query": expr, "time": f"{at:.3f}"})

    def over(self, expr: str, timeline: Timeline) -> tuple[Sampled, ...]:
        """The values at the timeline's points. Raises NoAnswer and Refused."""
        span = {
            "start": f"{timeline.start:.3f}",
            "end": f"{timeline.end:.3f}",
            "step": str(timeline.step),
        }
        return self._ask("query_range", {"query": expr, **span})

    def _ask(self, what: str, arguments: Mapping[str, str]) -> tuple[Sampled, ...]:
        document = self._document(what, {**arguments, "timeout": f"{QUERY_SECONDS}s"})
        if document.get("status") != "success":
            raise Refused(str(document.get("error") or "Prometheus says no reason"))
        try:
            return _series(document["data"])
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Refused("the answer is of a kind that a report cannot show") from None

    def _document(self, what: str, arguments: Mapping[str, str]) -> dict[str, Any]:
        address = f"{self.url}/api/v1/{what}?{urlencode(arguments)}"
        problem = "what answers is not Prometheus"
        try:
            try:
                with self._opener.open(address, timeout=QUERY_SECONDS + 5) as answer:
                    body = answer.read()
            except HTTPError as error:
                problem = f"it says {error.code} {error.reason}"
                body = error.read()  # why it refuses a query, or that it is not ready yet
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswer(_reason(error)) from None
        try:
            document: Any = json.loads(body)
        except ValueError:
            raise NoAnswer(problem) from None
        if not isinstance(document, dict) or "status" not in document:
            raise NoAnswer(problem)
        return document


def _series(data: Mapping[str, Any]) -> tuple[Sampled, ...]:
    result = data["result"]
    if data["resultType"] == "scalar":
        return (Sampled(labels={}, samples=(_sample(result),)),)
    return tuple(
        Sampled(
            labels={str(name): str(value) for name, value in one["metric"].items()},
            samples=tuple(map(_sample, one["values"] if "values" in one else [one["value"]])),
        )
        for one in result
    )


def _sample(pair: tuple[float, str]) -> tuple[float, float]:
    time, value = pair
    return float(time), float(value)


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return f"no answer within {QUERY_SECONDS + 5} s"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror.lower()
    return str(reason) or type(reason).__name__
