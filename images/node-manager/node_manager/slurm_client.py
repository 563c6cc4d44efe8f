"""The only caller of Slurm's commands. One call reads all nodes, one call updates many.

Errors are typed: SlurmUnavailable means that nothing is known (do nothing this round), and
SlurmRefused that one update was not accepted.
"""

import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from node_manager.hostlist import expand, hostlist
from node_manager.slurm_state import NodeUpdate, SlurmNode, StateError, parse_nodes

# scontrol itself tries for 20 s when slurmctld's name does not resolve; a round must not.
SHOW_TIMEOUT = 5.0
UPDATE_TIMEOUT = 15.0
# One argument may have 128 KiB; the longest list of this many names stays far below.
NODES_PER_UPDATE = 1000

Runner = Callable[[Sequence[str], float], str]


class CommandFailed(Exception):
    """A command ended with an error or not in time. The text is its last line of output."""


class SlurmUnavailable(Exception):
    """slurmctld did not answer, or not with anything that makes sense."""


class SlurmRefused(Exception):
    """slurmctld did not accept an update."""


def run_command(command: Sequence[str], timeout: float) -> str:
    """Run a command for at most `timeout` seconds; its standard output. Raises CommandFailed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"no answer within {timeout:g} s") from error
    except OSError as error:
        raise CommandFailed(f"{command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise CommandFailed(lines[-1] if lines else f"exit status {done.returncode}")
    return done.stdout


class SlurmClient:
    """scontrol, as the root of the cluster."""

    def __init__(self, run: Runner = run_command) -> None:
        self._run = run

    def nodes(self) -> dict[str, SlurmNode]:
        """Every node by name. Raises SlurmUnavailable."""
        try:
            nodes = parse_nodes(
                self._run(("scontrol", "show", "nodes", "--oneliner"), SHOW_TIMEOUT)
            )
        except (CommandFailed, StateError) as error:
            raise SlurmUnavailable(str(error)) from error
        if not nodes:
            # Every fleet has nodes. Believing this would make orphans of all machines.
            raise SlurmUnavailable("slurmctld knows no node at all")
        return nodes

    def update(
        self, nodes: Iterable[str], state: NodeUpdate, reason: str | None = None
    ) -> dict[str, SlurmRefused]:
        """Set a state on many nodes; what was refused, by node.

        slurmctld answers for a list as a whole. When it refuses one, each of its nodes is tried
        alone, so that one bad node does not hold up the others.
        """
        refused: dict[str, SlurmRefused] = {}
        for batch in _batches(sorted(nodes), NODES_PER_UPDATE):
            error = self._update_one_list(batch, state, reason)
            if error is None:
                continue
            if len(batch) == 1:
                refused[batch[0]] = error
                continue
            for node in batch:
                if (alone := self._update_one_list([node], state, reason)) is not None:
                    refused[node] = alone
        return refused

    def kept_nodes(self) -> frozenset[str]:
        """The nodes that Slurm does not power down (SuspendExcNodes). Raises SlurmUnavailable."""
        try:
            text = self._run(("scontrol", "show", "config"), SHOW_TIMEOUT)
        except CommandFailed as error:
            raise SlurmUnavailable(str(error)) from error
        for line in text.splitlines():
            key, _, value = line.partition("=")
            if key.strip() == "SuspendExcNodes":
                value = value.strip()
                return frozenset() if value == "(null)" else frozenset(expand(value))
        raise SlurmUnavailable("its configuration has no SuspendExcNodes")

    def keep_nodes(self, nodes: Iterable[str]) -> SlurmRefused | None:
        """Set the nodes that Slurm does not power down; an error, if it refused."""
        try:
            self._run(("scontrol", "update", f"SuspendExcNodes={hostlist(nodes)}"), UPDATE_TIMEOUT)
        except CommandFailed as error:
            return SlurmRefused(str(error))
        return None

    def jobs_of_nodes(self) -> dict[str, list[str]]:
        """The jobs that have nodes now, by node. For logs: empty when Slurm does not answer."""
        command = ("squeue", "--noheader", "--states=CONFIGURING,RUNNING", "--format=%i %N")
        try:
            lines = self._run(command, SHOW_TIMEOUT).splitlines()
        except CommandFailed:
            return {}
        jobs: dict[str, list[str]] = defaultdict(list)
        for line in lines:
            job, _, nodes = line.strip().partition(" ")
            for node in expand(nodes):
                jobs[node].append(job)
        return jobs

    def _update_one_list(
        self, nodes: Sequence[str], state: NodeUpdate, reason: str | None
    ) -> SlurmRefused | None:
        command = ["scontrol", "update", f"nodename={hostlist(nodes)}", f"state={state.value}"]
        if reason is not None:
            command.append(f"reason={reason}")
        try:
            self._run(command, UPDATE_TIMEOUT)
        except CommandFailed as error:
            return SlurmRefused(str(error))
        return None


def _batches(items: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
