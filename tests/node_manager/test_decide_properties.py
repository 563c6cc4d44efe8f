"""What holds for every fleet, and a random life of a cluster that must end well."""

from hypothesis import given, settings
from hypothesis import strategies as st
from node_manager.actions import (
    Launch,
    Mark,
    PowerUp,
    PutBack,
    ReplaceDead,
    Terminate,
    Undrain,
    View,
)
from node_manager.decide import decide
from node_manager.failures import Failure, PutBackReason
from node_manager.memory import Memory
from node_manager.provider import InstanceState
from node_manager.slurm_state import BaseState, Flag, SlurmNode

from tests.node_manager.builders import NOW, make_fleet, make_instance

NAMES = [f"cpu-{index}" for index in range(1, 5)]
ADMIN = "an admin's reason"

names = st.sampled_from(NAMES)
times = st.floats(min_value=NOW - 2000, max_value=NOW + 2000)
reasons = st.one_of(
    st.sampled_from(["", ADMIN, "Not responding", "ResumeTimeout reached", "hpc-stack: x"]),
    st.builds(
        lambda count, until: PutBackReason(message="m", count=count, until=until).text(),
        st.integers(1, 9),
        times,
    ),
)


@st.composite
def views(draw: st.DrawFn) -> View:
    nodes: dict[str, SlurmNode] = {}
    for name in [*NAMES, "static-1"]:
        flags = draw(st.frozensets(st.sampled_from(list(Flag)), max_size=4))
        base = draw(st.sampled_from(list(BaseState)))
        nodes[name] = SlurmNode(
            name=name,
            base=base,
            flags=flags,
            reason=draw(reasons),
            alloc_cpus=draw(st.integers(0, 2)),
        )
    instances = [
        make_instance(
            draw(st.sampled_from([*NAMES, "old-1"])),
            draw(st.sampled_from(list(InstanceState))),
            provider_id=f"m{index}",
            created_at=draw(times),
        )
        for index in range(draw(st.integers(0, 6)))
    ]
    marks = {mark: draw(st.frozensets(names)) for mark in Mark}
    return View(nodes=nodes, instances=instances, marks=marks)


failures = st.builds(
    Failure,
    tries=st.integers(0, 5),
    at=times,
    message=st.just("m"),
    retryable=st.booleans(),
    put_backs=st.integers(0, 5),
    put_back_until=st.none() | times,
)
memories = st.builds(Memory, st.dictionaries(names, failures))


@given(view=views(), memory=memories, min_nodes=st.integers(0, 4))
@settings(max_examples=400, deadline=None)
def test_no_decision_contradicts_another(view: View, memory: Memory, min_nodes: int) -> None:
    actions = decide(make_fleet(min_nodes=min_nodes), view, memory, NOW)
    assert actions == decide(make_fleet(min_nodes=min_nodes), view, memory, NOW)

    live = {machine.node for machine in view.instances if machine.state.live}
    launched = [action.node for action in actions if isinstance(action, Launch)]
    assert len(launched) == len(set(launched)), "a node is launched once"
    assert not live & set(launched), "a node that has a machine gets no second one"
    assert all(not view.nodes[name].off for name in launched), "only what Slurm wants"

    put_back = [action.node for action in actions if isinstance(action, PutBack)]
    assert len(put_back) == len(set(put_back))
    assert not set(put_back) & set(launched)
    undrained = {action.node for action in actions if isinstance(action, Undrain)}
    assert not undrained & set(put_back)

    changed = [
        a for a in actions if isinstance(a, Launch | PutBack | Undrain | PowerUp | ReplaceDead)
    ]
    assert {action.node for action in changed} <= set(NAMES), "only nodes of the fleet"


@given(view=views(), memory=memories)
@settings(max_examples=400, deadline=None)
def test_a_machine_goes_only_when_nobody_needs_it(view: View, memory: Memory) -> None:
    actions = decide(make_fleet(), view, memory, NOW)
    ended = [action.instance for action in actions if isinstance(action, Terminate)]
    assert all(machine in view.instances for machine in ended)
    for name, node in view.nodes.items():
        machines = [m for m in view.instances if m.node == name and m.state.live]
        if machines and not node.off:
            assert sum(machine not in ended for machine in machines) == 1


@given(view=views(), memory=memories)
@settings(max_examples=400, deadline=None)
def test_what_an_admin_took_out_is_left_alone(view: View, memory: Memory) -> None:
    for action in decide(make_fleet(), view, memory, NOW):
        if isinstance(action, PutBack | Undrain | ReplaceDead):
            node = view.nodes[action.node]
            if node.out_of_service and node.reason == ADMIN and not node.booting:
                assert isinstance(action, ReplaceDead), "the jobs of a dead machine are requeued"
                assert action.reason == ADMIN
                assert node.busy
