"""The files that PrologSlurmctld tests: /run/fleet/ready/<node> and /run/fleet/failed/<node>.

What they mean is in actions.Mark. They are files because the prolog runs before every job, and a
file test costs it nothing.
"""

from collections.abc import Mapping
from pathlib import Path

from node_manager.actions import Mark


class MarkFiles:
    """One directory for each mark, with an empty file for each node that has it."""

    def __init__(self, root: Path) -> None:
        self._directories: Mapping[Mark, Path] = {mark: root / mark.value for mark in Mark}

    def prepare(self) -> None:
        """Make the directories, readable by slurmctld's user and writable only by us."""
        for directory in self._directories.values():
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o755)

    def present(self) -> dict[Mark, frozenset[str]]:
        """Which nodes have which mark now."""
        return {
            mark: frozenset(file.name for file in directory.iterdir())
            for mark, directory in self._directories.items()
        }

    def set(self, node: str, mark: Mark, *, present: bool) -> None:
        """Give or take a mark."""
        file = self._directories[mark] / node
        if present:
            file.touch()
        else:
            file.unlink(missing_ok=True)
