"""fleet.json, version 1: what the infrastructure tells the node manager. Reading and checking only.

The other end, which writes the file, is config/render/fleet.py. Unknown keys are ignored, so that a
newer writer may add some; an unknown version is refused.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

VERSION = 1

T = TypeVar("T")


class FleetError(ValueError):
    """fleet.json cannot be used. The text names the key, the value and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Gpus:
    """The GPUs of one node."""

    type: str
    count: int
    device_files: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Nodes of one shape; Slurm's partition and NodeSet have the same name."""

    name: str
    min_nodes: int
    max_nodes: int
    cpus: int
    memory_mb: int
    gpus: Gpus | None

    def node_names(self) -> tuple[str, ...]:
        """Every node that the pool may have, whether it exists or not."""
        return tuple(f"{self.name}-{index}" for index in range(1, self.max_nodes + 1))


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A volume that every node mounts."""

    source: str
    target: str
    read_only: bool


@dataclass(frozen=True, kw_only=True)
class DockerSettings:
    """What only the Docker provider needs."""

    image: str
    network: str
    controller: str
    volumes: tuple[Volume, ...]
    cgroup: Literal["v1", "v2"]
    labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The whole file. Timeouts are Slurm's own, in seconds."""

    cluster: str
    provider: str
    resume_timeout_seconds: int
    suspend_timeout_seconds: int
    pools: tuple[Pool, ...]
    docker: DockerSettings | None

    def pool_of_node(self) -> dict[str, Pool]:
        """Node name to pool, for every node that the fleet may have."""
        return {node: pool for pool in self.pools for node in pool.node_names()}


def read_fleet(path: Path) -> Fleet:
    """Read and check the file. Raises FleetError, also when it is missing or is not JSON."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FleetError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise FleetError(f"{path}: not JSON: {error}") from error
    try:
        return parse_fleet(document)
    except FleetError as error:
        raise FleetError(f"{path}: {error}") from None


def parse_fleet(document: object) -> Fleet:
    """Check a parsed document. Raises FleetError."""
    top = _Keys(_mapping(document, "the document"), "")
    version = top.get("version", int)
    if version != VERSION:
        raise FleetError(
            f"version: {version} is not known; this node manager reads version {VERSION}. "
            "Build the node-manager image and the bundle from the same checkout."
        )
    provider = top.get("provider", str)
    slurm = top.part("slurm")
    pools = tuple(_pool(item, f"pools[{i}]") for i, item in enumerate(top.get("pools", list)))
    _check_pools(pools)
    docker = _docker(top.part("docker")) if provider == "docker" else None
    return Fleet(
        cluster=top.get("cluster", str),
        provider=provider,
        resume_timeout_seconds=slurm.number("resume_timeout_seconds", least=1),
        suspend_timeout_seconds=slurm.number("suspend_timeout_seconds", least=1),
        pools=pools,
        docker=docker,
    )


def _pool(document: object, where: str) -> Pool:
    keys = _Keys(_mapping(document, where), where)
    pool = Pool(
        name=keys.get("name", str),
        min_nodes=keys.number("min_nodes", least=0),
        max_nodes=keys.number("max_nodes", least=0),
        cpus=keys.number("cpus", least=1),
        memory_mb=keys.number("memory_mb", least=1),
        gpus=keys.optional("gpus", _gpus),
    )
    if pool.min_nodes > pool.max_nodes:
        raise FleetError(
            f"{where}.min_nodes: {pool.min_nodes} is more than max_nodes, {pool.max_nodes}"
        )
    return pool


def _gpus(document: object, where: str) -> Gpus:
    keys = _Keys(_mapping(document, where), where)
    count = keys.number("count", least=1)
    default = [f"/dev/nvidia{index}" for index in range(count)]
    files = keys.optional("device_files", _strings)
    return Gpus(type=keys.get("type", str), count=count, device_files=tuple(files or default))


def _docker(keys: "_Keys") -> DockerSettings:
    cgroup = keys.get("cgroup", str)
    if cgroup not in ("v1", "v2"):
        raise FleetError(f'docker.cgroup: "{cgroup}" is not known; allowed: "v1", "v2"')
    labels = keys.optional("labels", _mapping) or {}
    return DockerSettings(
        image=keys.get("image", str),
        network=keys.get("network", str),
        controller=keys.get("controller", str),
        volumes=tuple(
            _volume(item, f"docker.volumes[{i}]")
            for i, item in enumerate(keys.get("volumes", list))
        ),
        cgroup=cast(Literal["v1", "v2"], cgroup),
        labels={key: str(value) for key, value in labels.items()},
    )


def _volume(document: object, where: str) -> Volume:
    keys = _Keys(_mapping(document, where), where)
    return Volume(
        source=keys.get("source", str),
        target=keys.get("target", str),
        read_only=keys.get("read_only", bool),
    )


def _check_pools(pools: Sequence[Pool]) -> None:
    """Two pools must not claim one node name."""
    owner: dict[str, str] = {}
    for pool in pools:
        for node in pool.node_names():
            if node in owner:
                raise FleetError(f'pools: node "{node}" belongs to two pools')
            owner[node] = pool.name


def _mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FleetError(f"{where}: expected an object, found {_shown(value)}")
    return value


def _strings(value: object, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise FleetError(f"{where}: expected a list of strings, found {_shown(value)}")
    return value


def _shown(value: object) -> str:
    return json.dumps(value, default=str)[:80]


class _Keys:
    """Typed access to one object of the document; errors carry the key's full path."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._values = values
        self._where = where

    def _path(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key

    def get(self, key: str, kind: type[T]) -> T:
        if key not in self._values:
            raise FleetError(f"{self._path(key)}: missing")
        value = self._values[key]
        # bool is an int to Python, not to the person who wrote true for a count.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise FleetError(f"{self._path(key)}: expected {kind.__name__}, found {_shown(value)}")
        return value

    def number(self, key: str, *, least: int) -> int:
        value = self.get(key, int)
        if value < least:
            raise FleetError(f"{self._path(key)}: {value} is too small; at least {least}")
        return value

    def part(self, key: str) -> "_Keys":
        return _Keys(_mapping(self.get(key, dict), self._path(key)), self._path(key))

    def optional(self, key: str, parse: Callable[[object, str], T]) -> T | None:
        value = self._values.get(key)
        return None if value is None else parse(value, self._path(key))
