"""fleet.json is read completely, or refused with a text that says what to do."""

import json
from pathlib import Path
from typing import Any

import pytest
from node_manager.fleet_file import FleetError, parse_fleet, read_fleet

from tests.node_manager.builders import fleet_document

GPU_POOL = {"name": "gpu", "min_nodes": 1, "max_nodes": 2, "cpus": 8, "memory_mb": 16000}


def test_a_complete_document_is_read() -> None:
    gpus = {"type": "a100", "count": 2, "device_files": None}
    document = fleet_document()
    document["pools"] = [*document["pools"], GPU_POOL | {"gpus": gpus}]
    fleet = parse_fleet(document)
    assert fleet.cluster == "local"
    assert fleet.resume_timeout_seconds == 120
    cpu, gpu = fleet.pools
    assert cpu.node_names() == ("cpu-1", "cpu-2", "cpu-3", "cpu-4")
    assert cpu.gpus is None
    assert gpu.gpus is not None
    assert gpu.gpus.device_files == ("/dev/nvidia0", "/dev/nvidia1")
    assert fleet.docker is not None
    assert fleet.docker.volumes[0].target == "/home"
    assert fleet.pool_of_node()["gpu-2"].cpus == 8


def test_unknown_keys_are_ignored() -> None:
    document = fleet_document(a_later_key=1)
    document["pools"][0]["spot"] = True
    assert parse_fleet(document) == parse_fleet(fleet_document())


def test_another_provider_needs_no_docker_settings() -> None:
    document = fleet_document(provider="ec2")
    del document["docker"]
    assert parse_fleet(document).docker is None


def _changed(**changes: Any) -> dict[str, Any]:
    document = fleet_document()
    document["pools"][0] |= changes
    return document


def _docker(**changes: Any) -> dict[str, Any]:
    document = fleet_document()
    document["docker"] |= changes
    return document


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (fleet_document(version=2), "version: 2 is not known.*reads version 1"),
        (fleet_document(version="1"), 'version: expected int, found "1"'),
        ([], "expected an object"),
        ({}, "version: missing"),
        (_changed(max_nodes=-1), r"pools\[0\].max_nodes: -1 is too small; at least 0"),
        (_changed(max_nodes=True), r"pools\[0\].max_nodes: expected int, found true"),
        (_changed(min_nodes=5), r"pools\[0\].min_nodes: 5 is more than max_nodes, 4"),
        (_changed(gpus={"type": "x"}), r"pools\[0\].gpus.count: missing"),
        (_changed(gpus=7), r"pools\[0\].gpus: expected an object, found 7"),
        (_docker(cgroup="v3"), 'docker.cgroup: "v3" is not known; allowed: "v1", "v2"'),
        (_docker(volumes=[{"source": "a"}]), r"docker.volumes\[0\].target: missing"),
        (fleet_document(pools=[GPU_POOL, GPU_POOL]), 'node "gpu-1" belongs to two pools'),
    ],
)
def test_a_mistake_is_named_with_its_path(document: object, text: str) -> None:
    with pytest.raises(FleetError, match=text):
        parse_fleet(document)


def test_errors_name_the_file(tmp_path: Path) -> None:
    file = tmp_path / "fleet.json"
    with pytest.raises(FleetError, match=r"fleet\.json: cannot be read: No such file"):
        read_fleet(file)
    file.write_text("{")
    with pytest.raises(FleetError, match=r"fleet\.json: not JSON"):
        read_fleet(file)
    file.write_text(json.dumps(fleet_document(version=9)))
    with pytest.raises(FleetError, match=r"fleet\.json: version: 9"):
        read_fleet(file)
