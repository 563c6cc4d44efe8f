"""CPU time that containers have taken, as the engine counts it."""

from collections.abc import Iterable
from typing import Any

import docker


def cpu_seconds(names: Iterable[str]) -> dict[str, float]:
    """By container, since it was started."""
    client: Any = docker.APIClient(version="auto")
    return {
        name: client.stats(name, stream=False, one_shot=True)["cpu_stats"]["cpu_usage"][
            "total_usage"
        ]
        / 1e9
        for name in names
    }
