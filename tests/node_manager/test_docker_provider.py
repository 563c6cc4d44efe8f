"""The Docker platform against the real engine of this machine.

Everything is made by these tests, carries a name of its own, and is removed also when a test fails.
"""

import io
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import APIError, NotFound
from docker.utils import kwargs_from_env
from node_manager.docker_provider import DockerProvider
from node_manager.fleet import Fleet, Gpus, Pool
from node_manager.fleet_file import parse_fleet
from node_manager.provider import (
    Instance,
    InstanceState,
    LaunchRequest,
    LaunchResult,
    ProviderUnavailable,
)

from tests.node_manager.builders import fleet_document
from tests.node_manager.tiny_image import import_images

KEY = b"the key of the cluster"
PATIENCE_SECONDS = 30


class Engine:
    """The engine with a network, a volume, images and names of this test run only."""

    def __init__(self) -> None:
        self.client = docker.APIClient(**kwargs_from_env(), version="auto")
        self.mark = f"nmtest{uuid.uuid4().hex[:8]}"
        self.volume = f"{self.mark}_home"
        self.images: tuple[str, ...] = ()

    def prepare(self) -> None:
        self.images = import_images(self.client, self.mark)
        self.client.create_network(self.mark, labels={"hpc-stack.test": self.mark})
        self.client.create_volume(self.volume, labels={"hpc-stack.test": self.mark})

    def clean(self) -> None:
        self.remove_containers()
        removals: list[Callable[[], Any]] = [
            lambda: self.client.remove_network(self.mark),
            lambda: self.client.remove_volume(self.volume, force=True),
            *(
                lambda image=image: self.client.remove_image(image, force=True)
                for image in self.images
            ),
        ]
        for remove in removals:
            try:
                remove()
            except NotFound:
                continue

    def remove_containers(self) -> None:
        everything = self.client.containers(all=True)
        for container in everything:
            if any(name.startswith(f"/hpc-{self.mark}") for name in container["Names"]):
                try:
                    self.client.remove_container(container["Id"], force=True, v=True)
                except NotFound:
                    continue

    def fleet(self, *, cluster: str = "", **docker_settings: Any) -> Fleet:
        document = fleet_document(cluster=cluster or self.mark)
        document["docker"] = {
            "image": f"{self.mark}:wait",
            "network": self.mark,
            "controller": "slurmctld:6817",
            "volumes": [{"source": self.volume, "target": "/home", "read_only": True}],
            "cgroup": "v1",
            "labels": {"team": "a"},
        } | docker_settings
        return parse_fleet(document)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine()
    try:
        engine.prepare()
        yield engine
    finally:
        engine.clean()


@pytest.fixture(autouse=True)
def _no_containers_left(engine: Engine) -> Iterator[None]:
    yield
    engine.remove_containers()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "slurm.key"
    path.write_bytes(KEY)
    return path


@pytest.fixture
def provider(engine: Engine, key: Path) -> DockerProvider:
    return DockerProvider(engine.fleet(), key)


def request(node: str = "cpu-1", pool: Pool | None = None) -> LaunchRequest:
    return LaunchRequest(node=node, pool=pool or parse_fleet(fleet_document()).pools[0])


def launched(provider: DockerProvider, *nodes: str) -> dict[str, str]:
    """Launch and expect success; node name to container id."""
    results = provider.launch([request(node) for node in nodes])
    assert [result.failure for result in results] == [None] * len(nodes)
    return {result.node: str(result.provider_id) for result in results}


def failure_of(result: LaunchResult) -> tuple[str, bool]:
    assert result.failure is not None, "the launch should have failed"
    assert result.provider_id is None
    assert result.failure.message
    return result.failure.code, result.failure.retryable


def until_state(provider: DockerProvider, state: InstanceState) -> Instance:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        (instance,) = provider.list_instances()
        if instance.state is state:
            return instance
        time.sleep(0.05)
    raise AssertionError(f"still {instance}")


