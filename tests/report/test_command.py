"""`python -m ops.report`, as a person calls it."""

import math
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from config.panels import DASHBOARDS
from config.panels.cost import COST
from config.panels.model import Needs
from config.panels.my_class import MY_CLASS
from config.panels.queries import Choice, promql
from config.panels.sources import SOURCES, state_of
from ops.environment import CHECKOUT
from ops.report.__main__ import make_report
from ops.report.subject import subject_of
from ops.stack import StackProblem
from tests.report.samples import EVIL, dashboard, panel
from tests.report.stand_in import EVERYTHING, Found, StandIn, listening

LOCAL = CHECKOUT / "Pulumi.local.yaml"
QUERIES = len({query.expr for one in DASHBOARDS for p in one.panels for query in p.queries})


def called(*arguments: str, out: Path) -> "subprocess.CompletedProcess[str]":
    """What the command says, run in an empty directory."""
    return subprocess.run(
        [sys.executable, "-m", "ops.report", "local", *arguments],
        cwd=out,
        env={**os.environ, "PYTHONPATH": f"{CHECKOUT}:{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_writes_one_page_and_says_where(tmp_path: Path) -> None:
    with listening(StandIn(found={EVERYTHING: [({}, 1.0)]})) as server:
        done = called("--range", "2h", "--prometheus", server.url, out=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(
        r"report\.html: \d+ panels, \d+ queries, \d\.\d MB, \d+\.\d s\. Open it in a browser\.\n$",
        done.stdout,
    )
    html = (tmp_path / "report.html").read_text("utf-8")
    assert "Last 2 hours" in html
    assert 'src="http' not in html
    # All users are no class, and there is nothing above to choose from.
    told = [one.title for one in DASHBOARDS if f"<h2>{one.title}</h2>" in html]
    assert told == [one.title for one in DASHBOARDS if one != MY_CLASS]
    assert "account above" not in html
    assert 1e6 < len(html) < 8e6


CLASSES = """
config:
  hpc-stack:cluster:
    pools: {cpu: {cpus: 2, memory_mb: 1500, max_nodes: 2}}
    accounts:
      teaching: {}
      class: {parent: teaching, description: One course}
      class-s02: {parent: class}
      class-s01: {parent: class}
      research: {}
    users:
      ada: {uid: 2001, accounts: [research]}
      ben: {uid: 2002, accounts: [class-s01]}
      eve: {uid: 2003, accounts: [research, class-s02]}
    monitoring: {retention_days: 9}
"""


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    file = tmp_path / "Pulumi.classes.yaml"
    file.write_text(CLASSES)
    return file


def test_an_account_is_reported_with_those_below_it(classes: Path, tmp_path: Path) -> None:
    subject = subject_of(classes, "class")
    assert subject.account
    assert subject.account.choice == Choice(
        accounts=("class", "class-s01", "class-s02"), users=("ben", "eve")
    )
    with listening(StandIn(found={EVERYTHING: [({"user": "ben"}, 1.0)]})) as server:
        make_report(subject, DASHBOARDS, server.url, "24h", tmp_path / "a.html")
    html = (tmp_path / "a.html").read_text("utf-8")
    assert "<h1>Account class: One course</h1>" in html
    assert "With class-s01, class-s02." in html
    assert "Of the jobs here, 1 is told as the user <code>other</code>." in html
    sections = re.findall(r"<h2>([^<]*)</h2><p>", html)
    assert sections == ["My class", "Cost and budget"]
    assert "Left in the budgets" in html
    assert "All nodes this month" not in html
    chosen = r'account=~"class|class\\-s01|class\\-s02"'
    of_the_cluster = {"count(up)", *(state_of([source]) for source in SOURCES)}
    for query in (one["query"] for one in server.asked):
        assert chosen in query or '=~"ben|eve"' in query or query in of_the_cluster
    assert "No alert is active" not in html


def test_an_account_without_others_below_it_is_one_too(classes: Path) -> None:
    found = subject_of(classes, "class-s01").account
    assert found
    assert found.below == ()
    teaching = subject_of(classes, "teaching").account
    assert teaching
    assert teaching.below == ("class", "class-s01", "class-s02")


@pytest.mark.parametrize("name", ["clas", "root", "class|research"])
def test_an_unknown_account_is_refused_with_those_that_there_are(classes: Path, name: str) -> None:
    with pytest.raises(StackProblem) as refused:
        subject_of(classes, name)
    said = str(refused.value)
    assert f"--account {name} is no account of the cluster classes." in said
    assert "Allowed: one of class, class-s01, class-s02, research, teaching." in said
    assert re.search(r"Fix: (did you mean \w+\?|choose one of these)$", said, re.M)
    assert "Without ACCOUNT the report is about the whole cluster." in said


def test_a_range_that_begins_before_the_measurements_is_said(classes: Path, tmp_path: Path) -> None:
    began = time.time() - 7200
    with listening(StandIn(found={EVERYTHING: [({}, 1.0)]}, began=began)) as server:
        make_report(subject_of(classes), DASHBOARDS, server.url, "7d", tmp_path / "a.html")
        make_report(subject_of(classes), DASHBOARDS, server.url, "1h", tmp_path / "b.html")
    html = (tmp_path / "a.html").read_text("utf-8")
    assert re.search(r"Measurements begin on \d+ \w+ \d{4}, \d\d:\d\d UTC; ", html)
    assert "<code>monitoring.retention_days</code> is 9." in html
    assert "Measurements begin" not in (tmp_path / "b.html").read_text("utf-8")


def test_without_prometheus_there_is_one_plain_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    done = called("--prometheus", url, out=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"No report: Prometheus does not answer at {url} (connection refused). Fix: make up\n"
    )
    assert not list(tmp_path.iterdir())


def test_failed_queries_are_counted_and_the_page_is_made_all_the_same(tmp_path: Path) -> None:
    stand_in = StandIn(refused={"max(slurm_jobs_running)": "out of memory"})
    with listening(stand_in) as server:
        done = called("--prometheus", server.url, "--out", "a.html", out=tmp_path)
    assert done.returncode == 0
    # Once for now, once over time.
    assert re.search(r"^2 of \d+ queries have no answer: see the red panels\.$", done.stdout, re.M)
    html = (tmp_path / "a.html").read_text("utf-8")
    assert "Prometheus refuses: out of memory" in html
    assert "2 without an answer" in html


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--range", "yesterday"], "--range yesterday is no range."),
        (["--account", "nobody"], "--account nobody is no account of the cluster local."),
        (["--out", "nowhere/report.html"], "nowhere/report.html cannot be written"),
    ],
)
def test_a_mistake_is_said_in_words(tmp_path: Path, arguments: list[str], said: str) -> None:
    with listening(StandIn()) as server:
        done = called("--prometheus", server.url, *arguments, out=tmp_path)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_where_nothing_was_measured_every_panel_says_so(tmp_path: Path) -> None:
    with listening(StandIn(found={"x": [({}, 1.0)]}, began=math.inf)) as server:
        subject = subject_of(LOCAL)
        made = make_report(subject, [dashboard(panel())], server.url, "24h", tmp_path / "a.html")
    assert not made.timeline.is_shortened
    assert "no data in this time" in (tmp_path / "a.html").read_text("utf-8")


def test_names_of_others_are_no_html(tmp_path: Path) -> None:
    shown = dashboard(panel(expr="x", title=EVIL), title=EVIL)
    with listening(StandIn(found={"x": [({"a": EVIL}, 1.0)]}, refused={"y": EVIL})) as server:
        make_report(subject_of(LOCAL), [shown], server.url, "1h", tmp_path / "a.html")
    html = (tmp_path / "a.html").read_text("utf-8")
    assert "<img" not in html.replace("<image", "")
    assert "<script>document" not in html


def test_budgets_turn_yellow_where_the_alert_begins_to_hold(classes: Path, tmp_path: Path) -> None:
    budget = "    budget: {tres_mins: {cpu: 60000}, warn_at: 0.5}\n"
    classes.write_text(CLASSES + budget)
    (panel,) = (one for one in COST.panels if one.title == "Budgets of minutes by account")
    (query,) = panel.queries
    used = {"low": 0.49, "near": 0.5, "full": 1.0}
    found: list[Found] = [({"account": name, "tres": "cpu"}, share) for name, share in used.items()]
    with listening(StandIn(found={promql(query.expr): found})) as server:
        make_report(subject_of(classes), [COST], server.url, "1h", tmp_path / "a.html")
    html = (tmp_path / "a.html").read_text("utf-8")
    bars = re.findall(r'<th scope="row">(\w+) cpu</th>\n<td class="bar"><i class="(\w+)"', html)
    assert bars == [("full", "red"), ("near", "yellow"), ("low", "green")]


def test_the_subject_is_what_the_settings_say(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.mine.yaml"
    file.write_text("""
config:
  hpc-stack:cluster:
    pools: {cpu: {cpus: 2, memory_mb: 1500, max_nodes: 2, price_per_hour: 0.1}}
    accounts: {physics: {}}
    users: {ada: {uid: 2001, accounts: [physics]}}
    ports: {prometheus: 19091}
    monitoring: {scrape_seconds: 30}
    budget: {dollars: 100, tres_mins: "cpu=6000"}
""")
    found = subject_of(file)
    assert (found.cluster, found.prometheus) == ("mine", "http://127.0.0.1:19091")
    assert found.scrape_seconds == 30
    assert found.has == {Needs.BUDGET, Needs.MINUTES}
    assert not found.on_aws


def test_on_aws_nodes_are_machines() -> None:
    found = subject_of(CHECKOUT / "Pulumi.dev.yaml")
    assert found.on_aws
    assert {Needs.MACHINES, Needs.AWS} <= found.has


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "There is no Pulumi.mine.yaml"),
        ("config: {}", "is not the file of a stack with settings"),
        ("{", "is not the file of a stack with settings"),
        ("config: {'hpc-stack:cluster': {pools: {}}}", "users"),
    ],
)
def test_a_stack_that_is_none_is_said(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "Pulumi.mine.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(StackProblem, match=said):
        subject_of(file)


def test_a_cluster_that_is_not_observed_has_no_report(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.mine.yaml"
    file.write_text(LOCAL.read_text("utf-8") + "\n    monitoring: {enabled: false}\n")
    with pytest.raises(StackProblem, match=r"monitoring\.enabled is false"):
        subject_of(file)
