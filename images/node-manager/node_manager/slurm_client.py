"""The only caller of scontrol. One call reads all nodes, one call updates many.

Errors are typed: SlurmUnavailable means that nothing is known (do nothing this round), and
SlurmRefused that one update was not accepted.
"""

import itertools
import subprocess
from collections.abc import Callable, Iterable, Sequence

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
            nodes = parse_nodes(self._run(("scontrol", "show", "nodes", "--json"), SHOW_TIMEOUT))
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


def hostlist(names: Iterable[str]) -> str:
    """Slurm's short form of node names: cpu-1, cpu-2, cpu-3, gpu-1 become cpu-[1-3],gpu-1."""
    plain: list[str] = []
    numbers: dict[str, list[int]] = {}
    for name in names:
        stem = name.rstrip("0123456789")
        digits = name[len(stem) :]
        if not digits or (digits[0] == "0" and digits != "0"):
            plain.append(name)  # a padded number would lose its zeros
        else:
            numbers.setdefault(stem, []).append(int(digits))
    parts = [_numbered(stem, sorted(set(found))) for stem, found in sorted(numbers.items())]
    return ",".join([*sorted(plain), *parts])


def _numbered(stem: str, numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"{stem}{numbers[0]}"
    # In a run of consecutive numbers, number minus position is constant.
    runs = itertools.groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    ranges = []
    for _, pairs in runs:
        run = [number for _, number in pairs]
        ranges.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
    return f"{stem}[{','.join(ranges)}]"


def _batches(items: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
