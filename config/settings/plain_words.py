"""pydantic's errors in the words of a person who wrote a YAML file."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

from config.settings.mistakes import HIDDEN, NOT_SET, Mistake, path_text, pick, shown
from config.settings.part import REFUSED
from config.settings.vocabulary import allowed, known_keys, resolved, schema_at

Location = tuple[int | str, ...]

_SHARED_GPUS = re.compile(r"mig|mps|shar|slic|fraction", re.IGNORECASE)
_ONE_JOB_A_GPU = (
    "whole GPUs, each given to one job: no MIG, no MPS, no time-slicing",
    "remove it; for smaller pieces make a pool of nodes with smaller GPUs",
)

_BUDGET_OF_A_USER = (("budget_dollars",), ("budget",))
"""What below `users.<name>` is meant to limit what a person spends."""


def mistake_of(error: ErrorDetails, misspelt: Mapping[Location, Location]) -> Mistake:
    """The mistake behind one error; `misspelt` maps unknown keys to what they are meant to be."""
    location, kind, context = error["loc"], error["type"], error.get("ctx", {})
    named, place = location, location
    if location and location[-1] == "[key]":  # the name of an entry, in a mapping of free names
        named, place = location[:-1], (*location[:-2], "[key]")
    path = path_text(named)
    if kind == "extra_forbidden":
        return _unknown_key(location, error["input"], misspelt)
    if kind == "missing":
        schema = schema_at(location) or {}
        return Mistake(path, NOT_SET, allowed(schema), f"add {location[-1]}")
    value = shown(error["input"], named)
    if kind == REFUSED:
        return Mistake(
            path, HIDDEN if context["secret"] else value, context["allowed"], context["fix"]
        )
    schema = schema_at(place) or {}
    return Mistake(path, value, allowed(schema), _fix(kind, error["input"], schema, context))


def _unknown_key(
    location: Location, value: object, misspelt: Mapping[Location, Location]
) -> Mistake:
    part = schema_at(location[:-1]) or {}
    meant = misspelt.get(location)
    if location[-2:-1] == ("gpus",) and not meant and _SHARED_GPUS.search(str(location[-1])):
        return Mistake(path_text(location), shown(value, location), *_ONE_JOB_A_GPU)
    fix = f"did you mean {meant[-1]}?" if meant else "remove it"
    if location[:1] == ("users",) and location[2:] in _BUDGET_OF_A_USER:
        fix = _an_account_of_their_own(str(location[1]))
    elif not meant and (belongs := _home_of(str(location[-1]))):
        fix = f"did you mean {belongs}?"
    keys = ", ".join(known_keys(part))
    return Mistake(path_text(location), shown(value, location), f"the keys {keys}", fix)


def _an_account_of_their_own(user: str) -> str:
    return (
        "give the person an account: "
        f"accounts: {user}: {{parent: class, budget_dollars: 8}}, and in the user "
        f"accounts: [{user}]"
    )


def _home_of(name: str) -> str | None:
    """The path of the setting with exactly this name in one of the parts."""
    root = resolved(schema_at(()) or {})
    for part in known_keys(root):
        if name in known_keys(schema_at((part,)) or {}):
            return path_text((part, name))
    return None


def _fix(kind: str, value: object, schema: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    if value is None:
        return "give it a value, or remove the line"
    if kind in ("int_type", "float_type", "bool_type") and isinstance(value, str):
        return _unquoted(kind, value)
    if kind in ("literal_error", "enum"):
        choices = [str(choice) for choice in _choices(schema)]
        return pick(str(value), choices) if len(choices) > 1 else f"use {choices[0]}"
    bounds = {
        "greater_than_equal": "use {ge} or more",
        "less_than_equal": "use {le} or less",
        "too_short": "name at least {min_length}",
        "too_long": "use at most {max_length}",
        "string_too_long": "use at most {max_length} characters",
    }
    if kind in bounds:
        return bounds[kind].format(**context)
    return {
        "int_type": "write a whole number",
        "int_from_float": "write a whole number",
        "float_type": "write a number",
        "bool_type": "write true or false, without quotes",
        "string_type": "write text, in quotes if it looks like a number",
        "tuple_type": "write a list: [a, b], or one entry a line after '- '",
        "dict_type": "write name: value entries below this key",
        "model_type": "write name: value entries below this key",
        "model_attributes_type": "write name: value entries below this key",
    }.get(kind, "change it to what is allowed")


def _choices(schema: Mapping[str, Any]) -> list[object]:
    return list(schema["enum"]) if "enum" in schema else [schema.get("const", "")]


def _unquoted(kind: str, value: str) -> str:
    numeric = value.strip().lstrip("-").replace(".", "", 1).isdecimal()
    if kind == "bool_type" or numeric:
        word = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(
            value.lower(), value.lower()
        )
        if numeric or word in ("true", "false"):
            return f"write {word} without quotes"
        return "write true or false, without quotes"
    return "write a number, without quotes or unit"
