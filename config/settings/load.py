"""From what a person wrote to `ClusterSettings`, or to every mistake in it at once."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from config.settings.accounts import Account, Qos
from config.settings.aws import Aws
from config.settings.budgets import Budget
from config.settings.cluster import ClusterFields, ClusterSettings
from config.settings.consistency import inconsistencies
from config.settings.draft import Draft, Group
from config.settings.limits import Limits
from config.settings.mistakes import Mistake, SettingsError, nearest, path_text, shown
from config.settings.monitoring import Monitoring
from config.settings.part import Part
from config.settings.plain_words import mistake_of
from config.settings.platform_defaults import with_platform_defaults
from config.settings.pools import Pool
from config.settings.ports import Ports
from config.settings.slurm import Slurm
from config.settings.users import User
from config.settings.vocabulary import allowed, cluster_schema, known_keys, resolved, schema_at

P = TypeVar("P", bound=Part)


def load_cluster(data: Mapping[str, Any]) -> ClusterSettings:
    """The settings that `data` describes; raises SettingsError with all mistakes."""
    if not isinstance(data, Mapping):
        groups = allowed(resolved(cluster_schema()))
        raise SettingsError(
            [Mistake(path_text(()), shown(data), groups, "write the settings below this key")]
        )
    data = with_platform_defaults(_with_text_keys(data))
    errors = _field_errors(data)
    misspelt = _misspelt(errors)
    mistakes = [
        mistake_of(error, misspelt)
        for error in errors
        # What was misspelt is not missing as well.
        if not (error["type"] == "missing" and error["loc"] in misspelt.values())
    ]
    # A misspelt key whose setting is there as well spoils nothing.
    lost = [meant for meant in misspelt.values() if len(meant) > 1 or meant[0] not in data]
    wrong = [*(error["loc"] for error in errors), *lost]
    mistakes += inconsistencies(_draft(data, wrong))
    if mistakes:
        raise SettingsError(mistakes)
    return ClusterSettings.model_validate(dict(data))


Location = tuple[int | str, ...]


def _with_text_keys(value: Any) -> Any:
    # JSON, as which Pulumi hands settings over, knows no other keys; YAML does (`2024: ...`).
    if isinstance(value, Mapping):
        return {str(key): _with_text_keys(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_text_keys(inner) for inner in value]
    return value


def _field_errors(data: Mapping[str, Any]) -> list[ErrorDetails]:
    try:
        ClusterFields.model_validate(dict(data))
    except ValidationError as error:
        errors = error.errors(include_url=False)
    else:
        return []
    below = {found["loc"][:-1] for found in errors}
    # pydantic counts only the good items of a list: one with a wrong item is not too short as well.
    return [e for e in errors if not (e["type"] == "too_short" and e["loc"] in below)]


def _misspelt(errors: Iterable[ErrorDetails]) -> dict[Location, Location]:
    """For each unknown key the setting that it is most likely meant to be."""
    meant: dict[Location, Location] = {}
    for error in errors:
        if error["type"] == "extra_forbidden":
            *above, name = error["loc"]
            part = schema_at(above)
            near = nearest(str(name), known_keys(part)) if part else None
            if near:
                meant[error["loc"]] = (*above, near)
    return meant


def _draft(data: Mapping[str, Any], wrong: Iterable[Location]) -> Draft:
    """What of the settings could be read: whole parts and entries without a mistake."""
    spoilt = {location[:2] for location in wrong}
    spoilt_parts = {location[0] for location in spoilt if location}

    def group(field: str, model: type[P]) -> Group[P]:
        written = data.get(field, {})
        if not isinstance(written, Mapping) or (field,) in spoilt:
            return Group({}, frozenset(), whole=False)
        read = {
            name: model.model_validate(entry)
            for name, entry in written.items()
            if (field, name) not in spoilt
        }
        return Group(read, frozenset(str(name) for name in written), whole=True)

    def part(field: str, model: type[P]) -> P | None:
        return None if field in spoilt_parts else model.model_validate(data.get(field, {}))

    return Draft(
        pools=group("pools", Pool),
        accounts=group("accounts", Account),
        qos=group("qos", Qos),
        users=group("users", User),
        slurm=part("slurm", Slurm),
        limits=part("limits", Limits),
        budget=part("budget", Budget),
        monitoring=part("monitoring", Monitoring),
        ports=part("ports", Ports),
        platform=None if "platform" in spoilt_parts else str(data.get("platform", "local")),
        aws=part("aws", Aws) if data.get("aws") else None,
        aws_is_set=data.get("aws") is not None,
    )
