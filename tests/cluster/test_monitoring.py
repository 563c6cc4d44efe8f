"""Monitoring of a live cluster: whatever a panel, an alert or the report asks for has data.

A name that a new version of anything has changed fails here, with the panel that needs it.
"""

import json
import re
import time
from collections.abc import Iterator

import pytest

from config.alerts import ALERTS
from config.panels import DASHBOARDS
from config.panels.model import Needs
from config.panels.queries import promql
from config.render.grafana import dashboards_json
from ops.environment import CHECKOUT
from ops.report.__main__ import make_report
from ops.report.prometheus import Prometheus
from ops.report.subject import subject_of
from ops.report.timeline import Timeline
from tests.cluster.coverage import Coverage
from tests.cluster.own_stack import remove_labelled
from tests.cluster.running_cluster import RunningCluster, await_value, docker
from tests.cluster.watching import rules
from tests.report.browser import show

QUIET = {"Overview / Alerts", "Host and monitoring / Silent services and nodes"}
"""Panels that show trouble alone."""
MET = (Needs.NOTHING, Needs.MACHINES, Needs.BUDGET, Needs.MINUTES)
SPARE = "spot-3"
"""A node for which the workload has no use."""
VISITOR = "hpc-stack.visitor=test"
"""Label of a container that is not the cluster's."""
_FALLBACK = re.compile(
    r" or (vector\(-1\)|on \(\) (label_replace\()?0 \* |label_replace\(0 \* absent\().*$", re.DOTALL
)


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
    fail_a_launch(cluster, prometheus)
    for job in (hog, waiting, *held):
        cluster.finish(job, seconds=150)
    await_value(
        "the exporter to have counted them",
        lambda: (value(prometheus, 'sum(hpc_stack_jobs_finished_total{account="class"})') or 0) > 1,
        120,
    )
    await_value(
        "the node without a machine to be of use again",
        lambda: cluster.run("ada", f"sinfo -h -n {SPARE} -o %t") == "idle~",
        120,
    )
    return begun


def fail_a_launch(cluster: RunningCluster, prometheus: Prometheus) -> None:
    """Somebody has the name of a node's container, until that has been noticed."""
    name = f"hpc-{cluster.name}-{SPARE}"
    image = docker("inspect", "--format", "{{.Image}}", cluster.container("login"))
    remove_labelled(VISITOR)  # of a killed run
    docker("create", "--name", name, "--label", VISITOR, image)
    try:
        job = cluster.submit("ada", "true", "--partition=spot", f"--nodelist={SPARE}")
        await_value(
            "the failed launch to be counted",
            lambda: value(prometheus, 'sum(hpc_stack_launch_failures_total{pool="spot"})'),
            90,
        )
        cluster.run("ada", f"scancel {job}")
    finally:
        docker("rm", name)


def reasons(prometheus: Prometheus) -> set[str]:
    """Why jobs have waited lately."""
    waited = "max by (reason) (max_over_time(hpc_stack_jobs_pending[10m])) > 0"
    return {one.labels["reason"] for one in prometheus.now(waited, time.time())}


def without_fallback(expr: str) -> str:
    """What comes of measurements alone, without what stands for there being none."""
    return _FALLBACK.sub("", expr)


@pytest.fixture(scope="module")
def coverage(prometheus: Prometheus, worked: float) -> Iterator[Coverage]:
    """Since the workload began. CI keeps what it tells of a run, for those who want to know."""
    found = Coverage(prometheus=prometheus, since=worked)
    yield found
    (CHECKOUT / ".state" / "checked.txt").write_text(found.told())


def test_every_panels_metrics_and_labels_exist(coverage: Coverage) -> None:
    missing = []
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels:
            name = f"{dashboard.title} / {panel.title}"
            for query in panel.queries:
                if panel.needs in MET or only_of_slurm(coverage, query.expr):
                    missing += coverage.missing("panels", name, query.expr)
                else:
                    coverage.leave(name, f"needs {panel.needs}")
    assert missing == [], "\n".join(missing)
    assert len(coverage.checked["panels"]) > 60


def only_of_slurm(coverage: Coverage, expr: str) -> bool:
    """Whether Slurm itself has all of it, which needs no hardware."""
    return all('__name__="slurm_' in selector.text for selector in coverage.selectors_of(expr))


def test_what_pages_offer_to_choose_and_mark_exists(coverage: Coverage) -> None:
    missing = []
    for dashboard in DASHBOARDS:
        if dashboard.variables:
            by = f"count by ({', '.join(dashboard.variables)}) ({dashboard.variable_source})"
            missing += coverage.missing("variables", dashboard.title, by)
    for name, text in dashboards_json(DASHBOARDS).items():
        for mark in json.loads(text)["annotations"]["list"]:
            missing += coverage.missing("marks", f"{name} / {mark['name']}", mark["expr"])
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
    # Nor is a job without a price that had no machine, since its launch had failed.
    assert value(prometheus, "max(hpc_stack_unpriced_jobs_in_period)") == 0
    page = out.read_text("utf-8")
    shown = show(page)
    assert shown.console == ()
    cards = re.findall(r"<article.*?</article>", shown.dom, re.DOTALL)
    drawn = ["main-svg" in card for card in cards if 'class="drawing' in card]
    assert len(drawn) > 30
    assert all(drawn)


def test_every_alerts_metrics_and_labels_exist(coverage: Coverage) -> None:
    served = rules(f"{coverage.prometheus.url}/")
    missing = [
        what
        for name, rule in served.items()
        for what in coverage.missing("alerts", name, rule["query"], whatever_value=True)
    ]
    for alert in ALERTS:
        if alert.name not in served:
            coverage.leave(alert.name, f"only {alert.needs}")
    assert missing == [], "\n".join(missing)
    # The watchdog asks for nothing.
    assert len(coverage.checked["alerts"]) == len(served) - 1


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
