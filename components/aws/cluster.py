"""The AWS platform: network, storage, identities, controller and pools, wired to one cluster."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws
from pulumi_aws import s3
from pulumi_command.local import Command, Logging

from components.aws.account import Account
from components.aws.buckets import Bucket, BucketArgs, system_bucket_expiry
from components.aws.compute_pool import ComputePool, ComputePoolArgs
from components.aws.controller import Controller, ControllerArgs
from components.aws.firewall import Role, cluster_rules
from components.aws.identity import Identities, IdentityArgs
from components.aws.images import Images, ImagesArgs, image_tag
from components.aws.parameters import Parameters, ParametersArgs
from components.aws.place import Place, make_place, route_through_controller
from components.aws.registry import Registry, RegistryArgs
from components.aws.security_groups import SecurityGroups, SecurityGroupsArgs
from components.aws.storage import Storage, StorageArgs
from components.aws.tags import cluster_tags
from components.aws.user_data import controller_user_data, encoded, node_user_data
from components.image_tag import content_tag
from components.random_secrets import make_secrets
from config.catalogue import catalogue
from config.render.aws_bundle import BUNDLE_KEY, aws_bundle, bundle_digest
from config.render.compose import SECRETS
from config.render.site import AwsSite, LaunchSite, Site
from config.settings import ClusterSettings, Pool
from config.settings.aws import Aws
from config.settings.aws_consistency import ami_key

_AWAIT = ".venv/bin/python -m components.aws.await_controller"

SERVICE_IMAGES = {
    "mysql": "mysql",
    "slurmctld": "slurmctld",
    "slurmdbd": "slurmdbd",
    "slurmrestd": "slurmrestd",
    "login": "login",
    "configurator": "configurator",
    "node-manager": "node-manager-ec2",
}
"""Repository of each of the controller's services."""
CONTROLLER_IMAGES = (*SERVICE_IMAGES.values(), "host-agent")
TARGETS = (*CONTROLLER_IMAGES, "slurmd")


