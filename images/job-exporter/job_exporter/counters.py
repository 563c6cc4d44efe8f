"""The counters, nearly all of finished jobs. Their names and labels are here and nowhere else."""

from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from job_exporter.state import State
from job_exporter.totals import Histograms, Labels

PREFIX = "hpc_stack"
_GROUP = ("partition", "account", "qos")
_USE = ("account", "user", "kind")

COUNTERS = {
    "finished": ("jobs_finished", "Runs of jobs that have ended", (*_GROUP, "state")),
    "finished_by_user": (
        "user_jobs_finished",
        "Runs of jobs that have ended, by user",
        ("account", "user", "state"),
    ),
    "cpu_seconds": ("job_cpu_seconds", "CPU time of finished jobs, allocated and used", _USE),
    "memory_byte_seconds": (
        "job_memory_byte_seconds",
        "Memory of finished jobs times their run time: allocated, and used at the peak; unmeasured:"
        " allocated to jobs whose peak is not known, and not in the others",
        _USE,
    ),
    "gpu_seconds": (
        "job_gpu_seconds",
        "GPU time of finished jobs: allocated, and used; unmeasured: allocated to jobs of which"
        " it is not known, and not in the others",
        _USE,
    ),
    "cost_dollars": (
        "job_cost_dollars",
        "What finished jobs cost, at the price of the machines they ran on",
        ("account", "user", "partition", "capacity"),
    ),
    "unpriced": (
        "jobs_unpriced",
        "Finished jobs for which the ledger has no machine, so that their cost is not known",
        (),
    ),
}
"""By the names of Totals: name, text and labels."""

HISTOGRAMS = {
    "waits": ("job_wait_seconds", "From when a job could start until it did", _GROUP),
    "runs": ("job_run_seconds", "From a job's start to its end", _GROUP),
}


def end_series(state: State) -> None:
    """Forget what was counted under names that have lost their place (`label_names`)."""
    bounded = {"account": state.accounts, "user": state.users}
    for key, series in state.totals.series():
        labels = (COUNTERS.get(key) or HISTOGRAMS[key])[2]
        for values in list(series):
            named = zip(labels, values, strict=True)
            if any(label in bounded and value not in bounded[label] for label, value in named):
                del series[values]
                # Its name may come back in the first pass already.
                state.births.times.get(key, {}).pop(values, None)


def counted(state: State) -> Iterator[Metric]:
    """The metrics of what has been counted."""
    for key, counts in state.totals.counts():
        name, about, labels = COUNTERS[key]
        counter = CounterMetricFamily(f"{PREFIX}_{name}", about, labels=labels)
        for values, count in counts.items():
            counter.add_metric(values, count, created=state.births.times[key][values])
        yield counter
    for key, histograms in state.totals.histograms():
        yield _histogram(key, histograms, state.births.times[key])


def comments(results: Mapping[str, int], since: float) -> Metric:
    """The metric of jobs' comments, by result, counted since a time: the exporter's start."""
    counter = CounterMetricFamily(
        f"{PREFIX}_job_comments", "Comments on ended jobs, for accounting", labels=["result"]
    )
    for result, count in results.items():
        counter.add_metric([result], count, created=since)
    return counter


def _histogram(key: str, histograms: Histograms, births: Mapping[Labels, float]) -> Metric:
    name, about, labels = HISTOGRAMS[key]
    family = HistogramMetricFamily(f"{PREFIX}_{name}", about, labels=labels)
    bounds = [*(f"{float(bound)}" for bound in histograms.bounds), "+Inf"]
    for values, found in histograms.by_labels.items():
        below = zip(bounds, accumulate(found.buckets), strict=True)
        family.add_metric(values, list(below), found.sum)
        named = dict(zip(labels, values, strict=True))
        family.add_sample(f"{family.name}_created", named, births[values])
    return family
