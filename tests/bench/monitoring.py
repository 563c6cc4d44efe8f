"""What observing the cluster takes: memory, CPU, jobs a second; and how it is with many jobs."""

import json
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ops.containers import containers
from ops.report.prometheus import Prometheus
from tests.bench.bench_cluster import USER, say
from tests.bench.cpu_time import cpu_seconds
from tests.bench.figure import Figure, median
from tests.bench.footprint import OBSERVERS, memory_mib
from tests.bench.many_jobs import FINISHED, WAITING, finish_many, queue_many, unqueue
from tests.bench.start import power_down
from tests.bench.throughput import WARM, jobs_per_second
from tests.cluster.running_cluster import RunningCluster, await_value, docker
from tests.cluster.watching import ask

IDLE_SECONDS = 60.0
ROUNDS = 4
NODES = 1000
SCRAPES = 15

_METRICS = "http://127.0.0.1:9811/metrics"
_COST = "\nhpc_stack_account_cost_period_dollars{"
_SCRAPE = f"""
import time, urllib.request
begun = time.monotonic()
text = urllib.request.urlopen("{_METRICS}").read()
print(time.monotonic() - begun, len(text))
"""
_WRITE_TARGETS = """
import json, pathlib
there = [{{"targets": [f"10.9.{{n // 250}}.{{n % 250}}:9100"], "labels": {{"node": f"wide-{{n}}",
    "pool": "wide"}}}} for n in range({count})]
draft = pathlib.Path("/run/fleet/targets/nodes.json.bench")
draft.write_text(json.dumps(there))
draft.replace("/run/fleet/targets/nodes.json")
"""


def figures(cluster: RunningCluster) -> Iterator[Figure]:
    """In the order of what they change."""
    power_down(cluster)
    yield from _idle(cluster)
    yield _discovery(cluster)
    yield _throughput(cluster)
    yield from _many(cluster)


def _idle(cluster: RunningCluster) -> Iterator[Figure]:
    ours = [cluster.container(service) for service in OBSERVERS]
    others = [c.name for c in containers(cluster.name) if c.service and c.name not in ours]
    yield Figure(
        name="monitoring-memory",
        value=memory_mib(ours),
        unit="MiB",
        goal=350 * 1e6 / 2**20,
        baseline=memory_mib(others),
        baseline_is="the other services",
    )
    before = cpu_seconds([*ours, *others])
    time.sleep(IDLE_SECONDS)  # the duration of the measurement
    after = cpu_seconds([*ours, *others])

    def share(names: Sequence[str]) -> float:
        return 100 * sum(after[name] - before[name] for name in names) / IDLE_SECONDS

    for name in ours:
        say(f"CPU of {name}: {share([name]):.2f} % of a core")
    yield Figure(
        name="monitoring-cpu-idle",
        value=share(ours),
        unit="% of a core",
        goal=3,
        baseline=share(others),
        baseline_is="the other services",
    )


def _discovery(cluster: RunningCluster) -> Figure:
    manager = cluster.container("node-manager")
    url = f"{cluster.stack.outputs()['prometheus']}api/v1/targets?scrapePool=node"
    before = docker("exec", manager, "cat", "/run/fleet/targets/nodes.json")

    def known() -> int:
        return len(ask(url)["data"]["activeTargets"])

    try:
        begun = time.monotonic()
        docker("exec", manager, "python3", "-c", _WRITE_TARGETS.format(count=NODES))
        await_value("the nodes", lambda: known() == NODES, 60)
        seconds = time.monotonic() - begun
    finally:
        restore = f"printf '%s' '{before}' > /run/fleet/targets/nodes.json"
        docker("exec", manager, "sh", "-c", restore)
    await_value("the nodes to go", lambda: known() == len(json.loads(before)), 60)
    return Figure(name=f"discovery-{NODES}-nodes", value=seconds, unit="s", goal=10)


