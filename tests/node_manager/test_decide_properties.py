"""What holds for every fleet, and a random life of a cluster that must end well."""

import io
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
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
from node_manager.journal import Journal
from node_manager.memory import Memory
from node_manager.provider import InstanceState, LaunchFailure
from node_manager.ready_files import MarkFiles
from node_manager.slurm_state import BaseState, Flag, SlurmNode

from tests.node_manager.builders import NOW, make_fleet, make_instance
from tests.node_manager.fake_provider import Clock, FakeProvider, FakeSlurm, make_reconciler

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


class ClusterLife(RuleBasedStateMachine):
    """Users, admins, faults and time in any order. When the faults stop, everything is well."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.fleet = make_fleet(min_nodes=1)
        self.provider = FakeProvider(self.clock, batch=3)
        self.slurm = FakeSlurm(self.fleet, self.provider, self.clock)
        self.directory = tempfile.TemporaryDirectory()
        self.start_manager()

    def teardown(self) -> None:
        try:
            self.faults_stop()
            self.everything_is_well()
        finally:
            self.directory.cleanup()

    @rule()
    def start_manager(self) -> None:
        marks = MarkFiles(Path(self.directory.name))
        marks.prepare()
        self.marks = marks
        self.manager = make_reconciler(
            fleet=self.fleet,
            slurm=self.slurm,
            provider=self.provider,
            run_dir=Path(self.directory.name),
            journal=Journal(io.StringIO()),
            clock=self.clock,
        )

    @rule(seconds=st.sampled_from([0.1, 1, 5, 40, 200, 1000]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def slurm_ticks(self) -> None:
        self.slurm.tick()

    @rule(rounds=st.integers(1, 3))
    def the_manager_looks(self, rounds: int) -> None:
        for _ in range(rounds):
            self.manager.run_once()

    @rule(name=names)
    def a_job_starts(self, name: str) -> None:
        self.slurm.allocate(name)

    @rule(name=names)
    def a_job_ends(self, name: str) -> None:
        self.slurm.end_job(name)

    @rule(name=names)
    def the_idle_time_is_over(self, name: str) -> None:
        self.slurm.suspend(name)

    @rule(name=names)
    def a_machine_dies(self, name: str) -> None:
        self.provider.kill(name)

    @rule(name=names)
    def a_machine_vanishes(self, name: str) -> None:
        machines = self.provider.machines
        self.provider.machines = {k: m for k, m in machines.items() if m.node != name}

    @rule(broken=st.frozensets(names), retryable=st.booleans())
    def launches_fail(self, broken: frozenset[str], retryable: bool) -> None:
        failure = LaunchFailure(code="x", message="no room", retryable=retryable)
        self.provider.fail = lambda name: failure if name in broken else None

    @rule(name=names, reason=st.sampled_from(["Not responding", "Kill task failed"]))
    def slurm_gives_up_on_a_node(self, name: str, reason: str) -> None:
        if not self.slurm.nodes_now()[name].off:
            self.slurm.set_down(name, reason)

    @rule(up=st.booleans())
    def slurmctld_or_the_engine_goes_or_comes(self, up: bool) -> None:
        self.slurm.available = up
        self.provider.available = up or not self.provider.available

    @rule(registers=st.booleans())
    def slurmds_register_or_not(self, registers: bool) -> None:
        self.slurm.registers = registers

    @precondition(lambda self: not any(n.job for n in self.slurm.state.values()))
    @rule()
    def every_node_is_idle(self) -> None:
        for name in NAMES:
            self.slurm.suspend(name)

    @invariant()
    def a_node_has_at_most_one_machine(self) -> None:
        live = [machine.node for machine in self.provider.live()]
        assert len(live) == len(set(live))

    def faults_stop(self) -> None:
        self.provider.fail = lambda _: None
        self.provider.available = self.slurm.available = self.slurm.registers = True
        for name in NAMES:
            self.slurm.end_job(name)
        for _ in range(300):
            self.manager.run_once()
            self.slurm.tick()
            self.clock.now += 10

    def everything_is_well(self) -> None:
        nodes = self.slurm.nodes()
        assert all(not node.out_of_service for node in nodes.values()), nodes
        live = {machine.node for machine in self.provider.live()}
        assert live == {name for name, node in nodes.items() if not node.off}
        assert len(live) >= 1, "the minimum of the pool"
        assert self.marks.present()[Mark.READY] == live
        assert self.marks.present()[Mark.FAILED] == frozenset()
        for name in NAMES:
            if nodes[name].off and Flag.POWERING_DOWN not in nodes[name].flags:
                assert self.slurm.allocate(name), "every node can be used"


ClusterLife.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
test_the_life_of_a_cluster = ClusterLife.TestCase
