"""A platform and a Slurm that live in memory, with the faults of real ones.

`make_reconciler` puts a manager on top of them.

FakeSlurm does what slurmctld does with the states that the manager sets: 26.05 as it was seen, and
where nobody looked, its sources (node_mgr.c, power_save.c).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from node_manager.apply import Hands
from node_manager.brakes import BrakeFiles
from node_manager.fleet import Fleet
from node_manager.journal import Journal
from node_manager.ledger import Ledger
from node_manager.metrics import Metrics
from node_manager.provider import (
    Instance,
    InstanceState,
    LaunchFailure,
    LaunchRequest,
    LaunchResult,
    NodeProvider,
    ProviderUnavailable,
    TerminateResult,
)
from node_manager.ready_files import MarkFiles
from node_manager.reconcile import Reconciler
from node_manager.report import ReportFile
from node_manager.slurm_client import SlurmClient, SlurmRefused, SlurmUnavailable
from node_manager.slurm_state import BaseState, Flag, NodeUpdate, SlurmNode
from node_manager.targets import Targets


class Crash(Exception):
    """The manager is killed here."""


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeProvider:
    """NodeProvider. Machines are running at once; `fail` decides which launches do not succeed."""

    clock: Callable[[], float]
    batch: int = 8
    available: bool = True
    machines: dict[str, Instance] = field(default_factory=dict)
    has_job: Callable[[str], bool] = lambda _: False
    fail: Callable[[str], LaunchFailure | None] = lambda _: None
    fail_request: Callable[[LaunchRequest], LaunchFailure | None] = lambda _: None
    dies_at_once: bool = False
    trouble: dict[str, str] = field(default_factory=dict)
    stuck: frozenset[str] = frozenset()
    """Nodes whose machines cannot be ended."""
    expecting: bool = False
    crash_at: str | None = None
    """Where the manager is killed next: "before launch", "after terminate" and so on."""
    launched: list[str] = field(default_factory=list)
    terminated: list[str] = field(default_factory=list)
    _serial: int = 0

    def list_instances(self) -> Sequence[Instance]:
        if not self.available:
            raise ProviderUnavailable("the engine is away")
        return [
            replace(machine, trouble=self.trouble.get(machine.node, ""))
            for machine in self.machines.values()
        ]

    def tell_jobs(self, has_job: Callable[[str], bool]) -> None:
        self.has_job = has_job

    def crash(self, at: str) -> None:
        self.crash_at = at

    def _maybe_crash(self, at: str) -> None:
        if self.crash_at == at:
            self.crash_at = None
            raise Crash

    def expect_changes(self) -> None:
        self.expecting = True

    def launch(self, requests: Sequence[LaunchRequest]) -> Sequence[LaunchResult]:
        assert len(requests) <= self.batch
        self._maybe_crash("before launch")
        results = [self._launch_one(request) for request in requests]
        self._maybe_crash("after launch")
        return results

    def _launch_one(self, request: LaunchRequest) -> LaunchResult:
        running = [m for m in self.live() if m.node == request.node]
        if running:
            return LaunchResult(node=request.node, provider_id=running[0].provider_id)
        failure = self.fail(request.node) or self.fail_request(request)
        if failure is not None:
            return LaunchResult(node=request.node, failure=failure)
        self.machines = {k: m for k, m in self.machines.items() if m.node != request.node}
        self._serial += 1
        machine = Instance(
            node=request.node,
            provider_id=f"m{self._serial}",
            pool=request.pool.name,
            state=InstanceState.RUNNING,
            created_at=self.clock(),
            capacity=request.capacity,
            price_per_hour=request.pool.prices[request.capacity],
        )
        self.machines[machine.provider_id] = machine
        self.launched.append(request.node)
        if self.dies_at_once:
            self.kill(request.node)
        return LaunchResult(node=request.node, provider_id=machine.provider_id)

    def terminate(self, instances: Sequence[Instance]) -> Sequence[TerminateResult]:
        self._maybe_crash("before terminate")
        for instance in instances:
            if instance.node in self.stuck:
                continue
            others = [m for m in self.live() if m.node == instance.node and m != instance]
            instance = replace(instance, trouble="")
            lost = instance.state.live and self.has_job(instance.node) and not others
            assert not lost, f"{instance.node} has a job and loses its only machine"
            self.machines.pop(instance.provider_id, None)
            self.terminated.append(instance.node)
        self._maybe_crash("after terminate")
        return [
            TerminateResult(instance=one, error="it is stuck" if one.node in self.stuck else "")
            for one in instances
        ]

    def last_words(self, instance: Instance) -> str:
        return f"last words of {instance.provider_id}"

    def live(self) -> list[Instance]:
        return [machine for machine in self.machines.values() if machine.state.live]

    def kill(self, node: str) -> None:
        """The machine's main process ends by itself."""
        for key, machine in self.machines.items():
            if machine.node == node:
                self.machines[key] = replace(
                    machine, state=InstanceState.EXITED, detail="exited (137)"
                )