def test_machines_are_launched_listed_and_terminated(provider: DockerProvider) -> None:
    nodes = [f"cpu-{index}" for index in range(1, 5)]
    ids = launched(provider, *nodes)
    listed = provider.list_instances()
    assert {i.node: i.provider_id for i in listed} == ids
    assert {(i.pool, i.state) for i in listed} == {("cpu", InstanceState.RUNNING)}
    assert all(abs(i.created_at - time.time()) < 60 for i in listed)
    assert [result.error for result in provider.terminate(listed)] == [""] * 4
    assert provider.list_instances() == []


def test_a_container_is_what_the_contract_says(engine: Engine, provider: DockerProvider) -> None:
    container = launched(provider, "cpu-1")["cpu-1"]
    found = engine.client.inspect_container(container)
    config, host = found["Config"], found["HostConfig"]
    assert found["Name"] == f"/hpc-{engine.mark}-cpu-1"
    assert config["Hostname"] == "cpu-1"
    assert {"SLURM_NODE_NAME=cpu-1", "SLURM_CONTROLLER=slurmctld:6817"} <= set(config["Env"])
    assert config["Labels"] == {
        "team": "a",
        "hpc-stack.cluster": engine.mark,
        "hpc-stack.pool": "cpu",
        "hpc-stack.node": "cpu-1",
        "hpc-stack.capacity": "on_demand",
    }
    assert list(found["NetworkSettings"]["Networks"]) == [engine.mark]
    assert "cpu-1" in found["NetworkSettings"]["Networks"][engine.mark]["Aliases"]
    assert host["Privileged"] is False
    assert host["CapAdd"] == ["SYS_PTRACE"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Init"] is True
    assert host["NanoCpus"] == 2_000_000_000
    assert host["Memory"] == (2000 + 256) << 20
    assert host["RestartPolicy"]["Name"] == "no"
    assert host["Binds"] == [f"{engine.volume}:/home:ro"]


def test_the_key_is_in_the_container_for_root_alone(
    engine: Engine, provider: DockerProvider
) -> None:
    container = launched(provider, "cpu-1")["cpu-1"]
    stream, _ = engine.client.get_archive(container, "/etc/slurm/slurm.key")
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
        (entry,) = archive.getmembers()
        content = archive.extractfile(entry)
        assert content is not None
        assert content.read() == KEY
    assert (entry.uid, entry.gid, entry.mode & 0o777) == (0, 0, 0o400)


def test_the_key_is_in_no_description_of_the_container(
    engine: Engine, provider: DockerProvider
) -> None:
    container = launched(provider, "cpu-1")["cpu-1"]
    assert KEY.decode() not in str(engine.client.inspect_container(container))


def test_cgroup_v2_gets_what_slurmd_needs_and_no_more(engine: Engine, key: Path) -> None:
    provider = DockerProvider(engine.fleet(cgroup="v2"), key)
    container = launched(provider, "cpu-1")["cpu-1"]
    host = engine.client.inspect_container(container)["HostConfig"]
    assert sorted(host["CapAdd"]) == ["BPF", "NET_ADMIN", "SYS_NICE", "SYS_PTRACE"]
    assert host["CgroupnsMode"] == "host"
    assert "/sys/fs/cgroup:/sys/fs/cgroup:rw" in host["Binds"]
    assert host["Privileged"] is False


def _gpu_pool(*files: str) -> Pool:
    gpus = {"type": "x", "count": len(files), "device_files": list(files)}
    document = fleet_document()
    document["pools"][0]["gpus"] = gpus
    return parse_fleet(document).pools[0]


def test_plain_device_files_are_passed_as_they_are(
    engine: Engine, provider: DockerProvider
) -> None:
    (result,) = provider.launch([request(pool=_gpu_pool("/dev/zero"))])
    host = engine.client.inspect_container(str(result.provider_id))["HostConfig"]
    assert host["Devices"] == [
        {"PathOnHost": "/dev/zero", "PathInContainer": "/dev/zero", "CgroupPermissions": "rwm"}
    ]


class NeverStarting(docker.APIClient):
    """The engine, on a machine whose GPUs cannot be had: what is made is looked at instead."""

    def __init__(self) -> None:
        super().__init__(**kwargs_from_env(), version="auto")
        self.made: dict[str, Any] = {}

    def start(self, container: Any) -> None:
        found = self.inspect_container(container)
        self.made[found["Config"]["Hostname"]] = found["HostConfig"]


def test_nvidias_gpus_are_asked_for_by_the_ids_of_the_nodes_own(engine: Engine, key: Path) -> None:
    files = [f"/dev/nvidia{index}" for index in range(4)]
    fleet = engine.fleet(gpu_ids={file: f"GPU-{file[-1]}" for file in files})
    gpus = Gpus(type="x", count=2, device_files=tuple(files))
    pool = replace(fleet.pools[0], max_nodes=2, gpus=gpus)
    client = NeverStarting()
    DockerProvider(fleet, key, client).launch(
        [request(node, pool=pool) for node in ("cpu-1", "cpu-2")]
    )
    asked = {node: host["DeviceRequests"] for node, host in client.made.items()}
    assert {node: [one["DeviceIDs"] for one in found] for node, found in asked.items()} == {
        "cpu-1": [["GPU-0", "GPU-1"]],
        "cpu-2": [["GPU-2", "GPU-3"]],
    }
    assert [one["Capabilities"] for one in asked["cpu-1"]] == [[["gpu"]]]
    assert not any(host["Devices"] for host in client.made.values())


def test_a_missing_device_is_told_and_leaves_nothing_behind(provider: DockerProvider) -> None:
    (result,) = provider.launch([request(pool=_gpu_pool("/dev/no-such-gpu"))])
    assert failure_of(result) == ("no_device", False)
    assert provider.list_instances() == []


def test_launching_twice_gives_the_same_machine(provider: DockerProvider) -> None:
    first = launched(provider, "cpu-1")
    assert launched(provider, "cpu-1") == first
    assert len(provider.list_instances()) == 1


def test_an_exited_machine_is_replaced(engine: Engine, provider: DockerProvider) -> None:
    first = launched(provider, "cpu-1")
    engine.client.kill(first["cpu-1"])
    dead = until_state(provider, InstanceState.EXITED)
    assert dead.detail == "exited (137)"
    second = launched(provider, "cpu-1")
    assert second != first
    assert until_state(provider, InstanceState.RUNNING).provider_id == second["cpu-1"]


def test_a_machine_that_ends_by_itself_tells_its_status(engine: Engine, key: Path) -> None:
    provider = DockerProvider(engine.fleet(image=f"{engine.mark}:fail"), key)
    launched(provider, "cpu-1")
    dead = until_state(provider, InstanceState.EXITED)
    assert dead.detail == "exited (3)"
    assert provider.last_words(dead) == ""


def test_a_container_that_was_never_started_counts_as_exited(
    engine: Engine, provider: DockerProvider
) -> None:
    labels = {"hpc-stack.cluster": engine.mark, "hpc-stack.node": "cpu-1"}
    name = f"hpc-{engine.mark}-cpu-1"
    engine.client.create_container(f"{engine.mark}:wait", name=name, labels=labels)
    (left_over,) = provider.list_instances()
    assert left_over.state is InstanceState.EXITED
    launched(provider, "cpu-1")
    assert until_state(provider, InstanceState.RUNNING).provider_id != left_over.provider_id


@pytest.mark.parametrize(
    ("status", "state"),
    [("dead", InstanceState.EXITED), ("removing", InstanceState.STOPPING), ("", None)],
    ids=["its removal failed", "it is being removed", "it is gone"],
)
def test_one_that_is_listed_as_being_removed_is_looked_at(
    provider: DockerProvider,
    monkeypatch: pytest.MonkeyPatch,
    status: str,
    state: InstanceState | None,
) -> None:
    # What the engine said of a container with a file that could not be removed (Docker 26.1).
    launched(provider, "cpu-1")
    listed = docker.APIClient.containers

    def containers(client: docker.APIClient, **which: Any) -> list[dict[str, Any]]:
        word = {"State": "removing", "Status": "Removal In Progress"}
        return [{**one, **word} for one in listed(client, **which)]

    def inspect(*_: object) -> dict[str, Any]:
        if not status:
            raise NotFound("No such container")
        return {"State": {"Status": status}}

    monkeypatch.setattr(docker.APIClient, "containers", containers)
    monkeypatch.setattr(docker.APIClient, "inspect_container", inspect)
    assert [found.state for found in provider.list_instances()] == ([state] if state else [])


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"hpc-stack.cluster": "another", "hpc-stack.node": "cpu-1"},
        {"hpc-stack.cluster": "OURS"},
    ],
    ids=["no labels", "another cluster's node", "a service of this cluster"],
)
def test_a_strangers_container_is_never_touched(
    engine: Engine, provider: DockerProvider, labels: dict[str, str]
) -> None:
    labels = {key: engine.mark if value == "OURS" else value for key, value in labels.items()}
    name = f"hpc-{engine.mark}-cpu-1"
    made = engine.client.create_container(f"{engine.mark}:wait", name=name, labels=labels)
    assert provider.list_instances() == []
    (result,) = provider.launch([request("cpu-1")])
    assert failure_of(result) == ("name_taken", False)
    assert engine.client.inspect_container(name)["Id"] == made["Id"]


