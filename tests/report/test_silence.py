"""A source that does not answer makes its rows red, however much it told before; no others."""

from collections.abc import Sequence

import pytest

from config.panels import DASHBOARDS
from config.panels.model import Dashboard, Kind, Needs, Panel
from config.panels.sources import SOURCES, Source, state_of
from ops.environment import CHECKOUT
from ops.report.contents import contents
from ops.report.data import Answer, Answers, ask
from ops.report.page import concerns, page
from ops.report.prometheus import Prometheus
from ops.report.silence import last_answer
from ops.report.subject import subject_of
from ops.report.timeline import Timeline
from ops.report.views import Drawing, Section
from tests.report.samples import END, HOUR, RISING, answers, dashboard, panel, row, series
from tests.report.stand_in import EVERYTHING, Found, StandIn, listening

BY_NAME = {source.name: source for source in SOURCES if source.name != "slurmctld"}
COUNTED = BY_NAME["job exporter: finished jobs"]
SINCE = "not known: the job exporter has not counted finished jobs since 25 Nov 2025, 22:05 UTC"
AT = END - 55 * 60
ALL_NEEDS = frozenset(Needs)
COST = "hpc_stack_job_cost_dollars_total"
"""One of its metrics."""


def clusters(
    source: Source,
    state: list[Found],
    last: list[Found],
    shown: Sequence[Dashboard] = DASHBOARDS,
) -> Answers:
    """What the cluster's own panels have where this source alone has these answers."""
    known: dict[str, Sequence[Found]] = {
        EVERYTHING: [({}, 1.0)],
        state_of([source]): state,
        last_answer(source, HOUR): last,
    }
    with listening(StandIn(found=known)) as server:
        return ask(shown, Prometheus(server.url), HOUR, ALL_NEEDS)


def red_rows(found: Answers) -> set[str]:
    return {
        f"{section.title}: {row.title}"
        for section in map(Drawing(found).section, DASHBOARDS)
        for row in section.rows
        if row.silences
    }


def section(by_panel: dict[Panel, Answer], *, silent: bool = True) -> Section:
    silences = {COUNTED: SINCE} if silent else {}
    return Drawing(answers(by_panel, silences=silences)).section(dashboard(*by_panel))


def test_where_no_job_is_counted_all_that_accounting_tells_is_not_known_and_nothing_else() -> None:
    found = clusters(COUNTED, [({}, 0.0)], [({}, AT)])
    assert found.silences == {COUNTED: SINCE}
    assert red_rows(found) == {
        "Cost and budget: Spent so far",
        "Cost and budget: What jobs cost",
        "Queue and scheduling: How long jobs waited",
        "Jobs and efficiency: Finished jobs",
        "Jobs and efficiency: What jobs use of what they ask for",
        "My class: In this time",
        "My class: The class as a whole",
        "Accounting database and MySQL: The database now",
        "Accounting database and MySQL: Accounting",
    }


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("alert rules", {"Overview: What is wrong"}),
        ("Alertmanager", {"Host and monitoring: What observes the cluster"}),
        ("each node's exporter", {"Nodes and elasticity: The nodes' machines"}),
        ("each GPU's exporter", {"GPUs: Who has GPUs", "GPUs: What GPUs do"}),
        (
            "host's exporter",
            {
                "Host and monitoring: The controller's machine",
                "Host and monitoring: The machine over time",
            },
        ),
        (
            "node manager: rounds",
            {
                "Overview: Does it work?",
                "Overview: Load",
                "Overview: Over time",
                "Cost and budget: Spent so far",
                "Cost and budget: What nodes cost",
                "Nodes and elasticity: Nodes now",
                "Nodes and elasticity: How nodes come and go",
            },
        ),
        # Its rounds end while it answers.
        ("node manager", {"Nodes and elasticity: The node manager"}),
        # What has a light of its own.
        (
            "job exporter",
            {
                "Overview: Does it work?",
                "Cost and budget: Spent so far",
                "Jobs and efficiency: Finished jobs",
                "Accounting database and MySQL: The database now",
                "Accounting database and MySQL: Accounting",
            },
        ),
        (
            "job exporter: queue",
            {
                "Queue and scheduling: Waiting now",
                "Queue and scheduling: The queue over time",
                "Nodes and elasticity: Nodes now",
            },
        ),
    ],
)
def test_only_the_rows_of_a_silent_source_are_red(name: str, rows: set[str]) -> None:
    assert red_rows(clusters(BY_NAME[name], [({}, 0.0)], [])) == rows


