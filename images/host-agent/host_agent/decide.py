"""What to do next, from what is wanted, what runs and what has failed. Pure."""

from dataclasses import dataclass, replace

FIRST_PAUSE, LONGEST_PAUSE = 60.0, 600.0
"""Seconds before a bundle that failed is tried again, and the most that doubling makes of them."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What the agent knows. Times are seconds of one clock."""

    applied: str = ""
    """Digest of the bundle that runs; empty: none that this agent has started."""
    failed: str = ""
    """Digest of the bundle that failed last."""
    failures: int = 0
    """How often in a row it has."""
    failed_at: float = 0.0

    def succeeded(self, digest: str) -> "Progress":
        return Progress(applied=digest)

    def failed_with(self, digest: str, now: float) -> "Progress":
        again = self.failures + 1 if digest == self.failed else 1
        return replace(self, failed=digest, failures=again, failed_at=now)

    @property
    def pause(self) -> float:
        """Seconds from the last failure to the next try."""
        return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (self.failures - 1))


def is_due(progress: Progress, wanted: str, now: float) -> bool:
    """Whether to apply the wanted bundle now."""
    if wanted == progress.applied and not progress.failures:
        return False
    if wanted == progress.failed:
        return now - progress.failed_at >= progress.pause
    return True
