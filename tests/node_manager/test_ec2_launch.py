"""Launching on an EC2 that is short of machines, slow to show them, or does not answer.

What moto cannot play; what it can is in test_ec2_provider.py.
"""

from collections.abc import Sequence

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st
from node_manager.fleet import Capacity
from node_manager.provider import InstanceState, LaunchFailure, LaunchResult

from tests.node_manager.moto_server import PREFIX
from tests.node_manager.scripted_ec2 import World, refusal
from tests.node_manager.test_ec2_errors import VCPU

A, B = "subnet-a", "subnet-b"
LARGE, XLARGE = "c7i.large", "c7i.xlarge"
EVERY = [(LARGE, A), (LARGE, B), (XLARGE, A), (XLARGE, B)]
TIME_OUT = ReadTimeoutError(endpoint_url="http://x")


def failures(results: Sequence[LaunchResult]) -> dict[str, LaunchFailure]:
    return {result.node: result.failure for result in results if result.failure}


def only(results: Sequence[LaunchResult]) -> LaunchFailure:
    """The failure of all of them, which is the same."""
    (found,) = {(result.failure, result.provider_id) for result in results}
    assert found[0] is not None
    assert found[1] is None
    return found[0]


def nodes(count: int, first: int = 1) -> list[str]:
    return [f"cpu-{number}" for number in range(first, first + count)]


# --- what is short ------------------------------------------------------------------------------


def test_what_is_short_is_left_out_in_the_same_launch() -> None:
    world = World()
    world.ec2.room = {(LARGE, A): 2, (LARGE, B): 0, (XLARGE, A): 0, (XLARGE, B): 0}
    world.ec2.errors[XLARGE, B] = ("RequestLimitExceeded", "Too many.")
    world.launch("cpu-1", "cpu-2", "cpu-3")
    assert world.overrides(0) == EVERY
    assert world.overrides(1) == [(XLARGE, B)]


def test_a_part_is_taken_and_the_first_nodes_get_it() -> None:
    world = World()
    world.ec2.room = {(LARGE, A): 2, (LARGE, B): 0, (XLARGE, A): 0, (XLARGE, B): 1}
    results = world.launch(*nodes(5))
    assert [bool(result.provider_id) for result in results] == [True, True, True, False, False]
    assert world.nodes() == nodes(3)
    failure = only(results[3:])
    assert failure.shortage
    assert not failure.retryable
    assert failure.code == "InsufficientInstanceCapacity"
    assert failure.message.startswith(
        "no spot capacity: c7i.large in subnet-a, c7i.large in subnet-b"
    )


def test_a_second_type_comes_in_the_same_launch() -> None:
    world = World()
    world.ec2.tries = 2
    world.ec2.room = {(LARGE, A): 3, (LARGE, B): 0}
    assert not failures(world.launch(*nodes(5)))
    assert world.overrides(0) == EVERY
    assert world.overrides(1) == [(XLARGE, A), (XLARGE, B)]
    assert world.ec2.count("CreateFleet") == 2
    assert world.s3.count("PutObject") == 1


def test_a_launch_asks_at_most_three_times() -> None:
    world = World()
    world.ec2.tries = 1
    world.ec2.room = dict.fromkeys(EVERY, 0)
    assert only(world.launch("cpu-1")).shortage
    assert world.ec2.count("CreateFleet") == 3


def test_after_a_shortage_nothing_is_asked_until_it_is_over() -> None:
    world = World(shortage_seconds=300)
    world.ec2.room = dict.fromkeys(EVERY, 0)
    only(world.launch("cpu-1"))
    before = world.ec2.count("CreateFleet")
    world.clock.now += 299
    failure = only(world.launch("cpu-1"))
    assert failure.shortage
    assert failure.message.endswith("(InsufficientInstanceCapacity); left out until 08:05:00")
    assert world.ec2.count("CreateFleet") == before
    world.clock.now += 1
    world.ec2.room = {}
    assert not failures(world.launch("cpu-1"))