def make_reconciler(
    *,
    fleet: Fleet,
    slurm: SlurmClient,
    provider: NodeProvider,
    run_dir: Path,
    journal: Journal,
    clock: Callable[[], float],
    metrics: Metrics | None = None,
) -> Reconciler:
    """A manager as __main__ starts it, without the loop."""
    marks, brakes = MarkFiles(run_dir), BrakeFiles(run_dir)
    targets = Targets(run_dir / "targets")
    marks.prepare()
    brakes.prepare()
    targets.prepare()
    return Reconciler(
        Hands(
            fleet=fleet,
            slurm=slurm,
            provider=provider,
            marks=marks,
            brakes=brakes,
            journal=journal,
            metrics=metrics or Metrics(fleet),
            report=ReportFile(run_dir),
            targets=targets,
            ledger=Ledger(run_dir, fleet.pools, clock()),
            clock=clock,
        )
    )


@dataclass
class _Node:
    base: BaseState = BaseState.IDLE
    flags: set[Flag] = field(default_factory=lambda: {Flag.CLOUD, Flag.POWERED_DOWN})
    reason: str = ""
    job: bool = False
    since: float = 0.0  # of powering up or down


class Machines(Protocol):
    """Where slurmds run."""

    def tell_jobs(self, has_job: Callable[[str], bool]) -> None:
        """From now on this says whether a node has a job."""

    def live(self) -> list[Instance]:
        """Those that run or are about to."""


