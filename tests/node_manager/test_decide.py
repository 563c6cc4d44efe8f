"""Decision tables: a node, its machine, what is remembered, and what is done."""

from dataclasses import replace

import pytest
from node_manager.actions import (
    Action,
    Launch,
    Mark,
    PowerUp,
    PutBack,
    ReplaceDead,
    SetMark,
    Terminate,
    Undrain,
    View,
)
from node_manager.decide import decide
from node_manager.failures import (
    Failure,
    PutBackReason,
    backoff_seconds,
    read_put_back,
)
from node_manager.memory import Memory
from node_manager.provider import Instance, InstanceState
from node_manager.slurm_state import SlurmNode

from tests.node_manager.builders import NOW, make_fleet, make_instance, make_node

LIVE = make_instance("cpu-1")
OLD = make_instance("cpu-1", created_at=NOW - 1000)
EXITED = make_instance("cpu-1", InstanceState.EXITED, detail="exited (137)")
STOPPING = make_instance("cpu-1", InstanceState.STOPPING)

HELD = PutBackReason(message="no room", count=1, until=NOW + 20).text()
OVER = PutBackReason(message="no room", count=1, until=NOW - 1).text()
REPLACED = "hpc-stack: its machine has exited (137); replaced"


def run(
    node: SlurmNode,
    *instances: Instance,
    failure: Failure | None = None,
    memory: Memory = Memory(),  # noqa: B008 (it never changes)
    min_nodes: int = 0,
) -> list[Action]:
    """The decisions about cpu-1, without its marks."""
    if failure:
        memory = replace(memory, failures={"cpu-1": failure})
    view = View(nodes={node.name: node}, instances=instances)
    actions = decide(make_fleet(min_nodes=min_nodes), view, memory, NOW)
    return [action for action in actions if not isinstance(action, SetMark)]


def kinds(actions: list[Action]) -> list[str]:
    return [type(action).__name__ for action in actions]


@pytest.mark.parametrize(
    ("state", "alloc", "reason", "instance", "expected"),
    [
        # Slurm does not want it.
        ("IDLE+CLOUD+POWERED_DOWN", 0, "", None, []),
        ("IDLE+CLOUD+POWERED_DOWN", 0, "", LIVE, ["Terminate"]),
        ("IDLE+CLOUD+POWERED_DOWN", 0, "", EXITED, ["Terminate"]),
        ("IDLE+CLOUD+POWERED_DOWN", 0, "", STOPPING, []),
        ("IDLE+CLOUD+POWERING_DOWN", 0, "", LIVE, ["Terminate"]),
        # Slurm wants it when it is booting, and not yet when a job was just given it.
        ("IDLE+CLOUD+POWERING_UP", 0, "", None, ["Launch"]),
        ("ALLOCATED+CLOUD+POWERED_DOWN", 1, "", None, []),
        ("ALLOCATED+CLOUD+POWERING_UP+NOT_RESPONDING", 1, "", None, ["Launch"]),
        ("ALLOCATED+CLOUD+POWERING_UP", 1, "", LIVE, []),
        ("ALLOCATED+CLOUD+POWERING_UP", 1, "", EXITED, ["Launch"]),
        ("IDLE+CLOUD+POWERED_DOWN+POWER_UP", 0, "", None, []),
        # Up and well.
        ("IDLE+CLOUD", 0, "", LIVE, []),
        ("ALLOCATED+CLOUD", 1, "", LIVE, []),
        ("IDLE+CLOUD+NOT_RESPONDING", 0, "", LIVE, []),
        # Up, but its machine died.
        ("ALLOCATED+CLOUD", 1, "", EXITED, ["ReplaceDead", "Launch"]),
        ("IDLE+CLOUD", 0, "", None, ["ReplaceDead", "Launch"]),
        ("DOWN+CLOUD", 0, REPLACED, EXITED, ["Launch"]),
        ("DOWN+CLOUD", 0, REPLACED, LIVE, []),
        ("DOWN+CLOUD", 0, REPLACED, OLD, ["PutBack"]),
        # Slurm is about to power it down.
        ("IDLE+CLOUD+POWER_DOWN", 0, "", None, []),
        ("ALLOCATED+CLOUD+POWER_DOWN", 1, "", LIVE, []),
        ("ALLOCATED+CLOUD+POWER_DOWN", 1, "", EXITED, ["ReplaceDead"]),
        # Slurm took it out of service itself.
        ("DOWN+CLOUD", 0, "Not responding", LIVE, ["PutBack"]),
        ("DOWN+CLOUD", 0, "Not responding", None, ["PutBack"]),
        ("DOWN+CLOUD+POWERED_DOWN", 0, "ResumeTimeout reached", None, ["PutBack"]),
        ("DOWN+CLOUD+POWERED_DOWN", 0, "ResumeTimeout reached", LIVE, ["Terminate", "PutBack"]),
        ("IDLE+CLOUD+DRAIN", 0, "Kill task failed", LIVE, ["PutBack"]),
        ("ALLOCATED+CLOUD+DRAIN", 1, "Kill task failed", LIVE, []),
        ("IDLE+CLOUD+DRAIN+COMPLETING", 0, "Kill task failed", LIVE, []),
        ("IDLE+CLOUD+DRAIN+POWERING_DOWN", 0, "Kill task failed", None, ["PutBack"]),
        ("IDLE+CLOUD+DRAIN", 0, "Job env setup error", LIVE, ["PutBack"]),
        ("IDLE+CLOUD+DRAIN", 0, "Job step not running", LIVE, ["PutBack"]),
        # An admin did.
        ("DOWN+CLOUD", 0, "memory test", LIVE, []),
        ("DOWN+CLOUD", 0, "memory test", None, []),
        ("IDLE+CLOUD+DRAIN", 0, "memory test", LIVE, []),
        ("IDLE+CLOUD+DRAIN", 0, "memory test", None, []),
        ("ALLOCATED+CLOUD+DRAIN", 1, "memory test", EXITED, ["ReplaceDead"]),
        ("DOWN+CLOUD+POWERED_DOWN", 0, "memory test", None, []),
        ("DOWN+CLOUD+POWERED_DOWN", 0, "memory test", LIVE, ["Terminate"]),
        ("IDLE+CLOUD+DRAIN+POWERING_UP", 0, "memory test", None, ["Launch"]),
        # Put back.
        ("IDLE+CLOUD+DRAIN+POWERING_UP", 0, HELD, None, ["PutBack"]),
        ("IDLE+CLOUD+DRAIN", 0, HELD, LIVE, ["PutBack"]),
        ("IDLE+CLOUD+DRAIN+POWER_DOWN", 0, HELD, None, []),
        ("IDLE+CLOUD+COMPLETING+DRAIN+POWER_DOWN", 0, HELD, None, ["ReplaceDead"]),
        ("IDLE+CLOUD+COMPLETING+DRAIN+POWER_DOWN", 0, OVER, EXITED, ["ReplaceDead"]),
        ("IDLE+CLOUD+COMPLETING+DRAIN+POWER_DOWN", 0, HELD, LIVE, []),
        ("DOWN+CLOUD+COMPLETING+POWER_DOWN", 0, HELD, None, []),
        ("IDLE+CLOUD+POWERING_DOWN", 0, HELD, None, ["PutBack"]),
        ("IDLE+CLOUD+POWERING_DOWN", 0, OVER, None, []),
        ("IDLE+CLOUD+DRAIN+POWERING_DOWN", 0, HELD, None, []),
        ("IDLE+CLOUD+DRAIN+POWERING_DOWN", 0, OVER, None, []),
        ("IDLE+CLOUD+DRAIN+POWERED_DOWN", 0, HELD, None, []),
        ("IDLE+CLOUD+DRAIN+POWERED_DOWN", 0, OVER, None, ["Undrain"]),
        ("DOWN+CLOUD+POWERING_DOWN", 0, HELD, None, []),
        ("DOWN+CLOUD+POWERED_DOWN", 0, OVER, None, ["Undrain"]),
        ("DOWN+CLOUD+POWERED_DOWN", 0, REPLACED, None, ["Undrain"]),
        # Somebody has resumed it.
        ("IDLE+CLOUD+POWERED_DOWN", 0, HELD, None, []),
        # Its time is over, its machine is still there.
        ("IDLE+CLOUD+DRAIN+POWERED_DOWN", 0, OVER, LIVE, ["Terminate"]),
        ("DOWN+CLOUD+POWERED_DOWN", 0, REPLACED, LIVE, ["Terminate"]),
        ("IDLE+CLOUD+DRAIN+POWERED_DOWN", 0, OVER, STOPPING, ["Undrain"]),
        # A job got it although we wanted to hold it: wait for the power tick.
        ("ALLOCATED+CLOUD+POWERED_DOWN", 1, HELD, None, []),
    ],
)
def test_what_is_done_about_a_node(
    state: str, alloc: int, reason: str, instance: Instance | None, expected: list[str]
) -> None:
    node = make_node("cpu-1", state, reason, alloc)
    assert kinds(run(node, *([instance] if instance else []))) == expected


@pytest.mark.parametrize(
    ("state", "failure", "expected"),
    [
        ("ALLOCATED+POWERING_UP", Failure(tries=1, at=NOW, message="x"), ["Launch"]),
        ("ALLOCATED+POWERING_UP", Failure(tries=2, at=NOW - 1, message="x"), []),
        ("ALLOCATED+POWERING_UP", Failure(tries=2, at=NOW - 3, message="x"), ["Launch"]),
        ("ALLOCATED+POWERING_UP", Failure(tries=3, at=NOW, message="x"), ["PutBack"]),
        (
            "ALLOCATED+POWERING_UP",
            Failure(tries=1, at=NOW, message="x", retryable=False),
            ["PutBack"],
        ),
        # Slurm would not requeue the job at once: wait for its power tick.
        ("ALLOCATED+POWERED_DOWN", Failure(tries=1, at=NOW, message="x", retryable=False), []),
        # A trial after a put-back.
        (
            "ALLOCATED+POWERING_UP",
            Failure(tries=3, at=NOW, message="x", put_backs=1, put_back_until=NOW),
            ["Launch"],
        ),
        ("ALLOCATED", Failure(tries=2, at=NOW - 1, message="x"), ["ReplaceDead"]),
        ("ALLOCATED", Failure(tries=3, at=NOW, message="x"), ["PutBack"]),
    ],
)
def test_failures_lead_to_pauses_and_then_to_a_put_back(
    state: str, failure: Failure, expected: list[str]
) -> None:
    assert kinds(run(make_node("cpu-1", state, alloc_cpus=1), failure=failure)) == expected


def test_a_put_back_says_why_and_until_when() -> None:
    failure = Failure(tries=3, at=NOW, message='no "room"\nhere', put_backs=1)
    node = make_node("cpu-1", "ALLOCATED+POWERING_UP", alloc_cpus=1)
    (action,) = run(node, failure=failure)
    assert isinstance(action, PutBack)
    assert action.power_down
    assert action.reason == ("hpc-stack: no 'room' here (try 2, again at 2027-01-15T08:01:00Z)")
    assert read_put_back(action.reason) == PutBackReason(
        message="no 'room' here", count=2, until=NOW + 60
    )


def test_a_dead_machine_is_told_with_its_exit_status() -> None:
    dead, launch = run(make_node("cpu-1", "ALLOCATED", alloc_cpus=1), EXITED)
    assert isinstance(dead, ReplaceDead)
    assert dead.reason == REPLACED
    assert isinstance(launch, Launch)


def test_an_admins_reason_stays_when_the_machine_of_a_draining_node_dies() -> None:
    (dead,) = run(make_node("cpu-1", "ALLOCATED+DRAIN", "memory test", 1), EXITED)
    assert isinstance(dead, ReplaceDead)
    assert dead.reason == "memory test"


def test_a_finished_resume_timeout_needs_no_power_down() -> None:
    (action,) = run(make_node("cpu-1", "DOWN+POWERED_DOWN", "ResumeTimeout reached"))
    assert isinstance(action, PutBack)
    assert not action.power_down
    assert action.reason.startswith("hpc-stack: ResumeTimeout reached (try 1,")


@pytest.mark.parametrize("reason", ["", "busy", "hpc-stack: x", "hpc-stack: x (try 1, again at y)"])
def test_other_reasons_are_no_put_back(reason: str) -> None:
    assert read_put_back(reason) is None


def test_what_slurm_adds_to_a_reason_shortens_no_put_back() -> None:
    # Seen with 26.05, of a node whose slurmd died as it registered.
    assert read_put_back(f"{HELD} : Not responding") == read_put_back(HELD) is not None


def test_the_backoff_doubles_up_to_a_cap() -> None:
    assert [backoff_seconds(n) for n in range(1, 8)] == [30, 60, 120, 240, 480, 900, 900]
    assert backoff_seconds(10_000) == 900