def test_a_shortage_of_spot_says_nothing_about_on_demand() -> None:
    world = World()
    world.ec2.room = dict.fromkeys(EVERY, 0)
    only(world.launch("cpu-1"))
    world.ec2.room = {}
    assert not failures(world.launch("cpu-1", capacity=Capacity.ON_DEMAND))
    assert world.overrides() == EVERY


def test_only_what_was_short_is_left_out_of_the_next_launch() -> None:
    world = World()
    world.ec2.room = {(LARGE, A): 0}
    assert not failures(world.launch("cpu-1"))
    world.launch("cpu-2")
    assert world.overrides() == EVERY[1:]


def test_without_a_memory_of_shortages_the_same_launch_still_comes_to_an_end() -> None:
    world = World(shortage_seconds=0)
    world.ec2.room = dict.fromkeys(EVERY, 0)
    assert only(world.launch("cpu-1")).shortage
    assert world.ec2.count("CreateFleet") == 1
    assert only(world.launch("cpu-1")).shortage
    assert world.ec2.count("CreateFleet") == 2


def test_fewer_machines_without_a_reason_are_a_shortage() -> None:
    world = World()
    world.ec2.tries = 0
    failure = only(world.launch("cpu-1"))
    assert (failure.code, failure.shortage) == ("UnfulfillableCapacity", True)
    assert world.ec2.count("CreateFleet") == 1


@pytest.mark.parametrize("whole", [False, True], ids=["in the answer", "as an error"])
@pytest.mark.parametrize(
    ("code", "message", "status", "retryable", "shortage", "words"),
    [
        ("InsufficientInstanceCapacity", "None.", 500, False, True, "no spot capacity: c7i.large"),
        ("InsufficientFreeAddressesInSubnet", "", 400, False, True, "no free addresses: subnet-a"),
        ("VcpuLimitExceeded", VCPU, 400, False, True, "quota of 32 vCPUs for spot Standard (A, C,"),
        ("MaxSpotInstanceCountExceeded", "Max.", 400, False, True, "quota for spot Standard (A,"),
        ("Unsupported", "Not here.", 400, False, False, "Not here"),
        ("UnauthorizedOperation", "You may not.", 403, False, False, "You may not."),
        ("InvalidLaunchTemplateId.NotFound", "No lt-1.", 400, False, False, "No lt-1."),
        ("RequestLimitExceeded", "Too many.", 503, True, False, "Too many."),
        ("InternalError", "Oh.", 500, True, False, "Oh."),
    ],
)
def test_each_kind_of_error_is_told_apart(
    code: str,
    message: str,
    status: int,
    retryable: bool,
    shortage: bool,
    words: str,
    whole: bool,
) -> None:
    world = World()
    if whole:
        world.ec2.refuse["CreateFleet"] = [refusal(code, message, status) for _ in range(20)]
    else:
        world.ec2.room = dict.fromkeys(EVERY, 0)
        world.ec2.errors = dict.fromkeys(EVERY, (code, message))
    failure = only(world.launch("cpu-1", "cpu-2"))
    assert (failure.code, failure.retryable, failure.shortage) == (code, retryable, shortage)
    assert words in failure.message
    assert world.s3.count("PutObject") == 0


def test_a_type_that_a_zone_lacks_is_left_out_for_hours() -> None:
    world = World(shortage_seconds=60)
    world.ec2.room = {(LARGE, A): 0}
    world.ec2.errors[LARGE, A] = ("InvalidFleetConfiguration", "Not in this zone.")
    assert not failures(world.launch("cpu-1"))
    world.clock.now += 3600
    world.launch("cpu-2")
    assert world.overrides() == EVERY[1:]


def test_throttling_is_waited_out() -> None:
    world = World()
    world.ec2.refuse["CreateFleet"] = [refusal("RequestLimitExceeded", status=503)] * 2
    assert not failures(world.launch("cpu-1"))
    assert len(world.slept) == 2
    assert [result for name, result in world.observed if name == "CreateFleet"] == [
        "RequestLimitExceeded",
        "RequestLimitExceeded",
        "ok",
    ]