def test_clusters_do_not_see_each_other(engine: Engine, key: Path) -> None:
    one = DockerProvider(engine.fleet(), key)
    other = DockerProvider(engine.fleet(cluster=f"{engine.mark}x"), key)
    launched(one, "cpu-1")
    launched(other, "cpu-1")
    (mine,) = one.list_instances()
    one.terminate([mine])
    assert len(other.list_instances()) == 1


@pytest.mark.parametrize(
    ("settings", "code"),
    [({"image": "no-such-image:1"}, "no_image"), ({"network": "no-such-network"}, "not_found")],
)
def test_what_a_person_must_fix_is_not_retried(
    engine: Engine, key: Path, settings: dict[str, str], code: str
) -> None:
    provider = DockerProvider(engine.fleet(**settings), key)
    (result,) = provider.launch([request()])
    assert failure_of(result) == (code, False)
    assert next(iter(settings.values())).split(":")[0] in str(result.failure)
    assert provider.list_instances() == []


def test_one_failure_does_not_stop_the_others(engine: Engine, provider: DockerProvider) -> None:
    name = f"hpc-{engine.mark}-cpu-2"
    engine.client.create_container(f"{engine.mark}:wait", name=name)
    results = provider.launch([request("cpu-1"), request("cpu-2"), request("cpu-3")])
    assert [result.node for result in results] == ["cpu-1", "cpu-2", "cpu-3"]
    assert [result.failure is None for result in results] == [True, False, True]


