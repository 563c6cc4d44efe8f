"""The two text formats that Prometheus reads, of which only OpenMetrics tells when a series was
born."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector


@dataclass(frozen=True, kw_only=True)
class Format:
    """`end`: what comes after the last metric."""

    content_type: str
    encode: Callable[[CollectorRegistry], bytes]
    end: bytes = b""

    def text(self, metrics: Iterable[Metric]) -> bytes:
        """Metrics without the end, so that others may follow."""
        registry = CollectorRegistry()
        registry.register(_Given(metrics))
        return self.encode(registry).removesuffix(self.end)


PLAIN = Format(
    content_type="text/plain; version=0.0.4; charset=utf-8", encode=exposition.generate_latest
)
"""https://prometheus.io/docs/instrumenting/exposition_formats"""
OPEN_METRICS = Format(
    content_type="application/openmetrics-text; version=1.0.0; charset=utf-8",
    encode=openmetrics.generate_latest,
    end=b"# EOF\n",
)
"""https://prometheus.io/docs/specs/om/open_metrics_spec"""


def wanted(accept: str) -> Format:
    """The better one, if the header Accept has it. Prometheus' own does."""
    kinds = (part.partition(";")[0].strip() for part in accept.split(","))
    return OPEN_METRICS if "application/openmetrics-text" in kinds else PLAIN


class _Given(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics
