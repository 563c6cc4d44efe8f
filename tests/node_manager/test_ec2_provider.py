"""The EC2 platform against moto's HTTP server, and its calls on scripted EC2."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from node_manager.ec2_provider import Ec2Provider
from node_manager.fleet import Capacity, Fleet
from node_manager.fleet_file import FleetError
from node_manager.provider import (
    Instance,
    InstanceState,
    LaunchRequest,
    LaunchResult,
    ProviderUnavailable,
)

from tests.node_manager.builders import make_instance
from tests.node_manager.fake_provider import Clock
from tests.node_manager.moto_server import (
    BUCKET,
    PREFIX,
    TYPES,
    Aws,
    ec2_fleet,
    empty_aws,
    environment,
    moto_server,
)
from tests.node_manager.scripted_ec2 import World, refusal
from tests.node_manager.test_ec2_launch import TIME_OUT, nodes, only


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture
def aws(server: str) -> Aws:
    return empty_aws(server)


class Manager:
    """A provider on moto, its calls counted, its clock ahead of the server's as a test likes."""

    def __init__(self, aws: Aws, fleet: Fleet | None = None) -> None:
        self.aws = aws
        self.fleet = fleet or aws.fleet()
        self.calls: Counter[str] = Counter()
        self.clock = Clock()
        self.catch_up()
        self.provider = Ec2Provider(
            self.fleet,
            observe=lambda name, _: self.calls.update([name]),
            clock=self.clock,
            sleep=lambda _: None,
            clients=aws.clients,
        )

    def catch_up(self, ahead: float = 0.0) -> None:
        """The server's clock is the real one."""
        self.clock.now = time.time() + ahead

    def launch(
        self, *names: str, capacity: Capacity = Capacity.ON_DEMAND
    ) -> dict[str, LaunchResult]:
        (pool,) = self.fleet.pools
        requests = [LaunchRequest(node=name, pool=pool, capacity=capacity) for name in names]
        return {result.node: result for result in self.provider.launch(requests)}

    def listed(self) -> dict[str, Instance]:
        """By node, freshly described."""
        self.clock.now += 61
        return {instance.node: instance for instance in self.provider.list_instances()}


def ids(results: dict[str, LaunchResult]) -> dict[str, str]:
    assert all(result.failure is None for result in results.values()), results
    return {str(result.provider_id): node for node, result in results.items()}


# --- moto -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", list(Capacity))
def test_a_launch_makes_tagged_machines_and_writes_their_names(
    aws: Aws, capacity: Capacity
) -> None:
    manager = Manager(aws)
    names = ids(manager.launch("cpu-1", "cpu-2", capacity=capacity))
    assert aws.names() == {"version": 1, "generation": 1, "names": names}
    made = aws.instances()
    assert set(made) == set(names)
    for machine in made.values():
        tags = {tag["Key"]: tag["Value"] for tag in machine["Tags"]}
        expected = {
            "hpc-stack:cluster": "local",
            "hpc-stack:pool": "cpu",
            "hpc-stack:capacity": capacity.value,
            "team": "a",
        }
        assert tags.items() >= expected.items()
        assert machine["SubnetId"] in aws.subnets
        assert machine["InstanceType"] in TYPES
    assert manager.calls == {
        "DescribeInstances": 1,
        "GetObject": 1,
        "CreateFleet": 1,
        "PutObject": 1,
    }


@pytest.mark.parametrize("capacity", list(Capacity))
def test_machines_are_listed_at_once_and_as_described_later(aws: Aws, capacity: Capacity) -> None:
    manager = Manager(aws)
    manager.launch("cpu-1", capacity=capacity)
    (at_once,) = manager.provider.list_instances()
    assert (at_once.node, at_once.pool, at_once.capacity) == ("cpu-1", "cpu", capacity)
    assert at_once.state is InstanceState.STARTING
    assert at_once.created_at == manager.clock.now
    later = manager.listed()["cpu-1"]
    assert later.state is InstanceState.RUNNING
    assert later.capacity is capacity
    assert abs(later.created_at - at_once.created_at) < 60
    kind = later.detail.partition(" in ")[0]
    assert later.price_per_hour == TYPES[kind][capacity is Capacity.SPOT]
    assert later.detail in {f"{kind} in eu-west-1a", f"{kind} in eu-west-1b"}
    assert later.trouble == ""


def test_a_second_manager_finds_what_the_first_made(aws: Aws) -> None:
    names = ids(Manager(aws).launch(*nodes(3)))
    manager = Manager(aws)
    assert {i.provider_id: i.node for i in manager.listed().values()} == names
    assert ids(manager.launch(*nodes(3))) == names
    assert manager.calls["CreateFleet"] == 0
    assert manager.calls["PutObject"] == 0


