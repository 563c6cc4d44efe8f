"""Image repositories of the cluster in the account's own registry (ECR)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import ecr

from components.aws.tags import named

KEPT_IMAGES = 10
"""Older ones go. What runs is at most the last two; the rest is there to go back to."""


@dataclass(frozen=True, kw_only=True)
class RegistryArgs:
    """Which images the cluster runs."""

    cluster: str
    targets: Sequence[str]
    """Bake targets, and third-party images by their short name."""
    kms_key: str | None
    tags: dict[str, str]


class Registry(pulumi.ComponentResource):
    """A repository for each image: tags cannot be moved, and each push is scanned."""

    urls: Mapping[str, pulumi.Output[str]]
    """Repository by target, without a tag."""
    arns: Mapping[str, pulumi.Output[str]]

    def __init__(
        self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hpcstack:aws:Registry", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        made: dict[str, ecr.Repository] = {}
        for target in args.targets:
            made[target] = ecr.Repository(
                f"{name}-{target}",
                name=f"hpc-stack/{args.cluster}/{target}",
                image_tag_mutability="IMMUTABLE",
                image_scanning_configuration=ecr.RepositoryImageScanningConfigurationArgs(
                    scan_on_push=True
                ),
                encryption_configurations=[
                    ecr.RepositoryEncryptionConfigurationArgs(
                        encryption_type="KMS" if args.kms_key else "AES256", kms_key=args.kms_key
                    )
                ],
                # Also of a cluster whose data is protected: images can be built again.
                force_delete=True,
                tags=named(args.tags, f"{name}-{target}"),
                opts=own,
            )
            ecr.LifecyclePolicy(
                f"{name}-{target}",
                repository=made[target].name,
                policy=_keep_the_newest(),
                opts=own,
            )
        self.urls = {target: repository.repository_url for target, repository in made.items()}
        self.arns = {target: repository.arn for target, repository in made.items()}
        self.register_outputs({"urls": self.urls})


def _keep_the_newest() -> str:
    rule = {
        "rulePriority": 1,
        "description": f"keep the newest {KEPT_IMAGES}",
        "selection": {
            "tagStatus": "any",
            "countType": "imageCountMoreThan",
            "countNumber": KEPT_IMAGES,
        },
        "action": {"type": "expire"},
    }
    return json.dumps({"rules": [rule]}, sort_keys=True)
