"""Which nodes Prometheus is to ask: files that it watches (file discovery).

Only nodes that are there are in them, so that one which does not answer is news.
https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from node_manager.actions import Mark, View
from node_manager.fleet import Fleet, Pool

NODE_METRICS_PORT = 9100
"""node_exporter's, on every node."""
GPU_METRICS_PORT = 9400
"""dcgm-exporter's, on nodes with GPUs."""


class Targets:
    """The files nodes.json and gpus.json."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._written: dict[str, str] = {}

    def prepare(self) -> None:
        """Make the directory, which Prometheus' own user reads."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._directory.chmod(0o755)

    def write(self, fleet: Fleet, view: View) -> None:
        """Bring the files to what is seen; each is replaced as a whole, when it changes."""
        pools = fleet.pool_of_node if fleet.node_metrics else {}
        ready = view.marks.get(Mark.READY, frozenset()) & pools.keys()
        there = sorted(
            (machine.node, machine.address)
            for machine in view.instances
            if machine.state.live and machine.address and machine.node in ready
        )
        with_gpus = [(node, address) for node, address in there if pools[node].gpus]
        self._replace("nodes.json", _groups(there, pools, NODE_METRICS_PORT))
        self._replace("gpus.json", _groups(with_gpus, pools, GPU_METRICS_PORT))

    def _replace(self, name: str, groups: list[dict[str, Any]]) -> None:
        text = json.dumps(groups)
        if self._written.get(name) == text:
            return
        draft = self._directory / f"{name}.new"
        draft.write_text(text, encoding="utf-8")
        draft.replace(self._directory / name)
        self._written[name] = text


def _groups(
    there: Iterable[tuple[str, str]], pools: Mapping[str, Pool], port: int
) -> list[dict[str, Any]]:
    return [
        {"targets": [f"{address}:{port}"], "labels": {"node": node, "pool": pools[node].name}}
        for node, address in there
    ]
