"""What a machine asks of AWS, signed by its own role: with Python's standard library alone."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

METADATA = "http://169.254.169.254"
TRIES = 7


def metadata(item: str) -> str:
    """An item of the machine's metadata, by a token (version 2)."""
    ask = urllib.request.Request(
        f"{METADATA}/latest/api/token",
        method="PUT",
        headers={"X-aws-ec2-metadata-token-ttl-seconds": "300"},
    )
    with urllib.request.urlopen(ask, timeout=5) as answer:
        token = answer.read().decode()
    path = f"{METADATA}/latest/meta-data/{item}"
    with urllib.request.urlopen(
        urllib.request.Request(path, headers={"X-aws-ec2-metadata-token": token}), timeout=5
    ) as answer:
        return str(answer.read().decode())


def credentials() -> dict[str, Any]:
    """Those of the machine's role."""
    role = metadata("iam/security-credentials/").split()[0]
    found: dict[str, Any] = json.loads(metadata(f"iam/security-credentials/{role}"))
    return found


def call_aws(
    region: str, service: str, endpoint: str, target: str, body: dict[str, Any], tries: int = TRIES
) -> bytes:
    """One call of a service that speaks JSON 1.1."""
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": target}
    host = f"{endpoint}.{region}.amazonaws.com"
    return request(region, service, "POST", host, "/", headers, json.dumps(body).encode(), tries)


def read_object(told: dict[str, Any], key: str) -> bytes:
    """An object of the system bucket."""
    host = f"{told['bucket']}.s3.{told['region']}.amazonaws.com"
    return request(told["region"], "s3", "GET", host, f"/{key}", {}, b"")


def request(
    region: str,
    service: str,
    method: str,
    host: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    tries: int = TRIES,
) -> bytes:
    """A signed request; a passing failure is tried again, half a minute in all.

    So is a service's refusal: a role that has just been made is not known everywhere at once, nor
    are its credentials there from the machine's first second. What is raised says what AWS says.
    """
    for tried in range(1, tries + 1):
        try:
            signed = sign(
                credentials(), region, service, method, host, path, headers, body,
                datetime.datetime.now(datetime.timezone.utc),
            )  # fmt: skip
            ask = urllib.request.Request(
                f"https://{host}{urllib.parse.quote(path)}", body or None, signed, method=method
            )
            with urllib.request.urlopen(ask, timeout=10) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            error.msg = error.read()[:300].decode(errors="replace")
            print(f"{method} {host}{path}: {error} ({error.url})", file=sys.stderr)
            passes = (
                error.code >= 500
                or "AccessDeniedException" in error.msg
                or error.url.startswith(METADATA)
            )
            if not passes or tried == tries:
                raise
        except (OSError, LookupError):  # nobody answers, or no role or no keys are named
            if tried == tries:
                raise
        time.sleep(2**tried / 4)
    raise AssertionError


def sign(
    keys: dict[str, Any], region: str, service: str, method: str, host: str, path: str,
    headers: dict[str, str], body: bytes, now: datetime.datetime,
) -> dict[str, Any]:  # fmt: skip
    """The request's headers with Signature Version 4.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    content = hashlib.sha256(body).hexdigest()
    signed = {
        **headers,
        "host": host,
        "x-amz-content-sha256": content,
        "x-amz-date": stamp,
        "x-amz-security-token": keys["Token"],
    }
    names = ";".join(sorted(signed))
    lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
    canonical = f"{method}\n{urllib.parse.quote(path)}\n\n{lines}\n{names}\n{content}"
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4" + keys["SecretAccessKey"].encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signed["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys['AccessKeyId']}/{scope}, "
        f"SignedHeaders={names}, Signature={key.hex()}"
    )
    return signed