def test_two_capacities_of_a_pool_are_two_requests_and_one_write() -> None:
    both = World()
    mixed = [
        *both.launch_requests("cpu-1", "cpu-3", capacity=Capacity.SPOT),
        *both.launch_requests("cpu-2", capacity=Capacity.ON_DEMAND),
    ]
    assert not failures(list(both.provider.launch(mixed)))
    assert both.ec2.count("CreateFleet") == 2
    assert both.s3.count("PutObject") == 1
    capacities = {i.node: i.capacity for i in both.listed().values()}
    assert capacities == {
        "cpu-1": Capacity.SPOT,
        "cpu-2": Capacity.ON_DEMAND,
        "cpu-3": Capacity.SPOT,
    }


def test_two_pools_do_not_touch_each_other() -> None:
    world = World(pools=("cpu", "big"))
    world.s3.refuse["PutObject"] = [refusal("AccessDenied", status=403)]
    requests = [*world.launch_requests("cpu-1"), *world.launch_requests("big-1", pool=1)]
    first, second = world.provider.launch(requests)
    assert first.failure is not None
    assert second.provider_id is not None
    assert world.names("big")["names"] == {second.provider_id: "big-1"}


# --- the same launch twice ------------------------------------------------------------------------


def test_a_node_with_a_machine_gets_that_one() -> None:
    world = World()
    (first,) = world.launch("cpu-1")
    (again, other) = world.launch("cpu-1", "cpu-2")
    assert again.provider_id == first.provider_id
    assert other.provider_id not in (None, first.provider_id)
    assert world.names()["generation"] == 2
    world.launch("cpu-1", "cpu-2")
    assert world.ec2.count("CreateFleet") == 2
    assert world.s3.count("PutObject") == 2


def test_of_two_machines_of_a_node_the_older_one_is_its_own_and_both_are_listed() -> None:
    world = World()
    young, old = world.ec2.add(age=10), world.ec2.add(age=500)
    world.put_names({young: "cpu-1", old: "cpu-1"})
    world.restart()
    assert [result.provider_id for result in world.launch("cpu-1")] == [old]
    assert {key: i.node for key, i in world.listed().items()} == {young: "cpu-1", old: "cpu-1"}


def test_a_machine_on_its_way_out_does_not_count() -> None:
    world = World()
    (first,) = world.launch("cpu-1")
    world.provider.terminate(list(world.listed().values()))
    (second,) = world.launch("cpu-1")
    assert second.provider_id not in (None, first.provider_id)
    states = {i.provider_id: i.state for i in world.listed().values() if i.node == "cpu-1"}
    assert states == {
        first.provider_id: InstanceState.STOPPING,
        second.provider_id: InstanceState.STARTING,
    }


def test_a_lost_answer_does_not_start_machines_twice() -> None:
    world = World()
    world.ec2.lose["CreateFleet"] = [TIME_OUT]
    assert not failures(world.launch(*nodes(3)))
    assert world.ec2.count("CreateFleet") == 2
    assert len(world.ec2.instances) == 3


@pytest.mark.parametrize("restarted", [False, True])
def test_a_launch_that_broke_off_before_the_naming_is_taken_up_again(restarted: bool) -> None:
    world = World()
    world.s3.refuse["PutObject"] = [refusal("AccessDenied", "Denied.", 403)]
    failure = only(world.launch(*nodes(3)))
    assert (failure.code, failure.retryable) == ("AccessDenied", False)
    assert failure.message.startswith("new machines could not be told their names: PutObject:")
    assert world.nodes() == [], "they are about to be named"
    if restarted:
        world.restart()
    assert not failures(world.launch(*nodes(3)))
    assert world.ec2.count("CreateFleet") == 1
    assert set(world.names()["names"]) == set(world.ec2.instances)
    assert world.nodes() == nodes(3)