def test_a_machine_of_an_unknown_node_is_an_orphan() -> None:
    stranger = make_instance("old-9")
    (action,) = run(make_node("cpu-1", "IDLE+POWERED_DOWN"), stranger)
    assert isinstance(action, Terminate)
    assert action.instance == stranger


@pytest.mark.parametrize(("seconds", "asked"), [(0, 0), (29, 0), (31, 1), (-5, 1)])
def test_a_machine_that_could_not_be_ended_is_asked_again_after_a_while(
    seconds: float, asked: int
) -> None:
    machine = make_instance("cpu-1")
    refused = Memory().terminations_done({machine.provider_id: True}, NOW - seconds)
    off = make_node("cpu-1", "IDLE+POWERED_DOWN")
    assert len(run(off, machine, memory=refused)) == asked
    ended = refused.terminations_done({machine.provider_id: False}, NOW)
    assert not ended.not_ended


def test_a_node_that_only_slurm_knows_is_none_of_ours() -> None:
    assert run(make_node("static-1", "ALLOCATED+POWERING_UP", alloc_cpus=1)) == []


def test_of_two_machines_the_older_running_one_stays() -> None:
    starting = make_instance("cpu-1", InstanceState.STARTING, provider_id="a", created_at=NOW - 90)
    older = make_instance("cpu-1", provider_id="b", created_at=NOW - 60)
    newer = make_instance("cpu-1", provider_id="c", created_at=NOW - 30)
    actions = run(make_node("cpu-1", "IDLE"), newer, starting, older)
    ended = {action.instance for action in actions if isinstance(action, Terminate)}
    assert ended == {starting, newer}
    assert len(actions) == 2


def test_an_exited_machine_beside_a_live_one_is_cleaned_up() -> None:
    exited = make_instance("cpu-1", InstanceState.EXITED, provider_id="old")
    (action,) = run(make_node("cpu-1", "IDLE"), LIVE, exited)
    assert isinstance(action, Terminate)
    assert action.instance == exited


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["IDLE+POWERED_DOWN"] * 4, ["cpu-1", "cpu-2"]),
        (["IDLE", "IDLE+POWERED_DOWN", "IDLE+POWERED_DOWN"], ["cpu-2"]),
        (["IDLE+POWERED_DOWN+POWER_UP", "IDLE+POWERING_UP"], []),
        (["IDLE+POWERING_DOWN", "IDLE+POWERED_DOWN", "IDLE+POWERED_DOWN"], ["cpu-2", "cpu-3"]),
        (["IDLE+DRAIN", "DOWN+POWERED_DOWN", "IDLE+POWERED_DOWN"], ["cpu-3"]),
        (["IDLE+POWER_DOWN", "IDLE+POWERED_DOWN", "IDLE+POWERED_DOWN"], ["cpu-2", "cpu-3"]),
    ],
)
def test_a_pools_minimum_is_powered_up(states: list[str], expected: list[str]) -> None:
    nodes = {
        f"cpu-{index}": make_node(f"cpu-{index}", state)
        for index, state in enumerate(states, start=1)
    }
    machines = [make_instance(name) for name, node in nodes.items() if not node.off]
    view = View(nodes=nodes, instances=machines)
    actions = decide(make_fleet(min_nodes=2), view, Memory(), NOW)
    assert [action.node for action in actions if isinstance(action, PowerUp)] == expected


