"""What the agent asks of AWS (bundle, secrets, a login at the registry), and what it tells."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from host_agent.bundle import KEY

STATUS_KEY = "status/controller.json"
DUMPS_PREFIX = "dumps/"
PATIENCE = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 4})


class AwsUnavailable(Exception):
    """AWS does not answer, or refuses: nothing can be concluded about what is wanted."""


class SecretMissing(Exception):
    """A secret that the bundle names is not there."""


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """The bundle's text, and the tag by which S3 knows this version."""

    text: str
    etag: str


class Account:
    """The cluster's part of an account. Raises AwsUnavailable wherever AWS does not do its part."""

    def __init__(self, *, region: str, cluster: str, bucket: str) -> None:
        self._cluster, self.bucket = cluster, bucket
        self._s3: Any = boto3.client("s3", region_name=region, config=PATIENCE)
        self._ssm: Any = boto3.client("ssm", region_name=region, config=PATIENCE)
        self._ecr: Any = boto3.client("ecr", region_name=region, config=PATIENCE)

    def fetch_bundle(self, known: str) -> Fetched | None:
        """The bundle, or None while it is still the version that is known."""
        condition = {"IfNoneMatch": known} if known else {}
        try:
            answer = self._s3.get_object(Bucket=self.bucket, Key=KEY, **condition)
            return Fetched(text=answer["Body"].read().decode(), etag=answer["ETag"])
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 304:
                return None
            raise AwsUnavailable(f"s3://{self.bucket}/{KEY}: {error}") from error
        except (BotoCoreError, OSError) as error:
            raise AwsUnavailable(f"s3://{self.bucket}/{KEY}: {error}") from error

    def secrets(self, names: Sequence[str]) -> dict[str, str]:
        """The values of secrets. Raises SecretMissing."""
        paths = {f"/hpc-stack/{self._cluster}/{name}": name for name in names}
        try:
            answer = self._ssm.get_parameters(Names=sorted(paths), WithDecryption=True)
        except (BotoCoreError, ClientError) as error:
            raise AwsUnavailable(f"secrets: {error}") from error
        if missing := answer.get("InvalidParameters"):
            raise SecretMissing(f"SSM has no parameter {', '.join(sorted(missing))}")
        return {paths[one["Name"]]: one["Value"] for one in answer["Parameters"]}

    def registry_password(self) -> str:
        """For the user AWS, for twelve hours."""
        try:
            answer = self._ecr.get_authorization_token()
        except (BotoCoreError, ClientError) as error:
            raise AwsUnavailable(f"registry: {error}") from error
        token = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
        return token.partition(":")[2]

    def report(self, status: Mapping[str, Any]) -> None:
        """Tell how it went, where `pulumi up` looks."""
        body = json.dumps(dict(status), sort_keys=True).encode()
        try:
            self._s3.put_object(Bucket=self.bucket, Key=STATUS_KEY, Body=body)
        except (BotoCoreError, ClientError) as error:
            raise AwsUnavailable(f"s3://{self.bucket}/{STATUS_KEY}: {error}") from error

    def upload_dump(self, path: str, name: str) -> None:
        """Keep a file as a dump."""
        try:
            self._s3.upload_file(path, self.bucket, f"{DUMPS_PREFIX}{name}")
        except (BotoCoreError, ClientError, OSError) as error:
            raise AwsUnavailable(f"s3://{self.bucket}/{DUMPS_PREFIX}{name}: {error}") from error

    def download_dump(self, name: str, path: str) -> None:
        """Fetch one."""
        try:
            self._s3.download_file(self.bucket, f"{DUMPS_PREFIX}{name}", path)
        except (BotoCoreError, ClientError, OSError) as error:
            raise AwsUnavailable(f"s3://{self.bucket}/{DUMPS_PREFIX}{name}: {error}") from error

    def dumps(self) -> list[str]:
        """Names of all dumps, the oldest first."""
        try:
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=DUMPS_PREFIX
            )
            keys = [one["Key"] for page in pages for one in page.get("Contents", ())]
        except (BotoCoreError, ClientError) as error:
            raise AwsUnavailable(f"s3://{self.bucket}/{DUMPS_PREFIX}: {error}") from error
        return sorted(key.removeprefix(DUMPS_PREFIX) for key in keys)
