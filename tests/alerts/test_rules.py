"""Each alert fires on its fault, says what is so, and ends; a healthy cluster alerts nobody."""

import re
from pathlib import Path

import pytest
from node_manager.slurm_state import SLURM_REASONS as REASONS_OF_NODE_MANAGER

from config.alerts import ALERT_GROUPS, ALERTS, Alert, Severity
from config.alerts.nodes import SLURM_REASONS
from config.alerts.sources import ALWAYS, SOMETIMES
from config.panels import DASHBOARDS
from tests.alerts import promtool
from tests.alerts.cluster import healthy, settings
from tests.alerts.fault import Fault
from tests.alerts.faults import FAULTS

BY_NAME = {alert.name: alert for alert in ALERTS}
ALL_FAULTS = [fault for faults in FAULTS.values() for fault in faults]
SEVERITIES = list(Severity)
_METRIC = re.compile(
    r"\b(?:hpc_stack|slurm|node|mysql|prometheus|alertmanager|DCGM)_\w+(?=[{\[)\s])|\bup(?=\{)"
)


def metrics(alert: Alert) -> set[str]:
    """Names of the metrics that an alert asks for."""
    return set(_METRIC.findall(alert.expr))


def test_each_alert_fires_on_its_fault_and_ends_and_nothing_fires_without_one(
    tmp_path: Path,
) -> None:
    tests = promtool.test_files(settings(), FAULTS)
    for name, text in {**promtool.rule_files(settings()), **tests}.items():
        (tmp_path / name).write_text(text)
    assert promtool.run(tmp_path, "test", tests) == ""


def test_no_alert_lacks_a_fault_that_shows_it() -> None:
    shown = {group: {fault.alert for fault in faults} for group, faults in FAULTS.items()}
    # That one fires in every test.
    shown["observers"] |= {"Watchdog"}
    assert shown == {group: {one.name for one in some} for group, some in ALERT_GROUPS.items()}


@pytest.mark.parametrize("fault", ALL_FAULTS, ids=lambda fault: fault.alert)
def test_a_fault_is_looked_at_when_rules_are(fault: Fault) -> None:
    for minute in (fault.begins, fault.fires, fault.ends, fault.over):
        assert minute % fault.evaluation == 0
    assert fault.begins < fault.fires < fault.ends


@pytest.mark.parametrize("fault", ALL_FAULTS, ids=lambda fault: fault.alert)
def test_of_consequences_nobody_is_told(fault: Fault) -> None:
    for name in fault.also:
        assert fault.alert in BY_NAME[name].explained_by


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_a_cause_is_as_urgent_as_its_consequences_and_outlasts_them(alert: Alert) -> None:
    for name in alert.explained_by:
        cause = BY_NAME[name]
        assert SEVERITIES.index(cause.severity) <= SEVERITIES.index(alert.severity)
        # Else the consequence would be told when the cause is over, for no reason.
        assert promtool.minutes(cause.keeps) > promtool.minutes(alert.keeps) or not alert.keeps


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_a_cause_and_its_consequence_have_the_labels_by_which_they_belong_together(
    alert: Alert,
) -> None:
    labels = [set(fault.labels) for fault in ALL_FAULTS if fault.alert == alert.name]
    for found in labels:
        assert set(alert.about) <= found
        for name in alert.explained_by:
            assert set(BY_NAME[name].about) <= found


def test_what_alerts_ask_for_is_watched_for_its_absence() -> None:
    asked = set().union(*map(metrics, ALERTS))
    always = {metric for some in ALWAYS.values() for metric in some}
    assert asked - {"up"} == always | SOMETIMES
    assert not always & SOMETIMES


def test_the_healthy_cluster_of_these_tests_has_all_that_is_asked_for() -> None:
    asked = set().union(*map(metrics, ALERTS))
    # Where these are, something is wrong.
    assert asked - {series.partition("{")[0] for series in healthy()} == {
        "hpc_stack_node_out_of_service"
    }


def test_reasons_of_slurms_own_are_those_that_the_node_manager_knows() -> None:
    assert SLURM_REASONS == REASONS_OF_NODE_MANAGER


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_points_to_a_dashboard_that_is_there(alert: Alert) -> None:
    assert alert.dashboard in {dashboard.uid for dashboard in DASHBOARDS}
