"""The platform that the settings name: what is checked of it, and the cluster on it."""

from collections.abc import Mapping
from typing import Any, Protocol

import pulumi

from config.render.compose_monitoring import published_ports
from config.settings import ClusterSettings, budget_warnings, machine_warnings


class Cluster(Protocol):
    """What every platform's cluster tells, the same shape for all."""

    ssh: pulumi.Output[str]
    rest: pulumi.Output[str]
    partitions: pulumi.Output[list[str]]
    login_container: pulumi.Output[str]
    images: pulumi.Output[list[str]]
    pages: Mapping[str, pulumi.Output[str]]
    """Addresses on this machine that a browser opens, by the service's name."""
    grafana_password: pulumi.Output[str]
    """Of Grafana's user admin, a secret."""
    only_here: Mapping[str, pulumi.Output[Any]]
    """What no other platform's clusters have, by the name of the stack's output."""


AlertSecrets = Mapping[str, pulumi.Output[str]]
"""What receivers of alerts need and is secret, by name (config/settings/alerting.py)."""


def make_cluster(settings: ClusterSettings, alert_secrets: AlertSecrets) -> Cluster:
    """Check what the settings need, then declare the cluster.

    Raises pulumi.RunError before anything is declared where the engine or the account lacks
    something. A platform's modules are loaded only for its clusters: AWS' are large.
    """
    for warning in budget_warnings(settings):
        pulumi.log.warn(warning)
    on_platform = _on_aws if settings.platform == "aws" else _on_this_machine
    return on_platform(settings, alert_secrets)


def _on_this_machine(settings: ClusterSettings, alert_secrets: AlertSecrets) -> Cluster:
    from components.local.cluster import LocalCluster, LocalClusterArgs
    from components.local.engine import read_engine, refuse_taken_ports
    from components.local.gpus import read_gpus, refuse_missing_gpus

    engine, gpus = read_engine(), read_gpus()
    refuse_missing_gpus(settings, gpus, engine.runtimes)
    refuse_taken_ports(settings.name, published_ports(settings, grafana=engine.grafana))
    for warning in machine_warnings(settings, engine.cpus, engine.memory_mb):
        pulumi.log.warn(warning)
    return LocalCluster(
        settings.name,
        LocalClusterArgs(settings=settings, engine=engine, gpus=gpus, alert_secrets=alert_secrets),
    )


def _on_aws(settings: ClusterSettings, alert_secrets: AlertSecrets) -> Cluster:
    from components.aws.account import read_account
    from components.aws.cluster import AwsCluster, AwsClusterArgs

    account = read_account(settings)
    return AwsCluster(
        settings.name,
        AwsClusterArgs(
            settings=settings,
            alert_secrets=alert_secrets,
            account=account,
            project=pulumi.get_project(),
            stack=pulumi.get_stack(),
        ),
    )
