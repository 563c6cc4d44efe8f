"""Which nodes Prometheus is told of."""

import json
from pathlib import Path
from typing import Any

import pytest
from node_manager.actions import Mark, View
from node_manager.fleet import Fleet
from node_manager.fleet_file import parse_fleet
from node_manager.provider import Instance, InstanceState
from node_manager.targets import Targets

from tests.node_manager.builders import fleet_document, make_instance


def fleet(**changes: Any) -> Fleet:
    document = fleet_document(**changes)
    gpu = {**document["pools"][0], "name": "gpu", "gpus": {"type": "t4", "count": 1}}
    return parse_fleet({**document, "pools": [*document["pools"], gpu]})


def view(*machines: Instance, ready: tuple[str, ...]) -> View:
    return View(nodes={}, instances=machines, marks={Mark.READY: frozenset(ready)})


@pytest.fixture
def targets(tmp_path: Path) -> Targets:
    made = Targets(tmp_path / "targets")
    made.prepare()
    return made


def read(tmp_path: Path, name: str) -> Any:
    return json.loads((tmp_path / "targets" / name).read_text())


def test_nodes_that_are_there_are_named_and_others_not(targets: Targets, tmp_path: Path) -> None:
    machines = (
        make_instance("cpu-2", address="10.0.0.2"),
        make_instance("cpu-1", address="10.0.0.1"),
        make_instance("cpu-3", address="10.0.0.3"),  # not registered yet
        make_instance("cpu-4", InstanceState.STOPPING, address="10.0.0.4"),
        make_instance("gpu-1", address="10.0.0.9"),
        make_instance("old-1", address="10.0.0.8"),  # of a pool that is gone
        make_instance("gpu-2"),  # no address yet
    )
    ready = ("cpu-1", "cpu-2", "cpu-4", "gpu-1", "gpu-2", "old-1")
    targets.write(fleet(), view(*machines, ready=ready))
    assert read(tmp_path, "nodes.json") == [
        {"targets": ["10.0.0.1:9100"], "labels": {"node": "cpu-1", "pool": "cpu"}},
        {"targets": ["10.0.0.2:9100"], "labels": {"node": "cpu-2", "pool": "cpu"}},
        {"targets": ["10.0.0.9:9100"], "labels": {"node": "gpu-1", "pool": "gpu"}},
    ]
    assert read(tmp_path, "gpus.json") == [
        {"targets": ["10.0.0.9:9400"], "labels": {"node": "gpu-1", "pool": "gpu"}}
    ]


def test_a_file_is_written_only_when_it_changes(targets: Targets, tmp_path: Path) -> None:
    there = view(make_instance("cpu-1", address="a"), ready=("cpu-1",))
    targets.write(fleet(), there)
    before = (tmp_path / "targets/nodes.json").stat().st_ino
    targets.write(fleet(), there)
    assert (tmp_path / "targets/nodes.json").stat().st_ino == before
    targets.write(fleet(), view(ready=()))
    assert read(tmp_path, "nodes.json") == []


def test_a_cluster_that_is_not_observed_has_no_targets(targets: Targets, tmp_path: Path) -> None:
    there = view(make_instance("cpu-1", address="a"), ready=("cpu-1",))
    targets.write(fleet(node_metrics=False), there)
    assert read(tmp_path, "nodes.json") == []
