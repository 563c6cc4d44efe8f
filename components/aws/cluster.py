"""The AWS platform: network, storage, identities, controller and pools, wired to one cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws
from pulumi_aws import cloudwatch
from pulumi_command.local import Command, Logging

from components.aws.account import Account
from components.aws.buckets import Bucket, BucketArgs, system_bucket_expiry
from components.aws.compute_pool import ComputePool, ComputePoolArgs
from components.aws.controller import Controller, ControllerArgs
from components.aws.delivery import Delivery, DeliveryArgs
from components.aws.firewall import Role, cluster_rules
from components.aws.identity import Identities, IdentityArgs
from components.aws.images import (
    AGENT,
    CONTROLLER_IMAGES,
    REPOSITORIES,
    Images,
    ImagesArgs,
    architecture_of,
    needed_images,
    node_images,
    registry_of,
)
from components.aws.parameters import Parameters, ParametersArgs
from components.aws.place import Place, make_place, route_through_controller
from components.aws.policies.facts import GPU_EXPORTER, NODE_IMAGE, services_log_group
from components.aws.registry import Registry, RegistryArgs
from components.aws.security_groups import SecurityGroups, SecurityGroupsArgs
from components.aws.storage import Storage, StorageArgs
from components.aws.tags import cluster_tags
from components.aws.user_data import controller_user_data, encoded, node_user_data
from components.known_pages import known_pages
from components.random_secrets import make_secrets, seal
from config.catalogue import catalogue
from config.render.compose import SECRETS
from config.render.compose_aws import bridge_subnet
from config.render.compose_monitoring import pages
from config.render.site import BACKSTAGE_NETWORK
from config.settings import ClusterSettings, Pool
from config.settings.aws_consistency import ami_key

_END_NODES = ".venv/bin/python -m components.aws.end_nodes"


@dataclass(frozen=True, kw_only=True)
class AwsClusterArgs:
    """What a cluster on AWS is made from."""

    settings: ClusterSettings
    alert_secrets: Mapping[str, pulumi.Input[str]]
    """What receivers of alerts need and is secret, by name."""
    account: Account
    project: str
    stack: str


class AwsCluster(pulumi.ComponentResource):
    """A Slurm cluster in an AWS account."""

    ssh: pulumi.Output[str]
    """Command that logs a user in, with USER for the user's name."""
    rest: pulumi.Output[str]
    """Base URL of Slurm's REST API, as the controller's host sees it."""
    partitions: pulumi.Output[list[str]]
    """Names of the partitions, the default one first."""
    login_container: pulumi.Output[str]
    """The container in which a shell on the login node is opened."""
    images: pulumi.Output[list[str]]
    """References of the images that the cluster runs."""
    pages: Mapping[str, pulumi.Output[str]]
    """Addresses that a browser opens where the ports are forwarded, by the service's name."""
    grafana_password: pulumi.Output[str]
    """Of Grafana's user admin, a secret."""
    only_here: Mapping[str, pulumi.Output[Any]]
    """`controller`, the id of its instance; `data_bucket`, the bucket for jobs' data."""

    def __init__(
        self, name: str, args: AwsClusterArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        aws = args.settings.aws
        if aws is None:
            raise ValueError("settings of a cluster on AWS have the part aws")
        provider = pulumi_aws.Provider(f"{name}-aws", region=aws.region)
        super().__init__(
            "hpcstack:aws:Cluster",
            name,
            None,
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(providers=[provider])),
        )
        self._prefix, self._settings, self._aws, self._account = (
            name,
            args.settings,
            aws,
            args.account,
        )
        self._own = pulumi.ResourceOptions(parent=self)
        self._tags = cluster_tags(args.settings, project=args.project, stack=args.stack)
        self._guarded: bool = args.settings.storage.protect

        place = make_place(
            name,
            aws,
            account=args.account,
            tags=self._tags,
            opts=self._own,
        )
        self._groups = SecurityGroups(
            name,
            SecurityGroupsArgs(
                vpc_id=place.vpc_id, rules=cluster_rules(args.settings, aws), tags=self._tags
            ),
            opts=self._own,
        )
        self._storage = self._make_storage(place)
        self._data = self._bucket("jobs", {})
        self._system = self._bucket("system", system_bucket_expiry(aws.storage.dump_days))
        self._logs = cloudwatch.LogGroup(
            f"{name}-services-logs",
            name=services_log_group(name),
            retention_in_days=aws.controller.log_days,
            tags=self._tags,
            opts=self._own,
        )
        self._registry = Registry(
            name,
            RegistryArgs(
                cluster=name,
                targets=REPOSITORIES,
                kms_key=aws.storage.kms_key,
                tags=self._tags,
            ),
            opts=self._own,
        )
        secrets = make_secrets(name, SECRETS, parent=self, protect=self._guarded)
        given = args.alert_secrets
        self._secrets_seal = seal(secrets["slurm_key"], given) if given else ""
        self._parameters = Parameters(
            name,
            ParametersArgs(
                cluster=name,
                values=secrets,
                given=args.alert_secrets,
                kms_key=aws.storage.kms_key,
                protect=self._guarded,
                tags=self._tags,
            ),
            opts=self._own,
        )
        self._identities = Identities(name, self._identity_args(place), opts=self._own)
        self._images = Images(
            name,
            ImagesArgs(region=aws.region, urls=self._registry.urls, settings=args.settings),
            opts=self._own,
        )
        host = self._make_controller(place, self._end_of_nodes(place))
        told = self._told_to_nodes(host)
        pools = {
            name: self._make_pool(name, pool, told[architecture_of(pool.instance_types[0])])
            for name, pool in args.settings.pools.items()
        }
        routes = route_through_controller(
            name, place.route_tables, host.network_interface, self._own
        )
        # Nodes may be launched as soon as the bundle is there.
        needed = [host, *routes]
        delivered = Delivery(name, self._delivery_args(place, host, pools, needed), opts=self._own)

        ports, default = args.settings.ports, args.settings.default_pool
        others = sorted(args.settings.pools.keys() - {default})
        self.ssh = delivered.done.apply(lambda _: f"ssh -p {ports.ssh} USER@127.0.0.1")
        self.rest = delivered.done.apply(lambda _: f"http://127.0.0.1:{ports.rest}/slurm/v0.0.45/")
        self.partitions = delivered.done.apply(lambda _: [default, *others])
        self.login_container = delivered.done.apply(lambda _: f"hpc-{name}-login-1")
        self.images = self._images.references
        self.pages = known_pages(pages(args.settings, grafana=True), delivered.done)
        self.grafana_password = secrets["grafana_password"]
        self.only_here = {"controller": host.instance_id, "data_bucket": self._data.name}
        self.register_outputs(
            {
                "ssh": self.ssh,
                "rest": self.rest,
                "partitions": self.partitions,
                "login_container": self.login_container,
                "images": self.images,
                **self.only_here,
            }
        )

    def _bucket(self, kind: str, expire: dict[str, int]) -> Bucket:
        return Bucket(
            f"{self._prefix}-{kind}",
            BucketArgs(
                old_version_days=self._aws.storage.old_version_days,
                expire=expire,
                kms_key=self._aws.storage.kms_key,
                protect=self._guarded,
                tags=self._tags,
            ),
            opts=self._own,
        )

    def _make_storage(self, place: Place) -> Storage:
        aws = self._aws
        return Storage(
            self._prefix,
            StorageArgs(
                account=self._account,
                zone=aws.zones[0],
                subnets=place.compute_subnets,
                security_group=self._groups.ids[Role.STORAGE],
                data_gb=aws.controller.data_gb,
                snapshot_days=aws.controller.snapshot_days,
                home_unused_days=aws.storage.home_unused_days,
                home_backups=aws.storage.home_backups,
                kms_key=aws.storage.kms_key,
                protect=self._guarded,
                permissions_boundary=aws.permissions_boundary,
                tags=self._tags,
            ),
            opts=self._own,
        )

    def _identity_args(self, place: Place) -> IdentityArgs:
        aws, groups = self._aws, self._groups.ids
        launched_in = [groups[role] for role in (Role.COMPUTE, Role.EFA) if role in groups]
        settings = self._settings
        amis = {self._ami(pool.instance_types[0]) for pool in settings.pools.values()}
        sns = settings.monitoring.alerts.sns if settings.monitoring.enabled else None
        return IdentityArgs(
            account=self._account,
            cluster=self._prefix,
            pools={name: node_images(settings, pool) for name, pool in settings.pools.items()},
            subnets=list(place.compute_subnets.values()),
            security_groups=launched_in,
            amis=tuple(sorted(amis)),
            system_bucket=self._system.arn,
            data_bucket=self._data.arn,
            parameters=self._parameters.arns,
            repositories=self._registry.arns,
            homes=self._storage.homes_arn,
            homes_access_point=self._storage.homes_access_point_arn,
            kms_key=aws.storage.kms_key,
            alert_topic=sns.topic_arn if sns else None,
            permissions_boundary=aws.permissions_boundary,
            tags=self._tags,
        )

    def _ami(self, instance_type: str) -> str:
        return str(getattr(self._aws.amis, ami_key(catalogue()[instance_type])))

    def _controller_image(self, image: str) -> pulumi.Output[str]:
        architecture = architecture_of(self._aws.controller.instance_type)
        return self._images.reference(image, architecture)

    def _end_of_nodes(self, place: Place) -> Command:
        """When all is destroyed: after the controller, before what the nodes use."""
        return Command(
            f"{self._prefix}-nodes",
            delete=_END_NODES,
            environment={
                "HPC_STACK_REGION": self._aws.region,
                "HPC_STACK_CLUSTER": self._prefix,
            },
            logging=Logging.NONE,
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*place.made, self._groups, self._identities, self._storage],
            ),
        )

    def _make_controller(self, place: Place, end_of_nodes: Command) -> Controller:
        aws = self._aws
        told = pulumi.Output.all(
            bucket=self._system.name,
            image=self._controller_image(AGENT),
            volume=self._storage.volume_id,
            homes=self._storage.homes_id,
            homes_access_point=self._storage.homes_access_point,
        )
        user_data = told.apply(
            lambda found: encoded(
                controller_user_data(
                    region=aws.region,
                    cluster=self._prefix,
                    log_group=services_log_group(self._prefix),
                    registry=registry_of(found["image"]),
                    forwards=place.forwards,
                    cidr=aws.network.cidr,
                    dump_at=aws.controller.dump_at,
                    backstage=bridge_subnet(aws.network.cidr, BACKSTAGE_NETWORK),
                    alertmanager_port=str(self._settings.ports.alertmanager),
                    **found,
                )
            )
        )
        groups = self._groups.ids
        return Controller(
            f"{self._prefix}-controller",
            ControllerArgs(
                region=aws.region,
                ami=self._ami(aws.controller.instance_type),
                instance_type=aws.controller.instance_type,
                root_gb=aws.controller.root_gb,
                subnet=place.controller_subnet,
                address=place.controller_address,
                forwards=place.forwards,
                security_groups=[groups[Role.CONTROLLER], groups[Role.MONITORING]],
                instance_profile=self._identities.controller_profile,
                user_data=user_data,
                volume_id=self._storage.volume_id,
                kms_key=aws.storage.kms_key,
                needed=[
                    end_of_nodes,
                    self._parameters,
                    self._images,
                    self._logs,
                ],
                tags=self._tags,
            ),
            opts=self._own,
        )

    def _told_to_nodes(self, host: Controller) -> dict[str, pulumi.Output[dict[str, str]]]:
        """What the user data of nodes is made from that is the same for many pools, by processor.

        Not for each pool: the engine's SDK takes time by the square of how many outputs there are.
        """
        kinds = (architecture_of(p.instance_types[0]) for p in self._settings.pools.values())
        needed = needed_images(self._settings)
        return {
            architecture: pulumi.Output.all(
                bucket=self._system.name,
                image=self._images.reference(NODE_IMAGE, architecture),
                gpu_exporter=self._images.reference(GPU_EXPORTER, architecture)
                if GPU_EXPORTER in needed[architecture]
                else "",
                controller=host.private_address,
                homes=self._storage.homes_id,
                homes_access_point=self._storage.homes_access_point,
                data_bucket=self._data.name,
                jobs_role=self._identities.jobs_role,
            )
            for architecture in dict.fromkeys(kinds)
        }

    def _make_pool(self, name: str, pool: Pool, told: pulumi.Output[dict[str, str]]) -> ComputePool:
        aws, groups = self._aws, self._groups.ids
        spot = pool.spot_settings
        measured = GPU_EXPORTER in node_images(self._settings, pool)
        user_data = told.apply(
            lambda found: encoded(
                node_user_data(
                    region=aws.region,
                    cluster=self._prefix,
                    pool=name,
                    log_group=services_log_group(self._prefix),
                    registry=registry_of(found["image"]),
                    gpus=pool.gpus is not None,
                    spot_signal=spot.signal if spot else "",
                    node_metrics=self._settings.monitoring.enabled,
                    **(found if measured else {**found, "gpu_exporter": ""}),
                )
            )
        )
        roles = (Role.COMPUTE, Role.EFA) if pool.aws.efa else (Role.COMPUTE,)
        return ComputePool(
            f"{self._prefix}-{name}",
            ComputePoolArgs(
                pool=name,
                ami=self._ami(pool.instance_types[0]),
                instance_type=pool.instance_types[0],
                root_gb=pool.aws.root_gb,
                instance_profile_arn=self._identities.node_profiles[name],
                security_groups=[groups[role] for role in roles],
                user_data=user_data,
                placement_group=pool.aws.placement_group,
                efa=pool.aws.efa,
                kms_key=aws.storage.kms_key,
                tags=self._tags,
            ),
            opts=self._own,
        )

    def _delivery_args(
        self,
        place: Place,
        host: Controller,
        pools: Mapping[str, ComputePool],
        needed: Sequence[pulumi.Resource],
    ) -> DeliveryArgs:
        return DeliveryArgs(
            settings=self._settings,
            region=self._aws.region,
            bucket=self._system.name,
            log_group=services_log_group(self._prefix),
            secrets_seal=self._secrets_seal,
            controller=host.instance_id,
            controller_address=host.private_address,
            images={image: self._controller_image(image) for image in CONTROLLER_IMAGES},
            subnets=place.compute_subnets,
            pools=pools,
            needed=needed,
            tags=self._tags,
        )