def test_without_the_key_nothing_is_launched(engine: Engine, tmp_path: Path) -> None:
    provider = DockerProvider(engine.fleet(), tmp_path / "missing")
    (result,) = provider.launch([request()])
    assert failure_of(result) == ("no_key", False)
    assert provider.list_instances() == []


def test_terminating_what_is_gone_is_no_error(provider: DockerProvider) -> None:
    launched(provider, "cpu-1")
    listed = provider.list_instances()
    assert [result.error for result in provider.terminate(listed)] == [""]
    assert [result.error for result in provider.terminate(listed)] == [""]


def test_an_engine_that_is_away_is_no_knowledge(engine: Engine, key: Path, tmp_path: Path) -> None:
    away = docker.APIClient(base_url=f"unix://{tmp_path}/no.sock", version="1.41")
    provider = DockerProvider(engine.fleet(), key, client=away)
    with pytest.raises(ProviderUnavailable):
        provider.list_instances()
    (result,) = provider.launch([request()])
    assert failure_of(result) == ("no_engine", True)
    instance = Instance(
        node="cpu-1", provider_id="x", pool="cpu", state=InstanceState.RUNNING, created_at=0
    )
    (ended,) = provider.terminate([instance])
    assert ended.error
    assert provider.last_words(instance) == ""


def test_an_engines_error_is_retried(
    engine: Engine, provider: DockerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        response = type("Response", (), {"status_code": 500, "reason": "busy"})()
        raise APIError("busy", response=response, explanation="busy")

    monkeypatch.setattr(docker.APIClient, "start", broken)
    (result,) = provider.launch([request()])
    assert failure_of(result) == ("http_500", True)
    assert provider.list_instances() == [], "what was made half-way is gone"
