"""`make amis`: the newest images, looked up once and written down."""

import json
import os
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from unittest import mock

import pytest

from ops.amis import PARAMETERS, newest
from ops.aws_settings import region_of
from ops.environment import CHECKOUT
from ops.image_digests import newest_digest
from ops.stack import StackProblem
from tests.rehearsal.account import REGION, RehearsedAccount
from tests.rehearsal.stack import rehearse


def test_every_kind_that_aws_publishes_is_found(account: RehearsedAccount) -> None:
    with mock.patch.dict(os.environ, account.environment()):
        found = newest(REGION)
    assert found.keys() >= {"x86_64", "arm64", "gpu_x86_64"}
    ssm = account.client("ssm")
    for key, ami in found.items():
        assert ssm.get_parameter(Name=PARAMETERS[key])["Parameter"]["Value"] == ami


def test_the_region_is_the_files() -> None:
    assert region_of(CHECKOUT / "Pulumi.prod.yaml") == "eu-central-1"


@pytest.mark.parametrize("name", ["Pulumi.local.yaml", "Pulumi.nowhere.yaml"])
def test_a_stack_that_is_not_on_aws_has_none(name: str) -> None:
    with pytest.raises(StackProblem, match=r"no cluster\.aws\.region"):
        region_of(CHECKOUT / name)


def test_an_account_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StackProblem, match="AWS does not answer in eu-central-1"):
        newest(REGION)


def test_an_id_is_written_into_the_stacks_file_and_its_comments_stay(
    account: RehearsedAccount, tmp_path: Path
) -> None:
    made = rehearse("dev", account, tmp_path)
    made.settings_file.write_text((CHECKOUT / "Pulumi.dev.yaml").read_text())
    made.stack.pulumi("config", "set", "--path", "hpc-stack:cluster.aws.amis.arm64", "ami-01234567")
    assert made.settings()["aws"]["amis"] == {"arm64": "ami-01234567"}
    assert "# the controller forwards for the nodes" in made.settings_file.read_text()


INDEX = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": f"sha256:{key * 64}",
                "size": 2,
                "platform": {"os": "linux", "architecture": architecture},
            }
            for key, architecture in (("a", "amd64"), ("b", "arm64"))
        ],
    }
).encode()


class OneImage(BaseHTTPRequestHandler):
    """A registry that knows the image `database`, for two kinds of processors."""

    def do_HEAD(self) -> None:
        known = self.path.startswith("/v2/database/manifests/")
        self.send_response(200 if known or self.path == "/v2/" else 404)
        self.send_header("Content-Type", "application/vnd.oci.image.index.v1+json")
        self.send_header("Docker-Content-Digest", f"sha256:{sha256(INDEX).hexdigest()}")
        self.send_header("Content-Length", str(len(INDEX) if known else 0))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        if self.path.startswith("/v2/database/manifests/"):
            self.wfile.write(INDEX)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def registry() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), OneImage)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_digest_of_a_tag_is_that_of_all_its_processors(registry: str) -> None:
    assert newest_digest(f"{registry}/database:9.7") == f"sha256:{sha256(INDEX).hexdigest()}"


def test_a_registry_that_does_not_know_an_image_tells_no_digest(registry: str) -> None:
    assert newest_digest(f"{registry}/other:1") == ""
    assert newest_digest("127.0.0.1:1/database:9.7") == ""
