"""fleet.json, version 1: reading and checking.

The other end, which writes the file, is config/render/fleet.py. Unknown keys are ignored, so that a
newer writer may add some; an unknown version is refused.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from node_manager.fleet import (
    PERIODS,
    Budget,
    Capacity,
    DockerSettings,
    Ec2Pool,
    Ec2Settings,
    Fleet,
    Gpus,
    InstanceType,
    Limits,
    Pool,
    Spot,
    Volume,
    Window,
)

VERSION = 1

T = TypeVar("T")
N = TypeVar("N", int, float)


class FleetError(ValueError):
    """fleet.json cannot be used. The text names the key, the value and what is allowed."""


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
    for index, pool in enumerate(pools):
        if provider == "ec2" and pool.ec2 is None:
            raise FleetError(f"pools[{index}].ec2: missing")
    return Fleet(
        cluster=top.get("cluster", str),
        provider=provider,
        resume_timeout_seconds=slurm.number("resume_timeout_seconds", least=1),
        suspend_timeout_seconds=slurm.number("suspend_timeout_seconds", least=1),
        pools=pools,
        limits=_limits(top.part("limits")),
        time_zone=_time_zone(top.get("time_zone", str)),
        node_metrics=top.get("node_metrics", bool),
        budget=top.optional("budget", _budget),
        docker=_docker(top.part("docker")) if provider == "docker" else None,
        ec2=_ec2(top.part("ec2")) if provider == "ec2" else None,
    )


def _limits(keys: "_Keys") -> Limits:
    return Limits(
        max_instances=keys.optional("max_instances", _amount(int)),
        max_cost_per_hour=keys.optional("max_cost_per_hour", _amount(float)),
        memory_mb=keys.optional("memory_mb", _amount(int)),
        brake_after=keys.number("brake_after", least=1),
    )


def _budget(document: object, where: str) -> Budget:
    keys = _Keys(_mapping(document, where), where)
    period = keys.get("period", str)
    if period not in PERIODS:
        raise FleetError(f'{where}.period: "{period}" is not known; allowed: {", ".join(PERIODS)}')
    return Budget(dollars=keys.amount("dollars"), period=period)


def _time_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise FleetError(f'time_zone: "{name}" is not in the time zone database') from None


def _pool(document: object, where: str) -> Pool:
    keys = _Keys(_mapping(document, where), where)
    pool = Pool(
        name=keys.get("name", str),
        min_nodes=keys.number("min_nodes", least=0),
        max_nodes=keys.number("max_nodes", least=0),
        cpus=keys.number("cpus", least=1),
        memory_mb=keys.number("memory_mb", least=1),
        gpus=keys.optional("gpus", _gpus),
        warm_nodes=keys.number("warm_nodes", least=0),
        schedule=tuple(
            _window(item, f"{where}.schedule[{i}]")
            for i, item in enumerate(keys.get("schedule", list))
        ),
        prices=_prices(keys.part("price_per_hour")),
        spot=keys.optional("spot", _spot),
        ec2=keys.optional("ec2", _ec2_pool),
    )
    if pool.min_nodes > pool.max_nodes:
        raise FleetError(
            f"{where}.min_nodes: {pool.min_nodes} is more than max_nodes, {pool.max_nodes}"
        )
    if (gpus := pool.gpus) and len(gpus.device_files) not in (
        gpus.count,
        gpus.count * pool.max_nodes,
    ):
        raise FleetError(
            f"{where}.gpus.device_files: {len(gpus.device_files)} files; allowed: {gpus.count}, "
            f"those of each node, or {gpus.count * pool.max_nodes}, those of all nodes"
        )
    return pool


def _window(document: object, where: str) -> Window:
    keys = _Keys(_mapping(document, where), where)
    days = keys.get("days", list)
    if not days or any(day not in range(7) for day in days):
        raise FleetError(f"{where}.days: expected numbers from 0 (Monday), found {_shown(days)}")
    return Window(
        days=frozenset(days),
        start=_minutes(keys.get("from", str), f"{where}.from"),
        end=_minutes(keys.get("to", str), f"{where}.to"),
        nodes=keys.number("nodes", least=1),
    )


def _minutes(text: str, where: str) -> int:
    found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", text)
    if not found:
        raise FleetError(f"{where}: expected HH:MM, found {_shown(text)}")
    return int(found[1]) * 60 + int(found[2])


def _prices(keys: "_Keys") -> dict[Capacity, float]:
    return {capacity: keys.amount(capacity.value) for capacity in Capacity}


def _spot(document: object, where: str) -> Spot:
    keys = _Keys(_mapping(document, where), where)
    return Spot(
        on_demand_nodes=keys.number("on_demand_nodes", least=0),
        fallback_after_failures=keys.optional("fallback_after_failures", _amount(int)),
        fallback_after_seconds=keys.optional("fallback_after_seconds", _amount(int)),
        allocation_strategy=keys.get("allocation_strategy", str),
        signal=keys.get("signal", str),
        metadata_endpoint=keys.get("metadata_endpoint", str),
    )


def _ec2_pool(document: object, where: str) -> Ec2Pool:
    keys = _Keys(_mapping(document, where), where)
    types = []
    for index, item in enumerate(keys.get("instance_types", list)):
        at = f"{where}.instance_types[{index}]"
        of_type = _Keys(_mapping(item, at), at)
        types.append(
            InstanceType(
                name=of_type.get("name", str),
                on_demand_price=of_type.amount("on_demand_price"),
                spot_price=of_type.amount("spot_price"),
            )
        )
    subnets = _strings(keys.get("subnets", list), f"{where}.subnets")
    if not types or not subnets:
        raise FleetError(f"{where}: at least one instance type and one subnet are needed")
    return Ec2Pool(
        launch_template=keys.get("launch_template", str),
        launch_template_version=keys.get("launch_template_version", str),
        subnets=tuple(subnets),
        instance_types=tuple(types),
    )


def _ec2(keys: "_Keys") -> Ec2Settings:
    tags = keys.optional("tags", _mapping) or {}
    return Ec2Settings(
        region=keys.get("region", str),
        names_bucket=keys.get("names_bucket", str),
        names_prefix=keys.get("names_prefix", str),
        tags={key: str(value) for key, value in tags.items()},
        shortage_seconds=keys.number("shortage_seconds", least=0),
    )


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
    gpu_ids = keys.optional("gpu_ids", _mapping) or {}
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
        gpu_ids={file: str(value) for file, value in gpu_ids.items()},
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


def _amount(kind: type[N]) -> Callable[[object, str], N]:
    """A reader of a number that is not negative."""

    def read(value: object, where: str) -> N:
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise FleetError(f"{where}: expected a number from 0, found {_shown(value)}")
        return kind(value)

    return read


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

    def amount(self, key: str) -> float:
        return _amount(float)(self._values.get(key), self._path(key))

    def part(self, key: str) -> "_Keys":
        return _Keys(_mapping(self.get(key, dict), self._path(key)), self._path(key))

    def optional(self, key: str, parse: Callable[[object, str], T]) -> T | None:
        value = self._values.get(key)
        return None if value is None else parse(value, self._path(key))
