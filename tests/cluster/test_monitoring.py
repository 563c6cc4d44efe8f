"""Monitoring of a live cluster: whatever a panel, an alert or the report asks for has data.

A name that a new version of anything has changed fails here, with the panel that needs it.
"""

import json
import re
import time

import pytest

from config.panels import DASHBOARDS
from config.panels.model import Needs
from config.panels.queries import promql
from config.render.grafana import dashboards_json
from ops.environment import CHECKOUT
from ops.report.__main__ import make_report
from ops.report.prometheus import Prometheus
from ops.report.subject import subject_of
from ops.report.timeline import Timeline
from tests.cluster.running_cluster import RunningCluster, await_value
from tests.cluster.selectors import parse, selectors
from tests.cluster.watching import rules

# Of what the test's cluster cannot have.
ABSENT = ("DCGM_FI", 'job="gpu"', "hpc_stack_backup", "hpc_stack_launch_failures_total")
QUIET = {
    "Overview / Alerts",
    "Host and monitoring / Silent services and nodes",
    "Nodes and elasticity / Failed launches by code",
}
"""Panels that show trouble alone."""
MET = (Needs.NOTHING, Needs.MACHINES, Needs.BUDGET, Needs.MINUTES)
# What has these values only in trouble; the labels are there all the same.
_FALLBACK = re.compile(
    r" or (vector\(-1\)|on \(\) (label_replace\()?0 \* |label_replace\(0 \* absent\().*$", re.DOTALL
)
TROUBLE = re.compile(r',?(reason|result|code|state)(=~|!~|!=|=)"(?:[^"\\\\]|\\\\.)*"')


@pytest.fixture(scope="module")
def prometheus(cluster: RunningCluster) -> Prometheus:
    """The cluster's own, once it has measured everything at least once."""
    found = Prometheus(cluster.stack.outputs()["prometheus"])
    await_value(
        "all exporters to be measured",
        lambda: not values(found, "up == 0") and len(values(found, "up")) >= 11,
        90,
    )
    return found


def values(prometheus: Prometheus, expr: str) -> dict[str, float]:
    """The newest value of each series, by its labels."""
    return {
        json.dumps(dict(sorted(one.labels.items()))): one.samples[-1][1]
        for one in prometheus.now(expr, time.time())
    }


def value(prometheus: Prometheus, expr: str) -> float | None:
    """The one value; None where there is none."""
    found = list(values(prometheus, expr).values())
    assert len(found) <= 1, f"{expr} has {len(found)} values"
    return found[0] if found else None


@pytest.fixture(scope="module")
def worked(cluster: RunningCluster, prometheus: Prometheus) -> float:
    """Everything that can happen to jobs and nodes has happened; since when, in epoch seconds."""
    begun = time.time()
    spin = "timeout 12 sh -c 'while :; do :; done' || true"
    succeeded = cluster.submit("ada", spin, "--partition=spot", "--cpus-per-task=1")
    failed = cluster.submit("ada", "exit 3", "--partition=brief")
    burst = cluster.submit("ada", "srun hostname", "--partition=cpu", "--nodes=3")
    doomed = cluster.submit("ada", "sleep 600", "--partition=brief")
    # Nodes are all taken, and a limit of an account is reached.
    hog = cluster.submit("ada", "sleep 40", "--partition=brief", "--nodes=2", "--exclusive")
    behind = f"--dependency=after:{hog}"  # whoever of the two would come first
    waiting = cluster.submit("carol", "hostname", "--partition=brief", "--nodes=2", behind)
    held = [cluster.submit("ben", "sleep 30", "--account=class", "--partition=cpu") for _ in "ab"]
    cluster.await_state(doomed, "RUNNING")
    cluster.run("ada", f"scancel {doomed}")
    cluster.await_state(failed, "FAILED")
    for job in (succeeded, burst):
        cluster.finish(job, seconds=150)
    await_value(
        "jobs that waited for nodes and for their account",
        lambda: {"Resources", "AssocMaxJobsLimit"} <= reasons(prometheus),
        60,
    )
    cluster.run("carol", "scontrol update nodename=brief-2 state=drain reason='fan is loud'")
    await_value(
        "the drained node to be seen",
        lambda: value(prometheus, 'hpc_stack_node_out_of_service{reason="fan is loud"}'),
        60,
    )
    cluster.run("carol", "scontrol update nodename=brief-2 state=resume")
    for job in (hog, waiting, *held):
        cluster.finish(job, seconds=150)
    await_value(
        "the exporter to have counted them",
        lambda: (value(prometheus, 'sum(hpc_stack_jobs_finished_total{account="class"})') or 0) > 1,
        120,
    )
    return begun


def reasons(prometheus: Prometheus) -> set[str]:
    """Why jobs have waited lately."""
    waited = "max by (reason) (max_over_time(hpc_stack_jobs_pending[10m])) > 0"
    return {one.labels["reason"] for one in prometheus.now(waited, time.time())}


def without_fallback(expr: str) -> str:
    """What comes of measurements alone, without what stands for there being none."""
    return _FALLBACK.sub("", expr)


