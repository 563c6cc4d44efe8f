"""A region with machines: network, certificate, AWS' names, images, and who plays EC2."""

import base64
import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import trustme

from tests.cluster.own_stack import remove_labelled
from tests.cluster.running_cluster import docker
from tests.rehearsal.account import REGION, RehearsedAccount
from tests.rehearsal.machines.player import REGISTRY, Player, Surroundings, playing
from tests.rehearsal.machines.registry import registry
from tests.rehearsal.machines.store import image_store

IMAGE = "hpc-rehearsal/machine"
NETWORK = "hpc-rehearsal"
FRONT = "hpc-rehearsal-front"
MARK = "hpc-stack.rehearsal"
SOURCE = Path(__file__).parent / "image"
BASE = "debian:trixie-slim"


@contextlib.contextmanager
def rehearsed_region(account: RehearsedAccount, cidr: str) -> Iterator[Player]:
    """Machines for an account whose VPC has a range, until the end of the block."""
    # What a killed run left on the engine.
    remove_labelled(MARK)
    docker("build", "--quiet", "--tag", IMAGE, "--build-arg", f"BASE={BASE}", str(SOURCE))
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.callback(_forget_pushed)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "authority.pem"))
        _certificate(authority, folder / "certificate.pem")
        front = stack.enter_context(_network(cidr))
        store = stack.enter_context(image_store(IMAGE, str(folder / "authority.pem"), MARK))
        port = stack.enter_context(registry(store.image_id, _password(account)))
        stack.enter_context(_front(front, folder / "certificate.pem", account, port))
        place = Surroundings(
            image=IMAGE,
            network=NETWORK,
            front=front,
            trusted=(folder / "authority.pem").read_text(),
            mark=MARK,
            store=store,
        )
        yield stack.enter_context(playing(Player(account, place, _pushed)))


def _certificate(authority: trustme.CA, file: Path) -> None:
    ends = ("", ".s3", ".ecr", ".dkr.ecr")
    issued = authority.issue_cert(*(f"*{end}.{REGION}.amazonaws.com" for end in ends))
    issued.private_key_and_cert_chain_pem.write_to_path(str(file))


@contextlib.contextmanager
def _network(cidr: str) -> Iterator[str]:
    """The VPC: no way out of it. The address at which this machine is in it."""
    own = str(IPv4Network(cidr)[-2])
    docker(
        "network", "create", "--internal", "--label", MARK,
        "--subnet", cidr, "--gateway", own, NETWORK,
    )  # fmt: skip
    try:
        yield own
    finally:
        docker("network", "rm", NETWORK)


@contextlib.contextmanager
def _front(
    address: str, certificate: Path, account: RehearsedAccount, registry_port: int
) -> Iterator[None]:
    inside = "/etc/rehearsal-certificate.pem"
    api = account.endpoint.rpartition(":")[2]
    docker(
        "create", "--name", FRONT, "--label", MARK, "--network", "host", "--init", IMAGE,
        "/opt/rehearsal/front", address, inside, api, str(registry_port),
    )  # fmt: skip
    docker("cp", str(certificate), f"{FRONT}:{inside}")
    docker("start", FRONT)
    try:
        yield
    finally:
        docker("rm", "--force", FRONT)


def _password(account: RehearsedAccount) -> str:
    answer = account.client("ecr").get_authorization_token()
    token = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
    return token.partition(":")[2]


def _pushed() -> list[str]:
    """References of images that were built for the account's registry."""
    listed = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
    return sorted(one for one in listed if one.startswith(f"{REGISTRY}/"))


def _forget_pushed() -> None:
    if found := _pushed():
        subprocess.run(("docker", "image", "rm", *found), capture_output=True, check=False)