class FakeSlurm(SlurmClient):
    """slurmctld with power saving. `tick` lets it do what it does by itself."""

    def __init__(self, fleet: Fleet, provider: Machines, clock: Clock) -> None:
        super().__init__(run=self._no_command)
        self.fleet = fleet
        self.provider = provider
        self.clock = clock
        self.available = True
        self.registers = True
        self.crash_before: NodeUpdate | None = None
        self.refuses: set[str] = set()
        self.calls: list[tuple[NodeUpdate, tuple[str, ...]]] = []
        self.requeued: list[str] = []
        self.kept: frozenset[str] = frozenset()
        self.state = {name: _Node() for pool in fleet.pools for name in pool.node_names()}
        provider.tell_jobs(lambda name: name in self.state and self.state[name].job)

    @staticmethod
    def _no_command(command: Sequence[str], timeout: float) -> str:
        raise AssertionError(f"a real command: {command} ({timeout})")

    # --- what users, admins and slurmctld do -------------------------------------------------

    def allocate(self, name: str) -> bool:
        """Give a node to a job, if slurmctld would."""
        node = self.state[name]
        blocked = {Flag.DRAIN, Flag.POWERING_DOWN, Flag.POWER_DOWN} & node.flags
        if node.base is not BaseState.IDLE or node.job or blocked:
            return False
        node.base, node.job = BaseState.ALLOCATED, True
        return True

    def end_job(self, name: str) -> None:
        node = self.state[name]
        node.job = False
        if node.base is BaseState.ALLOCATED:
            node.base = BaseState.IDLE

    def suspend(self, name: str) -> None:
        """The idle time is over."""
        node = self.state[name]
        up = not {Flag.POWERED_DOWN, Flag.POWERING_UP, Flag.POWERING_DOWN} & node.flags
        if name in self.kept:
            return
        if up and not node.job and node.base in (BaseState.IDLE, BaseState.DOWN):
            self._begin_power_down(node)

    def set_down(self, name: str, reason: str) -> None:
        node = self.state[name]
        self._requeue(name)
        node.base, node.reason = BaseState.DOWN, reason

    def drain(self, name: str, reason: str) -> None:
        node = self.state[name]
        node.flags.add(Flag.DRAIN)
        node.reason = reason

    def tick(self) -> None:
        """One power-saving cycle, and what slurmds have to say."""
        alive = {machine.node for machine in self.provider.live()}
        for name, node in self.state.items():
            self._tick_power(node)
            waiting = {Flag.POWERING_UP, Flag.POWERED_DOWN} & node.flags or (
                node.base is BaseState.DOWN and Flag.POWERING_DOWN not in node.flags
            )
            claimed = node.job or Flag.POWERING_UP in node.flags
            if name in alive and self.registers and waiting and (claimed or self._down(node)):
                node.flags -= {Flag.POWERING_UP, Flag.POWERED_DOWN, Flag.NOT_RESPONDING}
                if node.base is BaseState.DOWN:  # ReturnToService=2
                    node.base = BaseState.IDLE
                    node.reason = node.reason if Flag.DRAIN in node.flags else ""
            self._tick_timeout(name, node)

    @staticmethod
    def _down(node: _Node) -> bool:
        return node.base is BaseState.DOWN and Flag.POWERED_DOWN not in node.flags

    def _tick_power(self, node: _Node) -> None:
        off = Flag.POWERED_DOWN in node.flags
        if (
            off
            and Flag.POWERING_DOWN not in node.flags
            and (node.job or Flag.POWER_UP in node.flags)
        ):
            node.flags -= {Flag.POWERED_DOWN, Flag.POWER_UP}
            node.flags |= {Flag.POWERING_UP, Flag.NOT_RESPONDING}
            node.since = self.clock()
        if Flag.POWER_DOWN in node.flags and not node.job:
            self._begin_power_down(node)

    def _tick_timeout(self, name: str, node: _Node) -> None:
        waited = abs(self.clock() - node.since)
        if Flag.POWERING_DOWN in node.flags and waited > self.fleet.suspend_timeout_seconds:
            node.flags.discard(Flag.POWERING_DOWN)
            node.flags.add(Flag.POWERED_DOWN)
        if Flag.POWERING_UP in node.flags and waited > self.fleet.resume_timeout_seconds:
            node.flags -= {Flag.POWERING_UP, Flag.DRAIN, Flag.POWER_DOWN, Flag.NOT_RESPONDING}
            node.flags.add(Flag.POWERED_DOWN)
            self.set_down(name, "ResumeTimeout reached")

    def _begin_power_down(self, node: _Node) -> None:
        # DOWN stays, and DRAIN as well unless somebody asked for this (no idle_on_node_suspend).
        if Flag.POWER_DOWN in node.flags:
            node.flags -= {Flag.POWER_DOWN, Flag.DRAIN}
        node.flags -= {Flag.NOT_RESPONDING, Flag.POWERED_DOWN}
        node.flags.add(Flag.POWERING_DOWN)
        node.since = self.clock()

    def _requeue(self, name: str) -> None:
        if self.state[name].job:
            self.requeued.append(name)
        self.end_job(name)

    # --- SlurmClient --------------------------------------------------------------------------

    def kept_nodes(self) -> frozenset[str]:
        if not self.available:
            raise SlurmUnavailable("slurmctld is away")
        return self.kept

    def keep_nodes(self, nodes: Iterable[str]) -> SlurmRefused | None:
        if not self.available:
            return SlurmRefused("slurmctld is away")
        self.kept = frozenset(nodes)
        return None

    def jobs_of_nodes(self) -> dict[str, list[str]]:
        return {name: [f"job-{name}"] for name, node in self.state.items() if node.job}

    def nodes(self) -> dict[str, SlurmNode]:
        if not self.available:
            raise SlurmUnavailable("slurmctld is away")
        return self.nodes_now()

    def nodes_now(self) -> dict[str, SlurmNode]:
        """The nodes, also while slurmctld answers nobody."""
        return {
            name: SlurmNode(
                name=name,
                base=node.base,
                flags=frozenset(node.flags),
                reason=node.reason,
                alloc_cpus=int(node.job),
            )
            for name, node in self.state.items()
        }

    def update(
        self, nodes: Iterable[str], state: NodeUpdate, reason: str | None = None
    ) -> dict[str, SlurmRefused]:
        names = tuple(sorted(nodes))
        if self.crash_before is state:
            self.crash_before = None
            raise Crash
        self.calls.append((state, names))
        if not self.available:
            return dict.fromkeys(names, SlurmRefused("slurmctld is away"))
        refused = {name: SlurmRefused("no") for name in names if name in self.refuses}
        for name in names:
            if name not in refused:
                self._update_one(name, state, reason)
        return refused

    def _update_one(self, name: str, state: NodeUpdate, reason: str | None) -> None:
        node = self.state[name]
        if reason is not None:
            node.reason = reason
        if state is NodeUpdate.DOWN:
            self.set_down(name, node.reason)
        elif state is NodeUpdate.DRAIN:
            node.flags.add(Flag.DRAIN)
            if Flag.POWERING_UP in node.flags:
                self._requeue(name)
        elif state is NodeUpdate.POWER_DOWN_FORCE:
            self._requeue(name)
            if Flag.POWERING_DOWN not in node.flags:
                node.flags -= {Flag.POWERING_UP, Flag.POWERED_DOWN}
                node.flags.add(Flag.POWER_DOWN)
        elif state is NodeUpdate.POWER_UP:
            node.flags.add(Flag.POWER_UP)
        elif state is NodeUpdate.RESUME:
            node.flags.discard(Flag.DRAIN)
            node.reason = ""
            if Flag.POWERING_DOWN in node.flags:  # no more waiting for SuspendTimeout
                node.flags.discard(Flag.POWERING_DOWN)
                node.flags.add(Flag.POWERED_DOWN)
            if node.base is BaseState.DOWN:
                node.base = BaseState.IDLE
