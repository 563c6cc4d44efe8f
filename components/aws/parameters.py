"""The cluster's secrets as SSM parameters, each of which only those who need it may read."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_aws import ssm

from components.aws.tags import named


def parameter_name(cluster: str, secret: str) -> str:
    """Name of the parameter that holds a secret of a cluster."""
    return f"/hpc-stack/{cluster}/{secret}"


@dataclass(frozen=True, kw_only=True)
class ParametersArgs:
    """The secrets' values, which are secret outputs."""

    cluster: str
    values: Mapping[str, pulumi.Input[str]]
    """Made with the cluster."""
    given: Mapping[str, pulumi.Input[str]]
    """The user's own, which go when they are not wanted any more."""
    kms_key: str | None
    protect: bool
    """Whether what was made stays with data that stays: a database opens by its password alone."""
    tags: dict[str, str]


class Parameters(pulumi.ComponentResource):
    """A SecureString for each secret; they cost nothing."""

    arns: Mapping[str, pulumi.Output[str]]

    def __init__(
        self, name: str, args: ParametersArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("hpcstack:aws:Parameters", name, None, opts)
        made = {
            secret: ssm.Parameter(
                f"{name}-{secret.replace('_', '-')}",
                name=parameter_name(args.cluster, secret),
                type="SecureString",
                value=pulumi.Output.secret(value),
                key_id=args.kms_key,
                tags=named(args.tags, f"{name}-{secret}"),
                opts=pulumi.ResourceOptions(
                    parent=self, retain_on_delete=args.protect and secret in args.values
                ),
            )
            for secret, value in {**args.values, **args.given}.items()
        }
        self.arns = {secret: parameter.arn for secret, parameter in made.items()}
        self.register_outputs({"arns": self.arns})
