"""The brakes: /run/fleet/brake/<pool>, each with its reason. A file outlives the manager."""

from pathlib import Path


class BrakeFiles:
    """Which pools launch nothing until somebody resumes them."""

    def __init__(self, run_dir: Path) -> None:
        self._directory = run_dir / "brake"

    def prepare(self) -> None:
        """Make the directory, writable only by us."""
        self._directory.mkdir(parents=True, exist_ok=True)

    def present(self) -> dict[str, str]:
        """The braked pools and why; none where there is no directory yet."""
        if not self._directory.is_dir():
            return {}
        return {file.name: file.read_text(encoding="utf-8") for file in self._directory.iterdir()}

    def set(self, pool: str, reason: str) -> None:
        """Put a brake on."""
        (self._directory / pool).write_text(reason, encoding="utf-8")

    def release(self, pool: str) -> bool:
        """Take a brake off. False when it was not on."""
        try:
            (self._directory / pool).unlink()
        except FileNotFoundError:
            return False
        return True
