"""The bundle's way to the controller: an object in S3, and the wait until it is run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import s3
from pulumi_command.local import Command, Logging

from components.aws.compute_pool import ComputePool
from components.aws.images import AGENT, SERVICE_IMAGES, registry_of
from config.render.aws_bundle import BUNDLE_KEY, aws_bundle, bundle_digest
from config.render.site import AwsSite, LaunchSite, Site
from config.settings import ClusterSettings

_AWAIT = ".venv/bin/python -m components.aws.await_controller"


@dataclass(frozen=True, kw_only=True)
class DeliveryArgs:
    """What a bundle is rendered from, where it goes, and what must be there before."""

    settings: ClusterSettings
    region: str
    bucket: pulumi.Input[str]
    log_group: str
    """Name of the one in CloudWatch."""
    secrets_seal: pulumi.Input[str]
    """Another word for other secrets of the receivers of alerts."""
    controller: pulumi.Input[str]
    """Its instance id."""
    controller_address: pulumi.Input[str]
    images: Mapping[str, pulumi.Input[str]]
    """Full references, for the controller's processors."""
    subnets: Mapping[str, pulumi.Input[str]]
    """By zone."""
    pools: Mapping[str, ComputePool]
    needed: Sequence[pulumi.Resource]
    """What a controller cannot boot without."""
    tags: dict[str, str]


class Delivery(pulumi.ComponentResource):
    """The object that the host agent runs: a change of it is all that reaches a controller."""

    done: pulumi.Output[str]
    """Known when the controller runs what is delivered."""

    def __init__(
        self, name: str, args: DeliveryArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hpcstack:aws:Delivery", name, None, opts)
        bundle = s3.BucketObjectv2(
            f"{name}-bundle",
            bucket=args.bucket,
            key=BUNDLE_KEY,
            content=_content(args),
            content_type="application/json",
            opts=pulumi.ResourceOptions(parent=self),
        )
        ready = Command(
            f"{name}-ready",
            create=_AWAIT,
            update=_AWAIT,
            environment={
                "HPC_STACK_REGION": args.region,
                "HPC_STACK_BUCKET": args.bucket,
                "HPC_STACK_DIGEST": bundle.content.apply(lambda text: bundle_digest(text or "")),
                "HPC_STACK_INSTANCE": args.controller,
                # Not read: a bundle that is brought back after another has failed is awaited, too.
                "HPC_STACK_BUNDLE_VERSION": bundle.version_id,
            },
            logging=Logging.NONE,
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[bundle, *args.needed]),
        )
        self.done = ready.id
        self.register_outputs({"done": self.done})


def _content(args: DeliveryArgs) -> pulumi.Output[str]:
    return pulumi.Output.all(
        address=args.controller_address,
        bucket=args.bucket,
        secrets_seal=args.secrets_seal,
        images=pulumi.Output.all(**args.images),
        subnets=pulumi.Output.all(**args.subnets),
        templates=pulumi.Output.all(
            **{name: pool.launch_template_id for name, pool in args.pools.items()}
        ),
        versions=pulumi.Output.all(
            **{name: pool.launch_template_version for name, pool in args.pools.items()}
        ),
    ).apply(lambda known: aws_bundle(args.settings, _site(args, **known)))


def _site(
    args: DeliveryArgs,
    *,
    address: str,
    bucket: str,
    secrets_seal: str,
    images: Mapping[str, str],
    subnets: Mapping[str, str],
    templates: Mapping[str, str],
    versions: Mapping[str, int],
) -> Site:
    launches = {
        name: LaunchSite(
            launch_template=templates[name],
            launch_template_version=str(versions[name]),
            subnets=tuple(subnets[zone] for zone in args.settings.pool_zones(name)),
        )
        for name in args.settings.pools
    }
    return Site(
        images={service: images[image] for service, image in SERVICE_IMAGES.items()},
        cgroup="v2",
        grafana=True,
        secrets_seal=secrets_seal,
        aws=AwsSite(
            region=args.region,
            controller_address=address,
            registry=registry_of(images[AGENT]),
            system_bucket=bucket,
            log_group=args.log_group,
            tags=args.tags,
            launches=launches,
        ),
    )