def _throughput(cluster: RunningCluster) -> Figure:
    cluster.run(USER, f"srun --nodes=4 --nodelist={WARM} true")
    jobs_per_second(cluster)  # the first rounds of a new cluster are slower than all others
    jobs_per_second(cluster)
    scraped, unscraped = [], []
    for _ in range(ROUNDS):
        scraped.append(jobs_per_second(cluster))
        with _nobody_asking(cluster):
            unscraped.append(jobs_per_second(cluster))
            unscraped.append(jobs_per_second(cluster))
        scraped.append(jobs_per_second(cluster))
    say(f"jobs/s: observed {scraped}, not observed {unscraped}")
    return Figure(
        name="short-jobs-observed",
        value=median(scraped),
        unit="jobs/s",
        goal=0.98,
        goal_is_ratio=True,
        more_is_better=True,
        baseline=median(unscraped),
        baseline_is="the same with monitoring paused",
    )


@contextmanager
def _nobody_asking(cluster: RunningCluster) -> Iterator[None]:
    names = [cluster.container(service) for service in OBSERVERS]
    docker("pause", *names)
    try:
        yield
    finally:
        docker("unpause", *names)


def _many(cluster: RunningCluster) -> Iterator[Figure]:
    """The exporter with a long history and a long queue."""
    prometheus = Prometheus(cluster.stack.outputs()["prometheus"])
    exporter = cluster.container("job-exporter")
    queue_many(cluster)
    try:
        finish_many(cluster)
        _begin_anew(exporter)
        await_value("the history to be added up", lambda: _COST in _page(exporter), 300, 0.5)
        # At once, while jobs that have just ended are in the time that it goes back to.
        queries = [_first_query(exporter) for _ in range(3)]
        note = f"15 minutes back, of {FINISHED} jobs a day"
        yield Figure(name="exporter-query", value=median(queries), unit="s", goal=1, note=note)
        _await(prometheus, "sum(hpc_stack_jobs_pending)", WAITING, 120)
        took = []
        for _ in range(SCRAPES):
            seconds, size = docker("exec", exporter, "python3", "-c", _SCRAPE).split()
            took.append(float(seconds))
        note = f"{FINISHED} finished jobs, {WAITING} in the queue, {int(size) / 1000:.0f} kB"
        yield Figure(
            name="exporter-scrape", value=median(took) * 1000, unit="ms", goal=200, note=note
        )
        yield Figure(name="exporter-memory", value=memory_mib([exporter]), unit="MiB", goal=95.4)
    finally:
        unqueue(cluster)


def _first_query(exporter: str) -> float:
    """Seconds that the first question to accounting took of an exporter that knows nothing."""
    _begin_anew(exporter)
    await_value(
        "the first pass", lambda: _told(_page(exporter), "last_success_timestamp"), 120, 0.5
    )
    return _told(_page(exporter), "query")


def _begin_anew(exporter: str) -> None:
    docker("exec", exporter, "rm", "-f", "/var/lib/hpc-stack/exporter/state.json")
    docker("restart", exporter)


def _told(page: str, name: str) -> float:
    """Seconds that an exporter tells about accounting; 0: it does not yet."""
    found = re.search(rf"^hpc_stack_accounting_{name}_seconds (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0


def _page(exporter: str) -> str:
    """What it tells Prometheus; nothing right after its start."""
    look = f"import urllib.request as u; print(u.urlopen('{_METRICS}').read().decode())"
    done = subprocess.run(
        ("docker", "exec", exporter, "python3", "-c", look), capture_output=True, text=True
    )
    return done.stdout


def _await(prometheus: Prometheus, expr: str, least: float, seconds: float) -> None:
    await_value(f"{expr} to be {least}", lambda: _value(prometheus, expr) >= least, seconds, 0.5)


def _value(prometheus: Prometheus, expr: str) -> float:
    found = prometheus.now(expr, time.time())
    return found[0].samples[-1][1] if found else 0.0
