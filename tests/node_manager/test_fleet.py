"""fleet.json is read completely, or refused with a text that says what to do."""

import json
from pathlib import Path
from typing import Any

import pytest
from node_manager.fleet import Capacity, Gpus, Window
from node_manager.fleet_file import FleetError, parse_fleet, read_fleet

from tests.node_manager.builders import ORDINARY, SPOT, fleet_document

GPU_POOL = {"name": "gpu", "min_nodes": 1, "max_nodes": 2, "cpus": 8, "memory_mb": 16000} | ORDINARY
WINDOW = {"days": [0, 6], "from": "09:00", "to": "11:30", "nodes": 3}
EC2_POOL = {
    "launch_template": "lt-1",
    "launch_template_version": "3",
    "subnets": ["subnet-a", "subnet-b"],
    "instance_types": [{"name": "c7i.large", "on_demand_price": 0.0893, "spot_price": 0.03}],
}
EC2 = {
    "region": "eu-central-1",
    "names_bucket": "b",
    "names_prefix": "names/",
    "tags": {"team": "a"},
    "shortage_seconds": 600,
}


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
    assert fleet.pool_of_node["gpu-2"].cpus == 8


def test_device_files_are_each_nodes_or_those_of_all_nodes_in_turn() -> None:
    gpus = Gpus(type="a100", count=2, device_files=("/dev/a", "/dev/b"))
    assert gpus.files_of(1) == gpus.files_of(7) == ("/dev/a", "/dev/b")
    gpus = Gpus(type="a100", count=1, device_files=("/dev/a", "/dev/b"))
    assert (gpus.files_of(1), gpus.files_of(2)) == (("/dev/a",), ("/dev/b",))


def test_device_files_that_are_neither_are_refused() -> None:
    document = fleet_document()
    gpus = {"type": "a100", "count": 2, "device_files": ["/dev/a", "/dev/b", "/dev/c"]}
    document["pools"][0]["gpus"] = gpus
    told = r"pools\[0\].gpus.device_files: 3 files; allowed: 2, those of each node, or 8"
    with pytest.raises(FleetError, match=told):
        parse_fleet(document)


def test_unknown_keys_are_ignored() -> None:
    document = fleet_document(a_later_key=1)
    document["pools"][0]["colour"] = True
    assert parse_fleet(document) == parse_fleet(fleet_document())


def test_another_provider_needs_no_docker_settings() -> None:
    document = fleet_document(provider="ec2", ec2=EC2)
    del document["docker"]
    document["pools"][0]["ec2"] = EC2_POOL
    fleet = parse_fleet(document)
    assert fleet.docker is None
    assert fleet.ec2 is not None
    assert (fleet.ec2.region, fleet.ec2.tags) == ("eu-central-1", {"team": "a"})
    pool = fleet.pools[0]
    assert pool.ec2 is not None
    assert pool.ec2.subnets == ("subnet-a", "subnet-b")
    assert pool.ec2.instance_types[0].spot_price == 0.03


def test_elastic_options_are_read() -> None:
    document = fleet_document(time_zone="Europe/Berlin")
    document["pools"][0] |= {
        "warm_nodes": 2,
        "schedule": [WINDOW],
        "spot": SPOT | {"on_demand_nodes": 1, "fallback_after_seconds": 60},
        "price_per_hour": {"on_demand": 1, "spot": 0.4},
    }
    document["limits"] |= {"max_instances": 7, "max_cost_per_hour": 2.5}
    fleet = parse_fleet(document)
    (pool,) = fleet.pools
    assert pool.schedule == (Window(days=frozenset({0, 6}), start=540, end=690, nodes=3),)
    assert [pool.capacity(name).value for name in pool.node_names()[:2]] == ["on_demand", "spot"]
    assert pool.prices == {Capacity.ON_DEMAND: 1.0, Capacity.SPOT: 0.4}
    assert (fleet.limits.max_instances, fleet.limits.max_cost_per_hour) == (7, 2.5)
    assert str(fleet.time_zone) == "Europe/Berlin"


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
        (_changed(schedule=[WINDOW | {"days": [7]}]), r"schedule\[0\].days: expected numbers from"),
        (_changed(schedule=[WINDOW | {"to": "24:00"}]), r"schedule\[0\].to: expected HH:MM"),
        (_changed(price_per_hour={"spot": 1}), r"price_per_hour.on_demand: expected a number"),
        (_changed(price_per_hour={"spot": 1, "on_demand": -1}), "expected a number from 0"),
        (_changed(spot=SPOT | {"signal": 9}), r"spot.signal: expected str, found 9"),
        (_changed(ec2=EC2_POOL | {"subnets": []}), "at least one instance type and one subnet"),
        (fleet_document(time_zone="Mars/Base"), 'time_zone: "Mars/Base" is not in'),
        (fleet_document(provider="ec2"), "ec2: missing"),
        (fleet_document(provider="ec2", ec2=EC2), r"pools\[0\].ec2: missing"),
        (fleet_document(limits={"brake_after": 0}), "limits.brake_after: 0 is too small"),
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
