"""Wait until the controller runs a bundle: a program of its own, run by the engine.

    python -m components.aws.await_controller

Told by HPC_STACK_REGION, HPC_STACK_BUCKET, HPC_STACK_DIGEST and HPC_STACK_INSTANCE.
Ends with 0 when the host agent says that it is ready, and with 1, the reason and the end of its log
when it says that it has failed, or when it has said nothing for too long.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from config.render.aws_bundle import STATUS_KEY

SECONDS = 600.0
"""EC2 boots in half a minute; pulling the images and MySQL's first start take the most."""
PAUSE_SECONDS = 2.0
_PATIENCE = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})


class NotReady(Exception):
    """The controller does not run the bundle. The text is for the person who changed it."""


def wait(
    read: Callable[[], dict[str, Any] | None],
    *,
    digest: str,
    instance: str,
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return once the machine `instance` runs the bundle `digest`. Raises NotReady.

    `read` gives the status that the host agent, or a host that could not boot, wrote last.
    """
    begun = clock()
    last: dict[str, Any] | None = None
    while clock() - begun < seconds:
        last = read()
        if last is not None and _is_about(last, digest, instance):
            if last["state"] == "ready":
                return
            if last["state"] == "failed":
                raise NotReady(_failure(last))
        sleep(PAUSE_SECONDS)
    said = f"it last said {last['state']!r}, {last['at']}" if last else "it has said nothing"
    raise NotReady(
        f"The controller did not run the new bundle within {seconds:.0f} s: {said}.\n"
        "Fix: look at its console (`aws ec2 get-console-output --latest --instance-id ...`), then "
        "`pulumi up` again: what was made stays, and nothing is lost"
    )


def _is_about(status: dict[str, Any], digest: str, instance: str) -> bool:
    # What the machine before this one has said is of no interest; and a host that could not even
    # boot knows no digest.
    return status["instance_id"] == instance and status["digest"] in (digest, "")


def _failure(status: dict[str, Any]) -> str:
    log = f"\nThe end of its log:\n{status['log']}" if status["log"] else ""
    return (
        f"The controller {status['instance_id']} could not run the new bundle: "
        f"{status['detail']}{log}\n"
        "Fix the cause and `pulumi up` again; what ran before is as it was"
    )


def main() -> None:
    """Wait as the environment says."""
    bucket = os.environ["HPC_STACK_BUCKET"]
    session = boto3.session.Session(region_name=os.environ["HPC_STACK_REGION"])
    s3: Any = session.client("s3", config=_PATIENCE)

    def read() -> dict[str, Any] | None:
        try:
            answer = s3.get_object(Bucket=bucket, Key=STATUS_KEY)
            status: dict[str, Any] = json.loads(answer["Body"].read())
        except (BotoCoreError, ClientError, ValueError):
            return None
        return status

    try:
        wait(
            read,
            digest=os.environ["HPC_STACK_DIGEST"],
            instance=os.environ["HPC_STACK_INSTANCE"],
        )
    except NotReady as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
