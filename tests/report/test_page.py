"""The top of the page: what is wrong, what was done, and what it is all about."""

from pathlib import Path

import pytest

from config.panels.cost import BY_USE, DEAREST, WASTE
from config.panels.jobs import COMPLETED_SHARE, ENDED
from config.panels.model import Kind, Panel
from config.panels.my_class import CLASS_COST, CLASS_ENDED
from config.panels.overview import FIRING
from ops.environment import CHECKOUT
from ops.report.data import Answer
from ops.report.facts import facts
from ops.report.page import concerns, page
from ops.report.subject import subject_of
from ops.report.views import Drawing
from tests.report.samples import RISING, answers, dashboard, panel, series

EMPTY = Answer(series=())
NO_ALERT = Answer(series=(), nothing="no alert")
LOCAL = CHECKOUT / "Pulumi.local.yaml"


def alert(name: str, severity: str) -> Answer:
    return Answer(series=(series(name, 1, alertname=name, severity=severity),))


def shown(found: dict[Panel, Answer]) -> str:
    """The page down to its first section."""
    html = page(subject_of(LOCAL), [dashboard(*found)], answers(found))
    return html[html.index("<header>") : html.index('<section class="part"')]


def test_without_alerts_and_faults_it_is_said_that_no_alert_is_active() -> None:
    top = shown({FIRING: NO_ALERT})
    assert "No alert is active" in top
    assert 'class="attention green"' in top


def test_that_no_alert_is_active_is_not_known_while_rules_are_not_evaluated() -> None:
    top = shown({FIRING: EMPTY})
    assert "No alert is active" not in top
    assert 'class="attention red"' in top
    assert "<b>Alerts:</b> not known: rules are not evaluated" in top


def test_that_no_alert_is_active_is_not_said_where_nobody_asked() -> None:
    assert "No alert is active" not in shown({panel(Kind.NUMBER): EMPTY})


def test_that_no_alert_is_active_is_not_said_where_nobody_answered() -> None:
    top = shown({FIRING: Answer(series=(), failures=("Prometheus refuses: no",))})
    assert "No alert is active" not in top
    assert "1 thing needs attention" in top


@pytest.mark.parametrize(
    ("severity", "colour"),
    [("page", "red"), ("warning", "yellow"), ("info", "blue"), ("own", "yellow")],
)
def test_an_active_alert_is_at_the_top_with_what_it_means(severity: str, colour: str) -> None:
    top = shown({FIRING: alert("SlurmctldDown", severity)})
    assert f'class="attention {colour}"' in top
    assert "<b>SlurmctldDown:</b> Running jobs go on" in top


def test_an_alert_comes_before_a_panel_of_its_colour() -> None:
    hot = panel(Kind.NUMBER, title="Hot", steps=RISING)
    found = {hot: Answer(series=(series("a", 2),)), FIRING: alert("Own", "page")}
    section = Drawing(answers(found)).section(dashboard(*found))
    assert [(one.colour, one.title) for one in concerns([section])] == [
        ("red", "Own"), ("red", "Hot"),
    ]  # fmt: skip


CLUSTER = {
    ENDED: Answer(series=(series("jobs", 1200),)),
    COMPLETED_SHARE: Answer(series=(series("completed", 0.95),)),
    BY_USE: Answer(series=(series("allocated", 6), series("idle", 3), series("starting", 1))),
    WASTE: Answer(series=(series("waste", 0.4),)),
    DEAREST: Answer(series=(series("ada", 4), series("ben", 2))),
}


def test_who_has_a_minute_learns_what_was_done_and_what_it_cost() -> None:
    assert facts(answers(dict(CLUSTER))) == (
        "Last hour: 1,200 jobs ended, 1,140 of them completed (95%); nodes cost $10.00, 40% of it "
        "while they started, idled or were out of service; ada spent most ($4.00)"
    )
    top = shown({**CLUSTER, FIRING: NO_ALERT})
    assert '<p class="facts">Last hour: 1,200 jobs ended' in top
    assert top.count("<section") == top.count("</section>") == 1


def test_it_is_told_beside_what_is_wrong() -> None:
    top = shown({**CLUSTER, FIRING: alert("Own", "page")})
    assert top.index("<b>Own:") < top.index('class="facts"') < top.index("</section>")
    assert top.count("</section>") == 1


def test_what_nobody_told_is_left_out() -> None:
    assert facts(answers({})) == ""
    assert facts(answers(dict.fromkeys(CLUSTER, EMPTY))) == ""
    assert 'class="facts"' not in shown({FIRING: NO_ALERT})
    free = {BY_USE: Answer(series=(series("idle", 0),)), DEAREST: Answer(series=(series("a", 0),))}
    assert facts(answers({**free, WASTE: Answer(series=(series("waste", 0),))})) == ""
    assert facts(answers({ENDED: Answer(series=(series("jobs", 1),))})) == "Last hour: 1 job ended"
    none = Answer(series=(series("jobs", 0),))
    assert facts(answers({ENDED: none})) == "Last hour: no job ended"


def test_of_a_class_its_own_jobs_are_told() -> None:
    states = (series("", 9, state="completed"), series("", 3, state="failed"))
    found = {
        CLASS_ENDED: Answer(series=states),
        CLASS_COST: Answer(series=(series("ben", 2), series("eve", 1))),
    }
    assert facts(answers(found)) == (
        "Last hour: 12 jobs ended, 9 of them completed (75%); the jobs cost $3.00; "
        "ben spent most ($2.00)"
    )
    nothing = Answer(series=(), nothing="no job has ended")
    assert facts(answers({CLASS_ENDED: nothing})) == "Last hour: no job ended"


def test_many_accounts_are_not_all_named(tmp_path: Path) -> None:
    below = "".join(f"      class-s{n:02}: {{parent: class}}\n" for n in range(40))
    file = tmp_path / "Pulumi.local.yaml"
    file.write_text(LOCAL.read_text("utf-8").replace("      class:\n", f"{below}      class:\n"))
    html = page(subject_of(file, "class"), [], answers({}))
    assert "With class-s00, class-s01, " in html
    assert "class-s11 and 28 more below it." in html