@pytest.mark.parametrize(
    ("state", "reason", "instance", "ready", "failed"),
    [
        ("IDLE", "", LIVE, True, False),
        ("ALLOCATED", "", LIVE, True, False),
        ("ALLOCATED", "", EXITED, False, True),
        ("IDLE+DRAIN", "memory test", LIVE, True, False),
        ("IDLE+NOT_RESPONDING", "", LIVE, False, False),
        ("ALLOCATED+POWERING_UP", "", LIVE, False, False),
        ("IDLE+POWERED_DOWN", "", None, False, False),
        ("IDLE+POWERING_DOWN", "", None, False, False),
        ("IDLE+POWERING_DOWN", HELD, None, False, True),
        ("IDLE+DRAIN+POWERED_DOWN", HELD, None, False, True),
        ("IDLE+DRAIN+POWERED_DOWN", OVER, None, False, False),
        ("DOWN", "memory test", None, False, True),
        ("DOWN+POWERED_DOWN", "ResumeTimeout reached", None, False, True),
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_marks_follow_the_node(
    state: str, reason: str, instance: Instance | None, ready: bool, failed: bool, before: bool
) -> None:
    present = frozenset({"cpu-1"} if before else set())
    alloc = 1 if state.startswith("ALLOCATED") else 0
    view = View(
        nodes={"cpu-1": make_node("cpu-1", state, reason, alloc)},
        instances=[instance] if instance else [],
        marks={Mark.READY: present, Mark.FAILED: present},
    )
    after = {Mark.READY: before, Mark.FAILED: before}
    for action in decide(make_fleet(), view, Memory(), NOW):
        if isinstance(action, SetMark):
            assert after[action.mark] != action.present, "a mark is only set when it changes"
            after[action.mark] = action.present
    assert after == {Mark.READY: ready, Mark.FAILED: failed}


def test_marks_of_nodes_that_are_no_more_are_removed() -> None:
    view = View(nodes={}, instances=[], marks={Mark.READY: frozenset({"cpu-9"})})
    assert decide(make_fleet(), view, Memory(), NOW) == [
        SetMark(node="cpu-9", mark=Mark.READY, present=False)
    ]


def test_a_death_is_counted_once() -> None:
    nodes = {"cpu-1": make_node("cpu-1", "ALLOCATED", alloc_cpus=1)}
    once = Memory().note_deaths(nodes, [EXITED], NOW)
    twice = once.note_deaths(nodes, [EXITED], NOW + 1)
    assert twice.failures["cpu-1"].tries == 1
    again = make_instance("cpu-1", InstanceState.EXITED, provider_id="other")
    assert twice.note_deaths(nodes, [again], NOW + 2).failures["cpu-1"].tries == 2


def test_the_end_of_an_unwanted_machine_is_no_failure() -> None:
    nodes = {"cpu-1": make_node("cpu-1", "IDLE+POWERING_DOWN")}
    assert Memory().note_deaths(nodes, [EXITED], NOW).failures == {}


def test_a_node_that_is_well_for_a_minute_is_forgiven() -> None:
    memory = Memory().failed("cpu-1", "x", NOW)
    nodes = {"cpu-1": make_node("cpu-1", "IDLE")}
    assert memory.forget_recovered(nodes, NOW + 59).failures
    assert not memory.forget_recovered(nodes, NOW + 60).failures
    assert not memory.forget_recovered({}, NOW).failures


@pytest.mark.parametrize("state", ["IDLE+DRAIN+INVALID_REG", "DOWN", "ALLOCATED+POWERING_UP"])
def test_a_node_that_is_up_and_no_use_is_not_forgiven(state: str) -> None:
    memory = Memory().failed("cpu-1", "x", NOW)
    nodes = {"cpu-1": make_node("cpu-1", state, "Low RealMemory")}
    assert memory.forget_recovered(nodes, NOW + 1000).failures


def test_the_time_of_a_put_back_does_not_count_as_being_well() -> None:
    reason = PutBackReason(message="x", count=3, until=NOW + 120)
    memory = Memory().failed("cpu-1", "x", NOW).put_back("cpu-1", reason)
    nodes = {"cpu-1": make_node("cpu-1", "IDLE")}
    assert memory.forget_recovered(nodes, NOW + 179).failures
    assert not memory.forget_recovered(nodes, NOW + 180).failures


def test_a_restarted_manager_reads_the_count_from_slurms_reason() -> None:
    reason = PutBackReason(message="no room", count=3, until=NOW + 20).text()
    node = make_node("cpu-1", "IDLE+DRAIN+POWERED_DOWN", reason)
    memory = Memory().recall([node])
    assert memory.failures["cpu-1"].put_backs == 3
    failing = memory.failed("cpu-1", "still none", NOW, retryable=False)
    (action,) = run(
        make_node("cpu-1", "ALLOCATED+POWERING_UP", alloc_cpus=1),
        failure=failing.failures["cpu-1"],
    )
    assert isinstance(action, PutBack)
    assert "(try 4, " in action.reason


def test_an_undrain_comes_only_after_the_time() -> None:
    (action,) = run(make_node("cpu-1", "IDLE+DRAIN+POWERED_DOWN", OVER))
    assert action == Undrain(node="cpu-1")