def checked(
    prometheus: Prometheus, expr: str, since: float, *, whatever_value: bool = False
) -> list[str]:
    """What an expression asks for and nobody has measured since."""
    span = f"{int(time.time() - since) + 60}s"
    missing = []
    for selector in selectors(parse(prometheus.url, promql(expr))):
        if any(sign in selector.text for sign in ABSENT):
            continue
        # The one alert that always fires stands for those that should not.
        text = selector.text.replace('alertname!="Watchdog",', "")
        labels = selector.labels
        if 'job="node"' in text:
            # Nodes here are containers: the same exporter tells of their machine, without a pool.
            labels -= {"node", "pool"}
            text = text.replace('job="node"', 'job=~"node|host"').replace('pool=~".*",', "")
        if whatever_value:
            text = TROUBLE.sub("", text).replace("{,", "{")
        found = prometheus.now(f"last_over_time({text}[{span}])", time.time())
        if not found:
            missing.append(f"{text}: no data")
        elif lacking := _lacking(labels, [dict(one.labels) for one in found]):
            missing.append(f"{text}: no label {', '.join(lacking)}")
    return missing


def _lacking(labels: frozenset[str], found: list[dict[str, str]]) -> list[str]:
    return sorted(label for label in labels if not any(label in one for one in found))


def test_every_panels_metrics_and_labels_exist(prometheus: Prometheus, worked: float) -> None:
    asked, missing = [], []
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels:
            for query in panel.queries:
                if panel.needs not in MET and not only_of_slurm(prometheus, query.expr):
                    continue
                asked.append(f"{dashboard.title} / {panel.title}: {query.expr}")
                missing += [
                    f"{dashboard.title} / {panel.title}: {what}"
                    for what in checked(prometheus, query.expr, worked)
                ]
    # What CI keeps of a run, for those who want to know.
    (CHECKOUT / ".state" / "checked.txt").write_text("\n".join([*asked, ""]))
    assert missing == [], "\n".join(missing)
    assert len(asked) > 60


def only_of_slurm(prometheus: Prometheus, expr: str) -> bool:
    """Whether Slurm itself has all of it, which needs no hardware."""
    found = list(selectors(parse(prometheus.url, promql(expr))))
    return all('__name__="slurm_' in selector.text for selector in found)


def test_what_pages_offer_to_choose_and_mark_exists(prometheus: Prometheus, worked: float) -> None:
    missing = []
    for dashboard in DASHBOARDS:
        if dashboard.variables:
            by = f"count by ({', '.join(dashboard.variables)}) ({dashboard.variable_source})"
            missing += [f"{dashboard.title}: {what}" for what in checked(prometheus, by, worked)]
    for name, text in dashboards_json(DASHBOARDS).items():
        for mark in json.loads(text)["annotations"]["list"]:
            missing += [f"{name}: {what}" for what in checked(prometheus, mark["expr"], worked)]
    assert missing == [], "\n".join(missing)


def test_the_workload_fills_every_panel_and_the_report(
    cluster: RunningCluster, prometheus: Prometheus, worked: float
) -> None:
    subject = subject_of(cluster.stack.checkout / "Pulumi.test.yaml")
    out = CHECKOUT / "report.html"  # what CI keeps of a run, to be looked at
    answers = make_report(subject, DASHBOARDS, prometheus.url, "1h", out)
    assert answers.failed == 0
    timeline = Timeline.before(time.time(), "30m", subject.scrape_seconds)
    empty = {
        f"{dashboard.title} / {panel.title}"
        for dashboard in DASHBOARDS
        for panel in dashboard.panels
        if panel.needs in (Needs.NOTHING, *subject.has)
        for one in panel.queries
        if not prometheus.over(promql(without_fallback(one.expr)), timeline)
    }
    assert empty <= QUIET, "\n".join(sorted(empty - QUIET))
    assert "slurmctld" in out.read_text()


def test_every_alerts_metrics_and_labels_exist(prometheus: Prometheus, worked: float) -> None:
    served = rules(f"{prometheus.url}/")
    missing = [
        f"{name}: {what}"
        for name, rule in served.items()
        for what in checked(prometheus, rule["query"], worked, whatever_value=True)
    ]
    print(f"{len(served)} alerts checked")
    assert missing == [], "\n".join(missing)


def test_a_jobs_cost_is_what_a_person_works_out_and_its_record_has_a_line_on_it(
    cluster: RunningCluster, worked: float
) -> None:
    script = "python3 -c 'x = bytearray(100 << 20); import time; time.sleep(12)'"
    job = cluster.submit("ada", script, "--partition=spot", "--time=5")
    tasks = cluster.submit("ada", "true", "--partition=spot", "--time=5", "--array=1-2")
    cluster.finish(job)
    seconds = float(cluster.record(job, "ElapsedRaw"))
    (told,) = json.loads(cluster.run("ada", f"hpc-job {job} --json"))
    # The whole of a spot node at 10 cents an hour: its memory, by default, is all of the node's.
    assert told["share_of_nodes"] == 1.0
    assert told["dollars"] == pytest.approx(0.10 * seconds / 3600, rel=0.01)
    assert 100 << 20 < told["peak_memory_bytes"] < 200 << 20
    bill = json.loads(cluster.run("ada", "hpc-cost --json"))
    (row,) = (one for one in bill["jobs"] if one["id"] == job)
    assert row["dollars"] == told["dollars"]
    comment = "sacct -nXP -j {} -o AdminComment"
    for one in (job, f"{tasks}_1", f"{tasks}_2"):
        await_value(
            f"the line on job {one}",
            lambda: cluster.run("ada", comment.format(one)),  # noqa: B023  # called at once
            150,
        )
    assert "mem" in cluster.run("ada", comment.format(job))
