"""Parts of Compose services that several of them have."""

from typing import Any

SLURM_UID = 64030
"""Debian's uid and gid of the user slurm, fixed in images/slurm/Dockerfile."""


def secret(name: str, target: str | None = None, owner: int = 0) -> dict[str, Any]:
    """A secret for a service, as a file that its owner alone can read.

    slurm.key with any other bit is refused by Slurm.
    """
    return {
        "source": name,
        "target": target or name,
        "uid": str(owner),
        "gid": str(owner),
        "mode": 0o400,
    }


def health(command: str) -> dict[str, Any]:
    """A health check by a shell command: soon after a start, then seldom."""
    return {
        "test": ["CMD-SHELL", command],
        "interval": "30s",
        "start_period": "120s",
        "start_interval": "1s",
        "timeout": "10s",
        "retries": 3,
    }


def answers(url: str) -> dict[str, Any]:
    """A health check by busybox's wget, which every official image of Prometheus has."""
    return health(f"wget --quiet --output-document=/dev/null {url}")