def test_machines_that_are_not_described_yet_are_found_by_the_token() -> None:
    world = World()
    world.s3.refuse["PutObject"] = [refusal("AccessDenied", status=403)]
    only(world.launch(*nodes(3)))
    world.ec2.unseen = set(world.ec2.instances)
    world.restart()
    assert not failures(world.launch(*nodes(3)))
    assert world.ec2.count("CreateFleet") == 2
    assert len(world.ec2.instances) == 3
    first, second = world.ec2.requests("CreateFleet")
    assert first["ClientToken"] == second["ClientToken"]


def test_an_old_answer_to_a_known_token_is_no_answer() -> None:
    world = World()
    world.s3.refuse["PutObject"] = [refusal("AccessDenied", status=403)]
    only(world.launch("cpu-1"))
    (orphan,) = world.ec2.instances
    world.restart()
    world.clock.now += 121
    world.provider.terminate(list(world.listed().values()))
    world.ec2.instances[orphan]["State"] = {"Name": "terminated"}
    world.clock.now += 61
    (result,) = world.launch("cpu-1")
    assert result.provider_id not in (None, orphan)
    first, again, new = (r["ClientToken"] for r in world.ec2.requests("CreateFleet"))
    assert first == again != new


def test_a_launch_without_capacity_is_not_answered_from_ec2s_memory() -> None:
    world = World(shortage_seconds=0)
    world.ec2.room = dict.fromkeys(EVERY, 0)
    only(world.launch("cpu-1"))
    world.ec2.room = {}
    assert not failures(world.launch("cpu-1"))
    first, second = world.ec2.requests("CreateFleet")
    assert first["ClientToken"] != second["ClientToken"]


# --- machines without a name ----------------------------------------------------------------------


def test_young_unnamed_machines_are_hidden_and_adopted_first() -> None:
    world = World()
    found = world.ec2.add(age=119)
    assert world.nodes() == []
    results = world.launch("cpu-1", "cpu-2")
    assert results[0].provider_id == found
    assert results[1].provider_id not in (None, found)
    (request,) = world.ec2.requests("CreateFleet")
    assert request["TargetCapacitySpecification"]["TotalTargetCapacity"] == 1


def test_old_unnamed_machines_are_listed_without_a_node_and_not_adopted() -> None:
    world = World()
    found = world.ec2.add(age=120)
    (listed,) = world.listed().values()
    assert (listed.provider_id, listed.node) == (found, "")
    assert listed.detail.endswith(", has no name in s3://cluster-names/names/cpu.json")
    (result,) = world.launch("cpu-1")
    assert result.provider_id != found


@pytest.mark.parametrize(
    ("spot", "tags"),
    [
        (False, None),
        (True, {"hpc-stack:cluster": "local", "hpc-stack:pool": "big"}),
        (True, {"hpc-stack:cluster": "other", "hpc-stack:pool": "cpu"}),
        (True, {"hpc-stack:cluster": "local"}),
    ],
    ids=["another capacity", "another pool", "another cluster", "no node at all"],
)
def test_only_machines_of_the_same_kind_are_adopted(
    spot: bool, tags: dict[str, str] | None
) -> None:
    world = World()
    found = world.ec2.add(spot=spot, tags=tags)
    (result,) = world.launch("cpu-1")
    assert result.provider_id != found


def test_machines_from_before_the_names_were_lost_are_not_given_other_names() -> None:
    world = World()
    booted = world.ec2.add(age=30)
    world.s3.objects[f"{PREFIX}cpu.json"] = b"spoilt"
    (result,) = world.launch("cpu-1")
    assert result.provider_id not in (None, booted)
    assert world.names()["names"] == {result.provider_id: "cpu-1"}
    assert ("GetObject", "unreadable") in world.observed
    world.clock.now += 91
    assert world.listed()[booted].node == ""


def test_names_of_machines_that_are_no_more_are_dropped_at_the_next_write() -> None:
    world = World()
    world.put_names({"i-gone": "cpu-9"}, generation=4)
    world.restart()
    world.launch("cpu-1")
    assert "i-gone" in world.names()["names"], "EC2 may not show it yet"
    world.clock.now += 61
    world.provider.list_instances()
    world.launch("cpu-2")
    assert sorted(world.names()["names"].values()) == ["cpu-1", "cpu-2"]
    assert world.names()["generation"] == 6


