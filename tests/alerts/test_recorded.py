"""Rules do with what a live cluster measured what its own Prometheus did with it."""

import re
from pathlib import Path

import pytest

from config.alerts import ALERTS, WATCHDOG, Needs
from config.alerts.sources import ALWAYS
from tests.alerts import promtool
from tests.alerts.cluster import healthy, settings
from tests.alerts.faults import FAULTS
from tests.alerts.recorded import OF_MACHINES, Recording, promtool_tests, recorded_settings
from tests.alerts.stretched import STRETCHED, STRETCHED_OF_MACHINES, promtool_test


@pytest.fixture(scope="module")
def recording() -> Recording:
    return Recording()


def test_what_fired_on_a_live_cluster_fires_and_ends_with_what_it_measured(
    tmp_path: Path, recording: Recording
) -> None:
    rules = promtool.rule_files(recorded_settings())
    files = {**rules, "recorded.yml": promtool_tests(recording, rules)}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert promtool.run(tmp_path, "test", ["recorded.yml"]) == ""


def test_what_was_not_done_for_its_whole_time_fires_and_ends_with_what_a_live_cluster_measured(
    tmp_path: Path, recording: Recording
) -> None:
    tests = {f"{one.alert}.yml": promtool_test(recording, one) for one in STRETCHED}
    for name, text in {**promtool.rule_files(recorded_settings()), **tests}.items():
        (tmp_path / name).write_text(text)
    assert promtool.run(tmp_path, "test", tests) == ""


def test_what_happens_to_machines_fires_and_ends_with_what_rehearsed_ones_measured(
    tmp_path: Path,
) -> None:
    recording = Recording(OF_MACHINES)
    tests = {f"{one.alert}.yml": promtool_test(recording, one) for one in STRETCHED_OF_MACHINES}
    assert len(tests) == sum(one.needs is Needs.AWS for one in ALERTS)
    for name, text in {**promtool.rule_files(settings()), **tests}.items():
        (tmp_path / name).write_text(text)
    assert promtool.run(tmp_path, "test", tests) == ""


def test_each_alert_that_needs_neither_aws_nor_gpus_fired_and_ended_live_or_it_is_said_why(
    recording: Recording,
) -> None:
    possible = {one.name for one in ALERTS if one.needs in (Needs.NOTHING, Needs.COST_LIMIT)}
    seen = {name for name, when in recording.alerts.items() if when.fired and when.ended}
    assert possible - seen - {WATCHDOG} == {one.alert for one in STRETCHED}


def test_series_that_were_written_by_hand_have_the_labels_of_measured_ones(
    recording: Recording,
) -> None:
    measured: dict[str, set[frozenset[str]]] = {}
    for one in (*recording.series(), *Recording(OF_MACHINES).series()):
        metric, labels = _parted(one["series"])
        measured.setdefault(metric, set()).add(labels)
    written = {
        *healthy(),
        *(name for some in FAULTS.values() for one in some for name in one.shows),
    }
    needed = {one for some in ALWAYS.values() for one in some}
    assert needed <= set(measured)
    strange = sorted(
        name
        for name, (metric, labels) in ((name, _parted(name)) for name in written)
        if metric in measured
        and labels not in measured[metric]
        # There was none.
        and not re.search('job="gpu"', name)
    )
    assert strange == []


def _parted(series: str) -> tuple[str, frozenset[str]]:
    """Its metric, and the names of its labels."""
    metric, _, rest = series.partition("{")
    return metric, frozenset(re.findall(r'(\w+)="', rest))
