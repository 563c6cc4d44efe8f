"""The cluster that a report is about, by its stack's settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from config.panels.model import Needs
from config.render.compose_monitoring import pages
from config.settings import ClusterSettings, SettingsError, load_cluster
from ops.aws_settings import KEY, settings_of
from ops.stack import StackProblem


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a report has to know of the cluster."""

    cluster: str
    prometheus: str
    """URL at which Prometheus is reached from this machine."""
    scrape_seconds: int
    """Between two measurements."""
    has: frozenset[Needs]
    """What panels may need, and the cluster has."""
    on_aws: bool


def subject_of(file: Path) -> Subject:
    """The cluster of Pulumi.<stack>.yaml. Raises StackProblem, also if it is not observed."""
    settings = _settings(file)
    if not settings.monitoring.enabled:
        raise StackProblem(
            f"The cluster {settings.name} is not observed: monitoring.enabled is false in "
            f"{file.name}.\nFix: set it to true, then make up"
        )
    return Subject(
        cluster=settings.name,
        prometheus=prometheus_url(settings),
        scrape_seconds=settings.monitoring.scrape_seconds,
        has=what_it_has(settings),
        on_aws=settings.aws is not None,
    )


def prometheus_url(settings: ClusterSettings) -> str:
    """Where Prometheus is reached: of a cluster on AWS, while `make ports` runs."""
    return pages(settings, grafana=False)["prometheus"].rstrip("/")


def what_it_has(settings: ClusterSettings) -> frozenset[Needs]:
    """What panels may need, and the cluster has by its settings."""
    has = {
        Needs.GPUS: any(pool.gpus for pool in settings.pools.values()),
        Needs.MACHINES: settings.platform == "aws",
        Needs.AWS: settings.platform == "aws",
        Needs.BUDGET: settings.has_budget,
    }
    return frozenset(need for need, is_there in has.items() if is_there)


def _settings(file: Path) -> ClusterSettings:
    try:
        written: Any = yaml.safe_load(file.read_text("utf-8"))["config"][KEY]
        if written.get("platform") == "aws":
            return settings_of(file)
        name = file.name.removeprefix("Pulumi.").removesuffix(".yaml")
        return load_cluster({"name": name, **written})
    except FileNotFoundError:
        raise StackProblem(
            f"There is no {file.name}. Fix: STACK=NAME, with the name of a stack"
        ) from None
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        raise StackProblem(f"{file.name} is not the file of a stack with settings") from None
    except SettingsError as error:
        raise StackProblem(str(error)) from None
