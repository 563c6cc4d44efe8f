"""A random life of a cluster over a fake platform and a fake Slurm, which must end well.

Users, admins, the platform, slurmctld, the clock and the manager do what they like, in any order.
At every step the invariants hold, and when the faults stop everything becomes well by itself.
"""

import io
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from node_manager.actions import Mark
from node_manager.brakes import BrakeFiles
from node_manager.fleet import Capacity
from node_manager.journal import Journal
from node_manager.limits import passed_limit, usage
from node_manager.provider import LaunchFailure, LaunchRequest
from node_manager.ready_files import MarkFiles
from node_manager.slurm_state import Flag, NodeUpdate

from tests.node_manager.builders import SPOT, make_fleet
from tests.node_manager.fake_provider import (
    Clock,
    Crash,
    FakeProvider,
    FakeSlurm,
    make_reconciler,
)

NAMES = [f"cpu-{index}" for index in range(1, 7)]
NOTICE = "hpc-stack: leaving: spot interruption at 2026-11-24T10:00:00Z"
CEILING = 4
STEPS, LIVES = 50, 60

names = st.sampled_from(NAMES)


class ClusterLife(RuleBasedStateMachine):
    """One life."""

    @initialize(
        min_nodes=st.integers(0, 2),
        warm_nodes=st.integers(0, 2),
        spot=st.none()
        | st.builds(
            lambda failures, on_demand: (
                SPOT | {"fallback_after_failures": failures, "on_demand_nodes": on_demand}
            ),
            st.none() | st.integers(1, 3),
            st.integers(0, 2),
        ),
        limits=st.sampled_from(
            [
                {"max_instances": CEILING},
                {"max_cost_per_hour": 3.0},
                {"memory_mb": 500 * CEILING},
                {},
            ]
        ),
        brake_after=st.integers(1, 6),
    )
    def begin(
        self,
        min_nodes: int,
        warm_nodes: int,
        spot: dict[str, object] | None,
        limits: dict[str, float],
        brake_after: int,
    ) -> None:
        self.clock = Clock()
        self.fleet = make_fleet(
            max_nodes=len(NAMES),
            min_nodes=min_nodes,
            warm_nodes=warm_nodes,
            spot=spot,
            price_per_hour={"on_demand": 1.0, "spot": 0.4},
            limits=limits | {"brake_after": brake_after},
        )
        self.provider = FakeProvider(self.clock, batch=3)
        self.slurm = FakeSlurm(self.fleet, self.provider, self.clock)
        self.directory = tempfile.TemporaryDirectory()
        run_dir = Path(self.directory.name)
        self.marks, self.brakes = MarkFiles(run_dir), BrakeFiles(run_dir)
        self.start_manager()

    def teardown(self) -> None:
        if not hasattr(self, "manager"):
            return
        try:
            self.faults_stop()
            self.everything_is_well()
        finally:
            self.directory.cleanup()

    # --- the manager ------------------------------------------------------------------------------

    @rule()
    def start_manager(self) -> None:
        self.manager = make_reconciler(
            fleet=self.fleet,
            slurm=self.slurm,
            provider=self.provider,
            run_dir=Path(self.directory.name),
            journal=Journal(io.StringIO()),
            clock=self.clock,
        )

    @rule(rounds=st.integers(1, 3))
    def the_manager_looks(self, rounds: int) -> None:
        for _ in range(rounds):
            self.manager.run_once()

    @rule(when=st.sampled_from(["before", "after"]), what=st.sampled_from(["launch", "terminate"]))
    def the_manager_is_killed_at_a_step(self, when: str, what: str) -> None:
        self.provider.crash_at = f"{when} {what}"
        try:
            self.manager.run_once()
        except Crash:
            self.start_manager()
        self.provider.crash_at = None

    @rule()
    def an_admin_resumes_the_pool(self) -> None:
        self.brakes.release("cpu")

    # --- time and Slurm -----------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.1, 1, 5, 40, 200, 1000, -3600, 86_400]))
    def time_passes_or_the_clock_jumps(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def slurm_ticks(self) -> None:
        self.slurm.tick()

    @rule(name=names)
    def a_job_starts(self, name: str) -> None:
        self.slurm.allocate(name)

    @rule(name=names)
    def a_job_ends(self, name: str) -> None:
        self.slurm.end_job(name)

    @rule(name=names)
    def the_idle_time_is_over(self, name: str) -> None:
        self.slurm.suspend(name)

    @rule()
    def slurmctld_restarts(self) -> None:
        self.slurm.kept = frozenset()

    @rule(name=names, reason=st.sampled_from(["Not responding", "Kill task failed"]))
    def slurm_gives_up_on_a_node(self, name: str, reason: str) -> None:
        if not self.slurm.nodes_now()[name].off:
            self.slurm.set_down(name, reason)

    @rule(name=names, reason=st.sampled_from(["Kill task failed", "Job env setup error"]))
    def slurm_drains_a_node(self, name: str, reason: str) -> None:
        if not self.slurm.nodes_now()[name].off:
            self.slurm.drain(name, reason)

    @rule(name=names)
    def an_admin_resumes_a_node(self, name: str) -> None:
        node = self.slurm.nodes_now()[name]
        if node.out_of_service or node.has(Flag.POWERING_DOWN):
            self.slurm.update([name], NodeUpdate.RESUME)

    @rule(registers=st.booleans())
    def slurmds_register_or_not(self, registers: bool) -> None:
        self.slurm.registers = registers

    # --- the platform -----------------------------------------------------------------------------

    @rule(name=names)
    def a_machine_dies(self, name: str) -> None:
        self.provider.kill(name)

    @rule(name=names)
    def a_machine_vanishes(self, name: str) -> None:
        machines = self.provider.machines
        self.provider.machines = {k: m for k, m in machines.items() if m.node != name}

    @rule(stuck=st.frozensets(names))
    def machines_cannot_be_ended(self, stuck: frozenset[str]) -> None:
        self.provider.stuck = stuck

    @rule(dies=st.booleans())
    def new_machines_die_at_once_or_not(self, dies: bool) -> None:
        self.provider.dies_at_once = dies

    @rule(broken=st.frozensets(names), retryable=st.booleans())
    def launches_fail(self, broken: frozenset[str], retryable: bool) -> None:
        failure = LaunchFailure(code="x", message="no room", retryable=retryable)
        self.provider.fail = lambda name: failure if name in broken else None

    @rule(short=st.frozensets(st.sampled_from(list(Capacity))))
    def capacity_is_short(self, short: frozenset[Capacity]) -> None:
        failure = LaunchFailure(code="y", message="none left", retryable=False, shortage=True)

        def fail(request: LaunchRequest) -> LaunchFailure | None:
            return failure if request.capacity in short else None

        self.provider.fail_request = fail

    @rule(name=names, trouble=st.sampled_from(["", "impaired"]))
    def a_machine_is_in_trouble_or_well_again(self, name: str, trouble: str) -> None:
        self.provider.trouble[name] = trouble

    @rule(name=names)
    def a_node_is_noticed(self, name: str) -> None:
        if self.slurm.nodes_now()[name].registered:
            self.slurm.drain(name, NOTICE)

    @rule(up=st.booleans())
    def slurmctld_or_the_engine_goes_or_comes(self, up: bool) -> None:
        self.slurm.available = up
        self.provider.available = up or not self.provider.available

    @precondition(lambda self: not any(n.job for n in self.slurm.state.values()))
    @rule()
    def every_node_is_idle(self) -> None:
        for name in NAMES:
            self.slurm.suspend(name)

    # --- what always holds; that no job loses its only machine is in FakeProvider.terminate ---

    @invariant()
    def a_node_has_at_most_one_machine(self) -> None:
        if hasattr(self, "provider"):
            live = [machine.node for machine in self.provider.live()]
            assert len(live) == len(set(live))

    @invariant()
    def the_ceiling_holds(self) -> None:
        if hasattr(self, "provider"):
            assert not passed_limit(self.fleet, usage(self.fleet, self.provider.live()))

    # --- the end ------------------------------------------------------------------------------

    def faults_stop(self) -> None:
        self.provider.fail = lambda _: None
        self.provider.fail_request = lambda _: None
        self.provider.dies_at_once = False
        self.provider.trouble.clear()
        self.provider.stuck = frozenset()
        self.provider.available = self.slurm.available = self.slurm.registers = True
        self.brakes.release("cpu")
        for name in NAMES:
            self.slurm.end_job(name)
        for _ in range(300):
            self.manager.run_once()
            self.slurm.tick()
            self.brakes.release("cpu")  # what failed before may still be counted once
            self.clock.now += 10

    def everything_is_well(self) -> None:
        nodes = self.slurm.nodes()
        up = {name for name, node in nodes.items() if not node.off}
        live = {machine.node for machine in self.provider.live()}
        assert live == up
        assert self.marks.present()[Mark.READY] == live
        room = not passed_limit(
            self.fleet,
            usage(self.fleet, self.provider.live()).plus(self.fleet.pools[0], Capacity.ON_DEMAND),
        )
        if not room:
            assert len(live) >= 2
            return
        assert all(not node.out_of_service for node in nodes.values()), nodes
        assert self.marks.present()[Mark.FAILED] == frozenset()
        pool = self.fleet.pools[0]
        wanted = max(pool.min_nodes, pool.warm_nodes)
        assert len(live) >= wanted, "the minimum and the warm nodes of the pool"
        assert self.slurm.kept <= live
        assert len(self.slurm.kept) == wanted
        for name in NAMES:
            going = nodes[name].has(Flag.POWERING_DOWN)
            if nodes[name].off and not going:
                assert self.slurm.allocate(name), "every node can be used"


ClusterLife.TestCase.settings = settings(
    max_examples=LIVES, stateful_step_count=STEPS, deadline=None
)
test_the_life_of_a_cluster = ClusterLife.TestCase
