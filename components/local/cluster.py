"""The local platform: images, secrets and data volumes, and the bundle as a Compose project."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pulumi
from pulumi_command.local import Command, Logging

from components.image_tag import content_tag
from components.known_pages import known_pages
from components.local import images
from components.local.engine import Engine
from components.local.gpus import Gpu
from components.local.volumes import make_volumes
from components.random_secrets import fingerprint, make_secrets, seal
from config.render.bundle import render_bundle
from config.render.compose import SECRETS, running_services, secret_variables
from config.render.compose_monitoring import pages
from config.render.site import Site, cluster_labels, project_name
from config.settings import ClusterSettings


@dataclass(frozen=True, kw_only=True)
class LocalClusterArgs:
    """What a local cluster is made from."""

    settings: ClusterSettings
    engine: Engine
    gpus: Sequence[Gpu]
    """Those of this machine."""
    alert_secrets: Mapping[str, pulumi.Input[str]]
    """What receivers of alerts need and is secret, by name."""


class LocalCluster(pulumi.ComponentResource):
    """A Slurm cluster in Docker on this machine."""

    ssh: pulumi.Output[str]
    """Command that logs a user in, with USER for the user's name."""
    rest: pulumi.Output[str]
    """Base URL of Slurm's REST API."""
    partitions: pulumi.Output[list[str]]
    """Names of the partitions, the default one first."""
    login_container: pulumi.Output[str]
    """The container in which `docker exec` gives a shell on the login node."""
    images: pulumi.Output[list[str]]
    """References of the images that the cluster runs."""
    pages: Mapping[str, pulumi.Output[str]]
    """Addresses on this machine that a browser opens, by the service's name."""
    grafana_password: pulumi.Output[str]
    """Of Grafana's user admin, a secret."""
    only_here: Mapping[str, pulumi.Output[Any]]
    """The services that run."""

    def __init__(
        self, name: str, args: LocalClusterArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hpcstack:local:Cluster", name, None, opts)
        settings = args.settings
        project = project_name(settings.name)
        tag = content_tag(settings.software)
        given = {file for files in settings.gpu_files.values() for file in files}
        site = Site(
            images=images.references(tag),
            cgroup=args.engine.cgroup,
            memory_mb=args.engine.memory_mb,
            grafana=args.engine.grafana,
            gpu_exporter=args.engine.gpu_exporter,
            gpu_ids={gpu.file: gpu.id for gpu in args.gpus if gpu.file in given},
        )

        built = images.build(f"{name}-images", tag=tag, software=settings.software, parent=self)
        secrets = make_secrets(name, SECRETS, parent=self, protect=settings.storage.protect)
        volumes = make_volumes(
            name,
            owner=fingerprint(secrets["database_password"]),
            labels=cluster_labels(settings.name, settings.tags),
            parent=self,
            protect=settings.storage.protect,
        )
        running = Command(
            f"{name}-services",
            create=_bring_up(project),
            update=_bring_up(project),
            delete=_take_down(settings.name, project),
            stdin=_compose(settings, site, seal(secrets["slurm_key"], args.alert_secrets)),
            environment={
                variable: {**secrets, **args.alert_secrets}[secret]
                for secret, variable in secret_variables(settings).items()
            },
            logging=Logging.NONE,
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[built, *volumes],
                # The other way round, the old project would take the new one down with it.
                delete_before_replace=True,
            ),
        )

        # Known only when the cluster runs: nobody is sent to an address where nothing listens.
        ports = settings.ports
        default = settings.default_pool
        others = sorted(settings.pools.keys() - {default})
        self.ssh = running.id.apply(lambda _: f"ssh -p {ports.ssh} USER@127.0.0.1")
        self.rest = running.id.apply(lambda _: f"http://127.0.0.1:{ports.rest}/slurm/v0.0.45/")
        self.partitions = running.id.apply(lambda _: [default, *others])
        self.login_container = running.id.apply(lambda _: f"{project_name(settings.name)}-login-1")
        self.images = built.id.apply(lambda _: sorted(site.images.values()))
        self.pages = known_pages(pages(settings, grafana=site.grafana), running.id)
        self.grafana_password = secrets["grafana_password"]
        self.only_here = {
            "services": running.id.apply(lambda _: list(running_services(settings, site)))
        }
        self.register_outputs(
            {
                "ssh": self.ssh,
                "rest": self.rest,
                "partitions": self.partitions,
                "login_container": self.login_container,
                "images": self.images,
            }
        )


def _compose(
    settings: ClusterSettings, site: Site, sealed: pulumi.Output[str]
) -> pulumi.Input[str]:
    if not settings.monitoring.alerts.secrets:
        return render_bundle(settings, site).compose  # known at once, which a preview shows
    return sealed.apply(
        lambda word: render_bundle(settings, replace(site, secrets_seal=word)).compose
    )


def _bring_up(project: str) -> str:
    up = "docker compose --progress plain --file - up --detach --wait --remove-orphans"
    # What failed is in the logs of the services, not in what Compose says about them.
    why = f"docker compose --project-name {project} logs --no-color --tail 25"
    return f"{up} || {{ {why} >&2; exit 1; }}"


def _take_down(cluster: str, project: str) -> str:
    # The services first, in good order; then nodes, which only the node manager knew; then what
    # Compose made beside containers. Data volumes are not Compose's and stay.
    containers = f"docker ps --all --quiet --filter label=hpc-stack.cluster={cluster}"
    return (
        f"docker compose --project-name {project} stop"
        f" && {containers} | xargs -r docker rm --force"
        f" && docker compose --project-name {project} down --volumes --remove-orphans"
    )