@dataclass(frozen=True, kw_only=True)
class AwsClusterArgs:
    """What a cluster on AWS is made from."""

    settings: ClusterSettings
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
    controller: pulumi.Output[str]
    """Id of the controller's instance."""
    data_bucket: pulumi.Output[str]
    """The bucket for jobs' data."""
    launch_templates: pulumi.Output[dict[str, str]]
    """By pool."""

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
        self._registry = Registry(
            name,
            RegistryArgs(
                cluster=name,
                targets=TARGETS,
                kms_key=aws.storage.kms_key,
                protect=self._guarded,
                tags=self._tags,
            ),
            opts=self._own,
        )
        secrets = make_secrets(name, SECRETS, parent=self, protect=self._guarded)
        self._parameters = Parameters(
            name,
            ParametersArgs(
                cluster=name, values=secrets, kms_key=aws.storage.kms_key, tags=self._tags
            ),
            opts=self._own,
        )
        self._identities = Identities(name, self._identity_args(place), opts=self._own)
        self._content = content_tag(args.settings.software)
        self._pushed = Images(
            name,
            ImagesArgs(
                region=aws.region,
                urls=self._registry.urls,
                images=needed_images(args.settings, aws),
                content=self._content,
                software=args.settings.software,
            ),
            opts=self._own,
        )
        host = self._make_controller(place)
        pools = {
            pool: self._make_pool(pool, shape, host) for pool, shape in args.settings.pools.items()
        }
        self._needed_to_boot = [
            host, self._identities, self._parameters, self._storage, self._pushed,
        ]  # fmt: skip
        if place.route_tables:
            route_through_controller(name, place.route_tables, host.network_interface, self._own)
        running = self._deliver(self._make_bundle(place, host, pools), place)

        ports, default = args.settings.ports, args.settings.default_pool
        others = sorted(args.settings.pools.keys() - {default})
        self.ssh = running.id.apply(lambda _: f"ssh -p {ports.ssh} USER@127.0.0.1")
        self.rest = running.id.apply(lambda _: f"http://127.0.0.1:{ports.rest}/slurm/v0.0.45/")
        self.partitions = running.id.apply(lambda _: [default, *others])
        self.login_container = running.id.apply(lambda _: f"hpc-{name}-login-1")
        self.images = pulumi.Output.all(
            *(
                self._image(image, architecture)
                for architecture, images in needed_images(args.settings, aws).items()
                for image in images
            )
        ).apply(sorted)
        self.controller = host.instance_id
        self.data_bucket = self._data.name
        self.launch_templates = pulumi.Output.all(
            **{pool: made.launch_template_id for pool, made in pools.items()}
        )
        self.register_outputs(
            {
                "ssh": self.ssh,
                "rest": self.rest,
                "partitions": self.partitions,
                "login_container": self.login_container,
                "images": self.images,
                "controller": self.controller,
                "data_bucket": self.data_bucket,
                "launch_templates": self.launch_templates,
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
        amis = {self._ami(pool.instance_types[0]) for pool in self._settings.pools.values()}
        return IdentityArgs(
            account=self._account,
            cluster=self._prefix,
            pools=tuple(sorted(self._settings.pools)),
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
            permissions_boundary=aws.permissions_boundary,
            tags=self._tags,
        )

    def _ami(self, instance_type: str) -> str:
        return str(getattr(self._aws.amis, ami_key(catalogue()[instance_type])))

    def _image(self, image: str, architecture: str) -> pulumi.Output[str]:
        """Full reference of an image for one kind of processor."""
        url, tag = self._registry.urls[image], image_tag(self._content, architecture)
        return pulumi.Output.format("{0}:{1}", url, tag)

    def _controller_image(self, image: str) -> pulumi.Output[str]:
        return self._image(image, architecture_of(self._aws.controller.instance_type))

    def _make_controller(self, place: Place) -> Controller:
        aws = self._aws
        told = pulumi.Output.all(
            bucket=self._system.name,
            image=self._controller_image("host-agent"),
            volume=self._storage.volume_id,
            homes=self._storage.homes_id,
            homes_access_point=self._storage.homes_access_point,
        )
        user_data = told.apply(
            lambda found: encoded(
                controller_user_data(
                    region=aws.region,
                    cluster=self._prefix,
                    registry=_registry_host(found["image"]),
                    forwards=place.forwards,
                    cidr=aws.network.cidr,
                    dump_at=aws.controller.dump_at,
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
                tags=self._tags,
            ),
            opts=self._own,
        )

    def _make_pool(self, name: str, pool: Pool, host: Controller) -> ComputePool:
        aws, groups = self._aws, self._groups.ids
        spot = pool.spot_settings
        told = pulumi.Output.all(
            bucket=self._system.name,
            image=self._image("slurmd", architecture_of(pool.instance_types[0])),
            controller=host.private_address,
            homes=self._storage.homes_id,
            homes_access_point=self._storage.homes_access_point,
        )
        user_data = told.apply(
            lambda found: encoded(
                node_user_data(
                    region=aws.region,
                    cluster=self._prefix,
                    pool=name,
                    registry=_registry_host(found["image"]),
                    gpus=pool.gpus is not None,
                    spot_signal=spot.signal if spot else "",
                    **found,
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

    def _make_bundle(
        self, place: Place, host: Controller, pools: Mapping[str, ComputePool]
    ) -> s3.BucketObjectv2:
        """The object that the host agent runs; a change of it is all that reaches a controller."""
        content = pulumi.Output.all(
            address=host.private_address,
            bucket=self._system.name,
            images=pulumi.Output.all(
                **{image: self._controller_image(image) for image in CONTROLLER_IMAGES}
            ),
            subnets=pulumi.Output.all(**place.compute_subnets),
            templates=pulumi.Output.all(
                **{p: made.launch_template_id for p, made in pools.items()}
            ),
            versions=pulumi.Output.all(
                **{p: made.launch_template_version for p, made in pools.items()}
            ),
        ).apply(lambda found: aws_bundle(self._settings, self._site(**found)))
        return s3.BucketObjectv2(
            f"{self._prefix}-bundle",
            bucket=self._system.name,
            key=BUNDLE_KEY,
            content=content,
            content_type="application/json",
            opts=self._own,
        )

    def _deliver(self, bundle: s3.BucketObjectv2, place: Place) -> Command:
        """Wait until the controller says that it runs the bundle, or why it does not."""
        return Command(
            f"{self._prefix}-ready",
            create=_AWAIT,
            update=_AWAIT,
            environment={
                "HPC_STACK_REGION": self._aws.region,
                "HPC_STACK_BUCKET": self._system.name,
                "HPC_STACK_DIGEST": bundle.content.apply(_digest),
                # Not read: a bundle that is brought back after another has failed is awaited, too.
                "HPC_STACK_BUNDLE_VERSION": bundle.version_id,
            },
            logging=Logging.NONE,
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[bundle, *self._needed_to_boot]),
        )

    def _site(
        self,
        *,
        address: str,
        bucket: str,
        images: Mapping[str, str],
        subnets: Mapping[str, str],
        templates: Mapping[str, str],
        versions: Mapping[str, str],
    ) -> Site:
        launches = {
            name: LaunchSite(
                launch_template=templates[name],
                launch_template_version=versions[name],
                subnets=tuple(subnets[zone] for zone in self._settings.pool_zones(name)),
            )
            for name in self._settings.pools
        }
        return Site(
            images={service: images[target] for service, target in SERVICE_IMAGES.items()},
            cgroup="v2",
            aws=AwsSite(
                region=self._aws.region,
                controller_address=address,
                registry=_registry_host(images["host-agent"]),
                system_bucket=bucket,
                tags=self._tags,
                launches=launches,
            ),
        )


def architecture_of(instance_type: str) -> str:
    """The processors of a type."""
    return catalogue()[instance_type].architecture


def needed_images(settings: ClusterSettings, aws: Aws) -> dict[str, list[str]]:
    """Which images are needed for which processors: the controller's, and slurmd for the pools'."""
    needed = {architecture_of(aws.controller.instance_type): list(CONTROLLER_IMAGES)}
    for pool in settings.pools.values():
        images = needed.setdefault(architecture_of(pool.instance_types[0]), [])
        if "slurmd" not in images:
            images.append("slurmd")
    return needed


def _digest(bundle: str | None) -> str:
    return bundle_digest(bundle or "")


def _registry_host(image: str) -> str:
    return image.partition("/")[0]
