"""A manager over a fake platform and a fake Slurm, with time that only passes when told to."""

import io
import json
from collections.abc import Callable
from pathlib import Path

from node_manager.actions import Mark
from node_manager.brakes import BrakeFiles
from node_manager.fleet import Fleet
from node_manager.journal import Journal
from node_manager.ready_files import MarkFiles
from node_manager.reconcile import Round
from node_manager.slurm_state import Flag

from tests.node_manager.builders import make_fleet
from tests.node_manager.fake_provider import Clock, FakeProvider, FakeSlurm, make_reconciler


class Cluster:
    """Everything together, and a manager that can be started again."""

    def __init__(self, directory: Path, fleet: Fleet | None = None) -> None:
        self.directory = directory
        self.clock = Clock()
        self.fleet = fleet or make_fleet()
        self.provider = FakeProvider(self.clock)
        self.slurm = FakeSlurm(self.fleet, self.provider, self.clock)
        self.marks = MarkFiles(directory)
        self.marks.prepare()
        self.brakes = BrakeFiles(directory)
        self.log = io.StringIO()
        self.restart()

    def restart(self) -> None:
        self.manager = make_reconciler(
            fleet=self.fleet,
            slurm=self.slurm,
            provider=self.provider,
            run_dir=self.directory,
            journal=Journal(self.log),
            clock=self.clock,
        )

    def round(self) -> Round:
        return self.manager.run_once()

    def live(self) -> list[str]:
        return sorted(machine.node for machine in self.provider.live())

    def ready(self) -> list[str]:
        return sorted(self.marks.present()[Mark.READY])

    def run_for(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Rounds at the pace that the manager asks for, Slurm's tick each second."""
        end = self.clock.now + seconds
        tick = self.clock.now
        while self.clock.now < end and not until():
            done = self.round()
            self.clock.now += min(max(done.wait, 0.01), 1.0)
            if self.clock.now - tick >= 1:
                self.slurm.tick()
                tick = self.clock.now
        assert until() or self.clock.now >= end

    def in_service(self, name: str) -> bool:
        node = self.slurm.nodes()[name]
        return not node.out_of_service

    def held_and_off(self, name: str) -> bool:
        return {Flag.POWERED_DOWN, Flag.DRAIN} <= self.slurm.state[name].flags

    def events(self, **fields: object) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in lines if fields.items() <= line.items()]
