"""Slurm's trackable resources (TRES): `cpu=4,mem=16G,gres/gpu=1`, or the same as a mapping.

Both become one mapping from type to number, sorted; memory is in MiB, as in Slurm.
"""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from config.settings.part import refusal

PLAIN_TYPES = ("billing", "cpu", "energy", "mem", "node")
ALLOWED = (
    'resources such as "cpu=4,mem=16G,gres/gpu=1" or the same as a mapping: types cpu, mem '
    "(in MiB, or with K, M, G, T), node, energy, billing, gres/<name> or gres/<name>:<type>; "
    "each a whole number"
)

_GRES = re.compile(r"gres/[a-z][a-z0-9_]*(:[a-z0-9][a-z0-9_.-]*)?", re.ASCII)
_NUMBER = re.compile(r"(\d{1,15})([KMGT]?)", re.ASCII | re.IGNORECASE)
_LARGEST = 2**63 - 1  # slurmdbd keeps counts as signed 64 bit


def tres_text(tres: Mapping[str, int]) -> str:
    """The mapping in sacctmgr's notation, in a fixed order; memory in MiB without a suffix."""
    return ",".join(f"{kind}={count}" for kind, count in sorted(tres.items()))


def is_gpu(kind: str) -> bool:
    """Whether a TRES type counts GPUs, of any type or of one."""
    return kind == "gres/gpu" or kind.startswith("gres/gpu:")


def _wrong(fix: str) -> PydanticCustomError:
    return refusal(ALLOWED, fix)


def _pairs(text: str) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    for piece in text.split(","):
        kind, equals, count = piece.partition("=")
        if not equals:
            raise _wrong(f"write {piece.strip() or 'every entry'!r} as type=number")
        pairs.append((kind.strip(), count.strip()))
    return pairs


def _number(kind: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _wrong(f"give {kind} a whole number")
    match = _NUMBER.fullmatch(str(value))
    if match is None:
        raise _wrong(f"give {kind} a whole number, not {str(value)[:40]!r}")
    count, suffix = int(match[1]), match[2].upper()
    if suffix and kind != "mem":
        raise _wrong(f"write {kind} without {suffix}: only mem takes a unit")
    if suffix == "K":
        count = -(-count // 1024)
    elif suffix:
        count *= 1024 ** "MGT".index(suffix)
    if count > _LARGEST:
        raise _wrong(f"give {kind} a smaller number")
    return count


def parse_tres(value: object) -> object:
    """The mapping that a TRES setting means; raises a refusal for what Slurm would not take."""
    if isinstance(value, str):
        pairs = _pairs(value)
    elif isinstance(value, Mapping):
        pairs = list(value.items())
    else:
        raise _wrong('write it as text, for instance "cpu=4,mem=16G"')
    tres: dict[str, int] = {}
    for kind, count in pairs:
        if kind not in PLAIN_TYPES and not (isinstance(kind, str) and _GRES.fullmatch(kind)):
            hint = " (GPUs are gres/gpu)" if kind in ("gpu", "gpus") else ""
            raise _wrong(f"replace the type {str(kind)[:40]!r}{hint}")
        if kind in tres:
            raise _wrong(f"give {kind} once")
        tres[kind] = _number(kind, count)
    if not tres:
        raise _wrong("name at least one resource, or remove the setting")
    return dict(sorted(tres.items()))


Tres = Annotated[
    dict[str, int],
    BeforeValidator(parse_tres),
    WithJsonSchema(
        {
            "allowed": ALLOWED,
            "type": ["string", "object"],
            "additionalProperties": {"type": ["integer", "string"]},
        }
    ),
]