def test_a_name_that_another_writer_gave_is_kept() -> None:
    world = World()
    found = world.ec2.add()
    world.provider.list_instances()
    world.put_names({found: "cpu-7", "i-other": "cpu-8"})
    results = world.launch("cpu-1", "cpu-2")
    # The unnamed machine had meanwhile been named: one new machine is all there is for two nodes.
    assert results[0].provider_id not in (None, found)
    assert failures(results)["cpu-2"].code == "names_conflict"
    assert failures(results)["cpu-2"].retryable
    names = world.names()["names"]
    assert (names[found], names["i-other"]) == ("cpu-7", "cpu-8")


def test_two_who_keep_writing_are_told() -> None:
    world = World()
    world.s3.refuse["PutObject"] = [refusal("PreconditionFailed", status=412)] * 2
    failure = only(world.launch("cpu-1"))
    assert (failure.code, failure.retryable) == ("names_conflict", True)


def test_nothing_is_launched_while_the_names_cannot_be_read() -> None:
    world = World()
    world.s3.refuse["GetObject"] = [refusal("AccessDenied", "Denied.", 403)]
    assert only(world.launch("cpu-1")).message == "GetObject: Denied. (AccessDenied)"
    assert world.ec2.count("CreateFleet") == 0


def test_nothing_is_launched_while_ec2_does_not_say_what_there_is() -> None:
    world = World()
    world.ec2.refuse["DescribeInstances"] = [TIME_OUT] * 20
    assert only(world.launch("cpu-1")).retryable
    assert world.ec2.count("CreateFleet") == 0


# --- any sequence ---------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("launch"), st.sets(st.integers(1, 6), min_size=1)),
        st.tuples(st.just("fail PutObject"), st.none()),
        st.tuples(st.just("lose PutObject"), st.none()),
        st.tuples(st.just("lose CreateFleet"), st.none()),
        st.tuples(st.just("restart"), st.none()),
        st.tuples(st.just("hide"), st.none()),
        st.tuples(st.just("show"), st.none()),
        st.tuples(st.just("terminate"), st.integers(0, 9)),
        st.tuples(st.just("wait"), st.sampled_from([1, 6, 61, 121])),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_whatever_happens_a_name_once_given_is_kept_and_every_machine_is_seen(
    steps: list[tuple[str, object]],
) -> None:
    world = World()
    given_names: dict[str, str] = {}
    for step, argument in steps:
        if step == "launch":
            assert isinstance(argument, set)
            wanted = [f"cpu-{number}" for number in sorted(argument)]
            results = world.launch(*wanted)
            assert [result.node for result in results] == wanted
            assert all((r.provider_id is None) != (r.failure is None) for r in results)
            machines = [result.provider_id for result in results if result.provider_id]
            assert len(set(machines)) == len(machines)
            for result in results:
                if result.provider_id:
                    assert world.names()["names"][result.provider_id] == result.node
        elif step == "fail PutObject":
            world.s3.refuse["PutObject"] = [refusal("AccessDenied", status=403)]
        elif step == "lose PutObject":
            world.s3.lose["PutObject"] = [refusal("AccessDenied", status=403)]
        elif step == "lose CreateFleet":
            world.ec2.lose["CreateFleet"] = [TIME_OUT]
        elif step == "restart":
            world.restart()
        elif step == "hide":
            world.ec2.unseen = set(world.ec2.instances)
        elif step == "show":
            world.ec2.unseen = set()
        elif step == "terminate":
            listed = list(world.listed().values())
            assert isinstance(argument, int)
            world.provider.terminate(listed[argument : argument + 1])
        elif isinstance(argument, int):
            world.clock.now += argument
        names = world.names()["names"] if world.s3.objects else {}
        for machine, node in names.items():
            assert given_names.setdefault(machine, node) == node
    world.ec2.unseen = set()
    world.clock.now += 200
    running = {k for k, i in world.ec2.instances.items() if i["State"]["Name"] == "running"}
    assert running <= set(world.listed())