def test_machines_go_and_strangers_stay(aws: Aws) -> None:
    manager = Manager(aws)
    controller = aws.run(cluster="local")
    strangers = [*aws.run(), *aws.run(cluster="other", pool="cpu"), *controller]
    manager.launch("cpu-1", "cpu-2")
    listed = manager.listed()
    assert set(listed) == {"cpu-1", "cpu-2"}
    pretended = [make_instance("cpu-9", provider_id=key) for key in strangers]
    results = manager.provider.terminate([listed["cpu-1"], *pretended])
    assert [bool(result.error) for result in results] == [False, True, True, True]
    assert set(aws.instances("running")) == {listed["cpu-2"].provider_id, *strangers}
    states = {i.node: i.state for i in manager.provider.list_instances()}
    assert states == {"cpu-1": InstanceState.STOPPING, "cpu-2": InstanceState.RUNNING}
    assert set(manager.listed()) == {"cpu-2"}


def test_a_stopped_machine_counts_as_exited(aws: Aws) -> None:
    manager = Manager(aws)
    (key,) = ids(manager.launch("cpu-1"))
    aws.clients.ec2.stop_instances(InstanceIds=[key])
    found = manager.listed()["cpu-1"]
    assert found.state is InstanceState.EXITED
    assert "in eu-west-1" in found.detail


def test_what_a_crash_before_the_naming_left_gets_its_names_from_the_next_manager(
    aws: Aws,
) -> None:
    def crash(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url=aws.endpoint)

    events = aws.clients.s3.meta.events
    events.register("before-call.s3.PutObject", crash)
    try:
        first = Manager(aws).launch(*nodes(3))
    finally:
        events.unregister("before-call.s3.PutObject", crash)
    assert {result.failure.code for result in first.values() if result.failure} == {"no_answer"}
    left = set(aws.instances())
    assert len(left) == 3
    manager = Manager(aws)
    assert list(manager.provider.list_instances()) == []
    names = ids(manager.launch(*nodes(3)))
    assert set(names) == left == set(aws.instances())
    assert aws.names()["names"] == names
    assert manager.calls["CreateFleet"] == 0


def test_nothing_is_launched_that_could_not_be_named(aws: Aws) -> None:
    aws.clients.s3.delete_bucket(Bucket=BUCKET)
    manager = Manager(aws)
    with pytest.raises(ProviderUnavailable, match="NoSuchBucket"):
        manager.provider.list_instances()
    (result,) = manager.launch("cpu-1").values()
    assert result.failure is not None
    assert result.failure.code == "NoSuchBucket"
    assert aws.instances() == {}


def test_unnamed_machines_are_hidden_then_adopted_or_listed(aws: Aws) -> None:
    manager = Manager(aws)
    left = aws.run(2, cluster="local", pool="cpu")
    assert list(manager.provider.list_instances()) == []
    names = ids(manager.launch("cpu-1"))
    assert set(names) < set(left)
    manager.catch_up(ahead=200)
    listed = {i.provider_id: i.node for i in manager.provider.list_instances()}
    assert listed == {**dict.fromkeys(left, ""), **names}


@pytest.mark.parametrize("text", [None, "{", '{"version":1,"generation":3,"names":{}}'])
def test_names_that_are_missing_spoilt_or_stale_do_not_stop_the_manager(
    aws: Aws, text: str | None
) -> None:
    before = ids(Manager(aws).launch("cpu-1"))
    if text is None:
        aws.clients.s3.delete_object(Bucket=BUCKET, Key=f"{PREFIX}cpu.json")
    else:
        aws.put_names(text)
    manager = Manager(aws)
    manager.catch_up(ahead=200)
    (lost,) = manager.provider.list_instances()
    assert lost.provider_id in before
    assert lost.node == ""
    names = ids(manager.launch("cpu-1"))
    assert set(names).isdisjoint(before)
    assert aws.names()["names"] == names


def test_two_machines_of_a_node_are_both_listed(aws: Aws) -> None:
    manager = Manager(aws)
    (first,) = ids(manager.launch("cpu-1"))
    (second,) = aws.run(cluster="local", pool="cpu")
    aws.put_names(
        f'{{"version":1,"generation":2,"names":{{"{first}":"cpu-1","{second}":"cpu-1"}}}}'
    )
    again = Manager(aws)
    assert sorted(i.provider_id for i in again.provider.list_instances()) == sorted([first, second])
    assert {i.node for i in again.provider.list_instances()} == {"cpu-1"}