def test_a_report_about_a_class_says_that_its_jobs_are_not_counted() -> None:
    shown = contents(DASHBOARDS, subject_of(CHECKOUT / "Pulumi.local.yaml", "class"))
    found = clusters(COUNTED, [({}, 0.0)], [({}, AT)], shown)
    said = concerns(list(map(Drawing(found).section, shown)))
    assert [one.title for one in said if SINCE in one.text] == [
        "In this time, The class as a whole", "Spent so far",
    ]  # fmt: skip


def test_where_all_answer_no_row_is_red() -> None:
    assert red_rows(clusters(COUNTED, [({}, 1.0)], [])) == set()


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_no_result_at_all_is_silence_but_of_what_a_cluster_may_not_have(source: Source) -> None:
    found = clusters(source, [], [])
    if source.may_be_absent:
        assert found.silences == {}
    else:
        assert found.silences == {source: f"not known: {source.silence} in this time"}


def test_what_nobody_can_say_of_a_source_is_silence() -> None:
    refused = {state_of([COUNTED]): "no", last_answer(COUNTED, HOUR): "no"}
    costs = panel(Kind.BARS, COST)
    with listening(StandIn(refused=refused)) as server:
        found = ask([dashboard(costs)], Prometheus(server.url), HOUR, frozenset())
    assert found.failed == 2
    assert found.silences == {
        COUNTED: "not known: Prometheus does not say how this source is: "
        "job exporter: finished jobs"
    }


def test_sources_of_what_the_cluster_has_not_are_not_asked() -> None:
    gpus = panel(expr="DCGM_FI_DEV_GPU_UTIL", needs=Needs.GPUS)
    with listening(StandIn()) as server:
        ask([dashboard(gpus)], Prometheus(server.url), HOUR, frozenset())
    assert server.asked == []


def test_when_it_last_answered_is_looked_for_in_all_the_time_and_closely() -> None:
    day = Timeline.before(END, "24h", 15)
    assert last_answer(COUNTED, day).endswith(" == 1)[86400s:15s])")
    # Of a week a point is an hour.
    assert last_answer(COUNTED, Timeline.before(END, "7d", 15)).endswith(" == 1)[604800s:180s])")


@pytest.mark.parametrize("kind", set(Kind) - {Kind.LIGHT})
def test_nothing_means_nothing_while_nobody_tells(kind: Kind) -> None:
    one = panel(kind, COST, empty="no job has ended in this time")
    nothing = Answer(series=(), nothing="nobody waits", zeros=(row("nobody waits", 0, None),))
    for answer in (Answer(series=()), nothing):
        (found,) = section({one: answer}).views
        assert (found.colour, found.message) == ("red", SINCE)
    (fine,) = section({one: Answer(series=())}, silent=False).views
    assert (fine.colour, fine.message) == ("", "no job has ended in this time")


def test_a_row_with_older_data_is_at_the_top_and_its_panels_show_the_data() -> None:
    found = section({panel(Kind.LINES, COST): Answer(series=(row("a", 1, 2, None),))})
    assert found.colour == "red"
    assert [view.kind for view in found.views] == ["plot"]
    (concern,) = concerns([found])
    assert (concern.colour, concern.title, concern.text) == ("red", "Row", SINCE)
    assert concern.anchor == found.rows[0].id


def test_a_silence_is_told_once_at_the_top() -> None:
    silent = panel(Kind.BARS, COST, title="Costs", empty_is_fine=False, empty="it is silent")
    plot = panel(Kind.LINES, COST, title="Over time")
    found = section({silent: Answer(series=()), plot: Answer(series=(row("a", 1, 2),))})
    assert [(one.title, one.text) for one in concerns([found])] == [("Costs", "it is silent")]
    # What is red for another reason does not tell of it.
    full = panel(Kind.NUMBER, COST, title="Full", steps=RISING)
    found = section({full: Answer(series=(series("a", 2),))})
    assert [one.title for one in concerns([found])] == ["Row", "Full"]


def test_the_page_says_it_at_the_rows_heading() -> None:
    shown: Dashboard = dashboard(panel(Kind.LINES, COST))
    found = {one: Answer(series=(row("a", 1, 2),)) for one in shown.panels}
    subject = subject_of(CHECKOUT / "Pulumi.local.yaml")
    html = page(subject, [shown], answers(found, silences={COUNTED: SINCE}))
    _, heading = html.split('<h3 id="overview-0" class="red">Row</h3>')
    assert SINCE in heading[: heading.index('<div class="cards">')]
    assert '<a href="#overview-0"><b>Row:</b> not known: the job exporter' in html
    calm = page(subject, [shown], answers(found))
    assert '<h3 id="overview-0">Row</h3>' in calm
    assert "not known" not in calm[calm.index("<body>") : calm.index('id="plots"')]
