"""`make amis`: look up the newest images that a stack's machines are made of, and pin them.

    python -m ops.amis STACK

Those are machine images, by their ids, and container images of others, by their digests. Both are
written into Pulumi.<stack>.yaml, so that machines are the same until somebody asks for newer ones,
and a pull request shows it when somebody does.
"""

import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from components.aws.images import MIRRORED, digest_setting
from ops.aws_settings import KEY, region_of
from ops.environment import CHECKOUT
from ops.image_digests import newest_digest
from ops.stack import StackProblem, open_stack, run_command

_ROOT = "/aws/service/ecs/optimized-ami/amazon-linux-2023"
PARAMETERS = {
    "x86_64": f"{_ROOT}/recommended/image_id",
    "arm64": f"{_ROOT}/arm64/recommended/image_id",
    "gpu_x86_64": f"{_ROOT}/gpu/recommended/image_id",
    "gpu_arm64": f"{_ROOT}/gpu/arm64/recommended/image_id",
}
"""Where AWS publishes the newest id: the ECS-optimised image has Docker, SSM agent and EFS helper,
and for GPUs the driver. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-optimized_AMI.html"""


def newest(region: str) -> dict[str, str]:
    """The newest ids in a region, by the key of `aws.amis`. One that AWS has not is left out."""
    try:
        answer = boto3.client("ssm", region_name=region).get_parameters(
            Names=list(PARAMETERS.values())
        )
    except (BotoCoreError, ClientError) as error:
        raise StackProblem(
            f"AWS does not answer in {region}: {error}\n"
            "Fix: check aws.region and your credentials (`aws sts get-caller-identity`)"
        ) from None
    found = {parameter["Name"]: parameter["Value"] for parameter in answer["Parameters"]}
    return {key: found[name] for key, name in PARAMETERS.items() if name in found}


def main() -> None:
    """`amis.py STACK`."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    region = region_of(CHECKOUT / f"Pulumi.{name}.yaml")
    ids = newest(region)
    if not ids:
        raise StackProblem(f"AWS publishes none of these images in {region}")
    stack = open_stack(name)
    for key, ami in sorted(ids.items()):
        stack.pulumi("config", "set", "--path", f"{KEY}.aws.amis.{key}", ami)
        print(f"{key:11} {ami}")
    for image, tag in MIRRORED.items():
        if digest := newest_digest(tag):
            stack.pulumi(
                "config", "set", "--path", f"{KEY}.aws.images.{digest_setting(image)}", digest
            )
        print(f"{image:11} {digest or f'the registry of {tag} does not answer: not pinned'}")
    print(f"Written to Pulumi.{name}.yaml. `make preview STACK={name}` shows what it changes.")


if __name__ == "__main__":
    run_command(main)