def test_the_endpoint_comes_from_the_environment(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in environment(aws.endpoint).items():
        monkeypatch.setenv(key, value)
    assert list(Ec2Provider(aws.fleet()).list_instances()) == []


def test_a_thousand_machines_take_few_calls(aws: Aws) -> None:
    manager = Manager(aws)
    names = ids(manager.launch(*nodes(1000)))
    assert len(names) == 1000
    assert aws.names()["names"] == names
    listed = list(manager.provider.list_instances())
    assert manager.calls.total() <= 5
    assert len(listed) == 1000
    before = manager.calls.total()
    assert not any(result.error for result in manager.provider.terminate(listed))
    assert manager.calls.total() - before <= 4
    assert aws.instances("running") == {}


# --- scripted EC2 ---------------------------------------------------------------------------------


def test_all_pages_are_read_and_only_this_clusters_live_nodes_are_asked_for() -> None:
    world = World()
    world.ec2.page = 2
    machines = {world.ec2.add(): f"cpu-{number}" for number in range(5)}
    world.put_names(machines)
    world.restart()
    assert {key: i.node for key, i in world.listed().items()} == machines
    assert world.ec2.count("DescribeInstances") == 3
    request = world.ec2.requests("DescribeInstances")[0]
    assert request["MaxResults"] == 1000
    assert {f["Name"]: f["Values"] for f in request["Filters"]} == {
        "tag:hpc-stack:cluster": ["local"],
        "tag-key": ["hpc-stack:pool"],
        "instance-state-name": ["pending", "running", "shutting-down", "stopping", "stopped"],
    }


def test_ec2_is_asked_once_a_minute_while_nothing_happens() -> None:
    world = World()
    for _ in range(60):
        world.provider.list_instances()
        world.clock.now += 1
    assert world.ec2.count("DescribeInstances") == 1
    assert world.s3.count("GetObject") == 1
    world.provider.list_instances()
    assert world.ec2.count("DescribeInstances") == 2
    world.provider.expect_changes()
    world.clock.now += 5
    world.provider.list_instances()
    assert world.ec2.count("DescribeInstances") == 3


@pytest.mark.parametrize(
    ("state", "words"),
    [("shutting-down", InstanceState.STOPPING), ("stopped", InstanceState.EXITED)],
)
def test_a_machines_end_says_why(state: str, words: InstanceState) -> None:
    world = World()
    key = world.ec2.add(state=state)
    reason = {"Code": "Server.SpotInstanceTermination", "Message": "Spot instance taken back"}
    world.ec2.instances[key]["StateReason"] = reason
    world.put_names({key: "cpu-1"})
    world.restart()
    (found,) = world.listed().values()
    assert found.state is words
    assert found.detail == "c7i.large in eu-west-1a, Spot instance taken back"


def test_a_machine_in_trouble_says_so() -> None:
    world = World()
    key = world.ec2.add()
    world.put_names({key: "cpu-1"})
    world.restart()
    world.ec2.statuses = [{"InstanceId": key, "SystemStatus": {"Status": "impaired"}}]
    assert world.listed()[key].trouble == "", "EC2 cannot know so early"
    world.clock.now += 200
    assert world.listed()[key].trouble == "impaired: system status check failed"
    world.provider.terminate(list(world.listed().values()))
    assert world.listed()[key].trouble == ""


def test_an_unknown_type_costs_nothing_that_is_known() -> None:
    world = World()
    key = world.ec2.add(instance_type="m5.large")
    world.put_names({key: "cpu-1"})
    world.restart()
    assert world.listed()[key].price_per_hour == 0.0


@pytest.mark.parametrize(
    "error", [TIME_OUT, refusal("UnauthorizedOperation", "No.", 403), refusal("InternalError")]
)
def test_no_answer_is_never_an_empty_list(error: Exception) -> None:
    world = World()
    world.launch("cpu-1")
    world.clock.now += 6
    world.ec2.refuse["DescribeInstances"] = [error] * 20
    with pytest.raises(ProviderUnavailable, match="DescribeInstances: "):
        world.provider.list_instances()
    world.ec2.refuse.clear()
    assert world.nodes() == ["cpu-1"]


def test_a_page_that_is_missing_makes_the_whole_list_unknown() -> None:
    world = World()
    world.ec2.page = 1
    world.ec2.add()
    world.ec2.add()
    first = world.ec2.describe_instances

    def second_fails(**request: Any) -> dict[str, Any]:
        if "NextToken" in request:
            raise refusal("UnauthorizedOperation")
        return first(**request)

    world.ec2.describe_instances = second_fails  # type: ignore[method-assign]
    with pytest.raises(ProviderUnavailable):
        world.provider.list_instances()


def test_terminations_go_in_batches_and_are_shown_at_once() -> None:
    world = World()
    world.launch(*nodes(1000))
    world.ec2.lagging = True
    results = world.provider.terminate(list(world.listed().values()))
    assert not any(result.error for result in results)
    sizes = [len(r["InstanceIds"]) for r in world.ec2.requests("TerminateInstances")]
    assert sizes == [500, 500]
    assert {i.state for i in world.listed().values()} == {InstanceState.STOPPING}
    world.clock.now += 6
    assert {i.state for i in world.listed().values()} == {InstanceState.STOPPING}
    world.provider.terminate(list(world.listed().values()))
    assert world.ec2.count("TerminateInstances") == 2, "they are going already"


def test_a_machine_that_has_vanished_does_not_hold_up_the_others() -> None:
    world = World()
    world.launch(*nodes(3))
    machines = list(world.listed().values())
    del world.ec2.instances[machines[1].provider_id]
    assert [result.error for result in world.provider.terminate(machines)] == ["", "", ""]
    states = {i["State"]["Name"] for i in world.ec2.instances.values()}
    assert states == {"shutting-down"}


def test_a_protected_machine_does_not_hold_up_the_others() -> None:
    world = World()
    world.launch(*nodes(3))
    machines = list(world.listed().values())
    key = machines[0].provider_id
    text = f"The instance '{key}' may not be terminated. Modify its attribute."
    world.ec2.refuse["TerminateInstances"] = [refusal("OperationNotPermitted", text)]
    errors = [result.error for result in world.provider.terminate(machines)]
    assert errors == [f"TerminateInstances: {text} (OperationNotPermitted)", "", ""]


@pytest.mark.parametrize(
    ("code", "calls"), [("UnauthorizedOperation", 1), ("RequestLimitExceeded", 3)]
)
def test_a_refused_termination_is_an_error_for_each(code: str, calls: int) -> None:
    world = World()
    world.launch(*nodes(2))
    machines = list(world.listed().values())
    world.ec2.refuse["TerminateInstances"] = [refusal(code, "No.")] * 2
    errors = [result.error for result in world.provider.terminate(machines)]
    expected = "" if calls > 1 else f"TerminateInstances: No. ({code})"
    assert errors == [expected, expected]
    assert world.ec2.count("TerminateInstances") == calls


def test_the_last_words_are_the_consoles_last_lines() -> None:
    world = World()
    words = world.provider.last_words(make_instance("cpu-1"))
    assert words == "line 4\nline 5\nline 6\nline 7\nline 8"
    assert world.ec2.requests("GetConsoleOutput") == [{"InstanceId": "id-cpu-1", "Latest": True}]


def test_older_types_have_no_latest_words() -> None:
    world = World()
    world.ec2.refuse["GetConsoleOutput"] = [refusal("UnsupportedOperation")]
    assert world.provider.last_words(make_instance("cpu-1")).endswith("line 8")
    assert world.ec2.requests("GetConsoleOutput")[1] == {"InstanceId": "id-cpu-1"}


@pytest.mark.parametrize(
    "errors",
    [
        [refusal("InvalidInstanceID.NotFound")],
        [refusal("UnsupportedOperation"), refusal("InternalError")],
        [ReadTimeoutError(endpoint_url="http://x")],
    ],
)
def test_last_words_never_fail(errors: list[Exception]) -> None:
    world = World()
    world.ec2.refuse["GetConsoleOutput"] = errors
    assert world.provider.last_words(make_instance("cpu-1")) == ""
    assert world.slept == []


def test_control_characters_are_not_words() -> None:
    world = World()
    text = "\x1b[1;31mred\x1b[0m\r\n\x00\n  two\t\n"
    world.ec2.get_console_output = lambda **_: {"Output": text}  # type: ignore[method-assign]
    assert world.provider.last_words(make_instance("cpu-1")) == "red\n  two"


def test_a_fleet_without_what_ec2_needs_is_refused() -> None:
    fleet = ec2_fleet()
    with pytest.raises(FleetError, match=r"^ec2: missing$"):
        Ec2Provider(replace(fleet, ec2=None))
    with pytest.raises(FleetError, match=r'^pools\[0\]\.ec2: missing; pool "cpu" is on EC2$'):
        Ec2Provider(replace(fleet, pools=(replace(fleet.pools[0], ec2=None),)))


def test_a_pool_of_another_fleet_is_refused() -> None:
    world = World()
    other = ec2_fleet(pools=("big",)).pools[0]
    failure = only(list(world.provider.launch([LaunchRequest(node="big-1", pool=other)])))
    assert (failure.code, failure.retryable, failure.shortage) == ("no_pool", False, False)


def test_a_batch_is_what_one_request_can_start() -> None:
    assert World().provider.batch == 1000


def test_the_image_needs_no_stubs() -> None:
    """boto3's stubs are not in the image: they may be imported only for type checks."""
    folder = Path(__file__).parents[2] / "images/node-manager/node_manager"
    for file in folder.glob("ec2_*.py"):
        for line in file.read_text().splitlines():
            assert not line.startswith(("from types_boto3", "import types_boto3")), file.name
