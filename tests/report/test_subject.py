"""What Prometheus does not know of the account that a report is about."""

from collections.abc import Sequence

import pytest

from config.panels.queries import Choice
from ops.report.prometheus import Prometheus
from ops.report.subject import ChosenAccount, Subject, measured
from ops.report.timeline import Timeline
from tests.report.stand_in import Found, StandIn, listening

NOW = 1_795_651_200.0
TIMELINE = Timeline.before(NOW, "18w", 15)
BY_USER = (
    "round(sum(increase(hpc_stack_user_jobs_finished_total"
    '{account=~"class|class\\\\-s01", user="other"}[18w])))'
)
BY_ACCOUNT = (
    "round(sum(increase(hpc_stack_user_jobs_finished_total"
    '{account="other", user=~"ada|ben"}[18w])))'
)


def subject(account: ChosenAccount | None) -> Subject:
    return Subject(
        cluster="local",
        prometheus="http://127.0.0.1:9090",
        scrape_seconds=15,
        has=frozenset(),
        on_aws=False,
        retention_days=200,
        numbers={},
        account=account,
    )


CLASS = subject(
    ChosenAccount(
        name="class",
        description="",
        choice=Choice(accounts=("class", "class-s01"), users=("ada", "ben")),
    )
)


def unmeasured(stand_in: StandIn) -> str:
    """What is said when this Prometheus is asked."""
    with listening(stand_in) as server:
        found = measured(CLASS, Prometheus(server.url), TIMELINE)
    assert found.account
    return found.account.unmeasured


@pytest.mark.parametrize("found", [{}, {BY_USER: [({}, 0.0)], BY_ACCOUNT: [({}, 0.0)]}])
def test_where_all_are_told_by_name_nothing_is_said(found: dict[str, Sequence[Found]]) -> None:
    stand_in = StandIn(found=found)
    assert unmeasured(stand_in) == ""
    assert [(one["query"], float(one["time"])) for one in stand_in.asked] == [
        (BY_USER, NOW),
        (BY_ACCOUNT, NOW),
    ]


def test_jobs_that_are_told_as_other_are_said() -> None:
    assert unmeasured(StandIn(found={BY_USER: [({}, 12.0)], BY_ACCOUNT: [({}, 1.0)]})) == (
        "Of the jobs here, 12 are told as the user `other`. "
        "Raise `monitoring.max_users`: it holds for jobs from then on. "
        "Of the jobs of users here, 1 is told as the account `other`, and missing where it is one "
        "of these. Raise `monitoring.max_accounts`: it holds for jobs from then on."
    )


def test_what_prometheus_does_not_answer_is_not_known() -> None:
    said = unmeasured(StandIn(refused={BY_USER: "out of memory"}))
    assert said == "Whether all users are told by name is not known: out of memory."


def test_a_report_about_the_whole_cluster_asks_nothing() -> None:
    whole = subject(None)
    stand_in = StandIn()
    with listening(stand_in) as server:
        assert measured(whole, Prometheus(server.url), TIMELINE) is whole
    assert stand_in.asked == []
