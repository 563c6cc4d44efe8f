"""What each setting may be, in words, taken from the models themselves.

One source for the messages about mistakes and for the page of all settings.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from config.settings.cluster import ClusterFields

Schema = Mapping[str, Any]


@cache
def cluster_schema() -> Schema:
    """JSON schema of the settings as pydantic derives it, with our `allowed` beside a type."""
    return ClusterFields.model_json_schema(by_alias=False)


def resolved(schema: Schema) -> Schema:
    """The schema with its reference followed and `or not set` left out; outer texts win."""
    merged = dict(schema)
    for choice in merged.pop("anyOf", ()):
        if choice.get("type") != "null":
            merged = {**choice, **merged}
    reference = merged.pop("$ref", None)
    if reference is None:
        return merged
    definition = cluster_schema()["$defs"][reference.rpartition("/")[2]]
    return resolved({**definition, **merged})


def entry_schema(schema: Schema) -> Schema | None:
    """The schema of a mapping's entries, or None when `schema` is no mapping of free names."""
    patterns = list(schema.get("patternProperties", {}).values())
    other = schema.get("additionalProperties")
    entry: Schema | None = patterns[0] if patterns else other if isinstance(other, dict) else None
    return entry


def schema_at(location: Sequence[object]) -> Schema | None:
    """The schema of the setting at a path below `cluster`; None where no setting can be."""
    schema: Schema | None = resolved(cluster_schema())
    for step in location:
        if schema is None:
            return None
        if step == "[key]":
            return resolved(schema.get("propertyNames", {}))
        if step in schema.get("properties", {}):
            schema = schema["properties"][step]
        elif isinstance(step, int) and "items" in schema:
            schema = schema["items"]
        else:
            schema = entry_schema(schema)
        schema = None if schema is None else resolved(schema)
    return schema


def known_keys(schema: Schema) -> tuple[str, ...]:
    """Names of the settings in a part."""
    return tuple(schema.get("properties", {}))


def allowed(schema: Schema) -> str:
    """What a setting may be, as a phrase."""
    if "allowed" in schema:
        return str(schema["allowed"])
    if "enum" in schema:
        return "one of " + ", ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    kind = schema.get("type")
    if kind in ("integer", "number"):
        noun = "a whole number" if kind == "integer" else "a number"
        return f"{noun} from {schema['minimum']} to {schema['maximum']}"
    if kind == "boolean":
        return "true or false"
    if kind == "array":
        return _list(schema)
    if kind == "object":
        return _mapping(schema)
    return "text"


def _list(schema: Schema) -> str:
    size = "a list" if not schema.get("minItems") else f"a list of {schema['minItems']} or more"
    return f"{size}, each {allowed(resolved(schema['items']))}"


def _mapping(schema: Schema) -> str:
    if keys := known_keys(schema):
        return "a group of settings: " + ", ".join(keys)
    entry = entry_schema(schema)
    least = schema.get("minProperties")
    size = f"{least} or more entries" if least else "entries"
    if most := schema.get("maxProperties"):
        size = f"at most {most} entries"
    name = allowed(resolved(schema.get("propertyNames", {})))
    what = allowed(resolved(entry)) if entry else "text"
    return f"{size}, each a name ({name}) with {what}"
