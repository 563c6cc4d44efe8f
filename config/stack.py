"""The only reader of Pulumi's configuration: from `Pulumi.<stack>.yaml` to `ClusterSettings`."""

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env, is_config_secret

from config.settings import ClusterSettings, Mistake, SettingsError, load_cluster
from config.settings.alerting import SECRETS as ALERT_SECRETS
from config.settings.mistakes import HIDDEN, ROOT_PATH, nearest

NAMESPACE = "hpc-stack"
KEY = f"{NAMESPACE}:{ROOT_PATH}"
_SECRET_KEYS = tuple(f"{NAMESPACE}:{name}" for name in ALERT_SECRETS)


def load_settings() -> ClusterSettings:
    """The settings of the current stack; the cluster is named after the stack unless they say else.

    Raises pulumi.RunError with the whole report, which the language host prints without a stack
    trace, before anything is created.
    """
    unknown = unknown_keys({*CONFIG.get(), *get_config_env()})
    try:
        settings = settings_from(pulumi.Config(NAMESPACE).get(ROOT_PATH), pulumi.get_stack())
    except SettingsError as error:
        # Pulumi keeps one flag for the whole object: with any `secure:` inside, show no value.
        report = error.without_values() if is_config_secret(KEY) else error
        raise pulumi.RunError(str(SettingsError([*unknown, *report.mistakes]))) from None
    if unknown:
        raise pulumi.RunError(str(SettingsError(unknown)))
    return settings


def load_alert_secrets(settings: ClusterSettings) -> dict[str, pulumi.Output[str]]:
    """What receivers of alerts need and is secret, by name: keys of their own, beside the settings.

    Raises pulumi.RunError where one is missing or is not kept as a secret.
    """
    config, found = pulumi.Config(NAMESPACE), {}
    for name in settings.monitoring.alerts.secrets:
        if not (config.get(name) and is_config_secret(f"{NAMESPACE}:{name}")):
            fix = f"make secret NAME={name} STACK={pulumi.get_stack()}"
            allowed = "a secret, which a receiver in monitoring.alerts needs"
            mistake = Mistake(f"{NAMESPACE}:{name}", "(not set as a secret)", allowed, fix)
            raise pulumi.RunError(str(SettingsError([mistake])))
        found[name] = config.require_secret(name)
    return found


def settings_from(text: str | None, stack: str) -> ClusterSettings:
    """The settings from the JSON that Pulumi makes of the object; raises SettingsError."""
    if text is None:
        raise SettingsError(
            [_mistake("(not set)", f"add the key {KEY} to Pulumi.{stack}.yaml (see docs)")]
        )
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise SettingsError([_mistake(HIDDEN, "write the settings below this key")]) from None
    if not isinstance(data, dict) or "name" in data:
        return load_cluster(data)
    try:
        return load_cluster({"name": stack, **data})
    except SettingsError as error:
        raise SettingsError(map(_about_the_stacks_name, error.mistakes)) from None


def _about_the_stacks_name(mistake: Mistake) -> Mistake:
    if mistake.path != f"{ROOT_PATH}.name":
        return mistake
    return replace(mistake, fix="add a name: the stack's, used where none is set, cannot be one")


def unknown_keys(keys: Iterable[str]) -> list[Mistake]:
    """A mistake for each configuration key in our namespace that nothing reads."""
    mistakes = []
    for key in sorted(keys):
        namespace, _, name = key.partition(":")
        # A misspelt namespace, too, would be ignored in silence.
        ours = re.sub(r"[^a-z]", "", namespace.lower()) == NAMESPACE.replace("-", "")
        if ours and key not in (KEY, *_SECRET_KEYS):
            near = nearest(name, [ROOT_PATH])
            fix = f"did you mean {KEY}?" if near else f"remove it; settings are below {KEY}"
            mistakes.append(Mistake(key, HIDDEN, f"the key {KEY}", fix))
    return mistakes


def _mistake(value: str, fix: str) -> Mistake:
    return Mistake(ROOT_PATH, value, "an object with the settings of the cluster", fix)
