"""Images at hand: a Docker store that is filled once, and given to each machine as its own."""

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from tests.cluster.running_cluster import docker

VOLUME = "hpc-rehearsal"
SHARED = "/rehearsal"
"""Where everybody has the volume: stores, files that play EBS volumes, directories for EFS."""
GOLDEN = f"{SHARED}/docker/golden"
CONTAINER = "hpc-rehearsal-store"
TRUSTED = "/etc/ssl/certs/ca-certificates.crt"
CALL_AWS = ("host-agent", "node-manager-ec2")
"""Images that must trust the certificate of what plays AWS."""
START_SECONDS = 60.0


@dataclass
class ImageStore:
    """Images by reference. A machine's copy shares the files of layers, which nobody changes."""

    trusted: str
    """The certificate, as a file here."""
    _ids: dict[str, str] = field(default_factory=dict)
    _one_at_a_time: Lock = field(default_factory=Lock)

    def add(self, references: Sequence[str]) -> None:
        """Bring images of this machine's engine into the store. What is there stays."""
        with self._one_at_a_time:
            missing = [one for one in references if one not in self._ids]
            if missing:
                self._load(missing)

    def _load(self, missing: Sequence[str]) -> None:
        with _engine():
            loading = ("docker", "exec", "--interactive", CONTAINER, "docker", "load", "--quiet")
            with subprocess.Popen(("docker", "save", *missing), stdout=subprocess.PIPE) as saving:
                subprocess.run(loading, stdin=saving.stdout, check=True, capture_output=True)
            for reference in missing:
                if reference.rpartition(":")[0].rpartition("/")[2] in CALL_AWS:
                    self._let_trust(reference)
                self._ids[reference] = _inside("image", "inspect", "--format", "{{.Id}}", reference)

    def image_id(self, reference: str) -> str | None:
        """The digest of an image's configuration."""
        return self._ids.get(reference)

    def give(self, name: str) -> str:
        """A store of somebody's own, with all images: its path, for the engine's `data-root`."""
        own = f"{SHARED}/docker/{name}"
        script = f"mkdir {own} && cp -a {GOLDEN}/image {own}/ && cp -al {GOLDEN}/overlay2 {own}/"
        docker("exec", CONTAINER, "sh", "-c", script)
        return own

    def take_back(self, name: str) -> None:
        docker("exec", CONTAINER, "rm", "-rf", f"{SHARED}/docker/{name}")

    def run(self, *command: str) -> None:
        """Run a command where the volume is."""
        docker("exec", CONTAINER, *command)

    def _let_trust(self, reference: str) -> None:
        docker("cp", self.trusted, f"{CONTAINER}:/tmp/trusted.pem")
        _inside("create", "--name", "trusting", reference)
        _inside("cp", "/tmp/trusted.pem", f"trusting:{TRUSTED}")  # noqa: S108
        _inside("commit", "trusting", reference)
        _inside("rm", "trusting")


def _inside(*words: str) -> str:
    return docker("exec", CONTAINER, "docker", *words)


@contextmanager
def _engine() -> Iterator[None]:
    """The store's own engine, while it is needed."""
    words = ("--data-root", GOLDEN, "--iptables=false", "--bridge=none", "--pidfile", "/run/d.pid")
    docker("exec", "--detach", CONTAINER, "dockerd", *words)
    deadline = time.monotonic() + START_SECONDS
    while subprocess.run(
        ("docker", "exec", CONTAINER, "docker", "info"), capture_output=True, check=False
    ).returncode:
        assert time.monotonic() < deadline, "the store's engine does not start"
        time.sleep(0.1)
    try:
        yield
    finally:
        stop = "kill $(cat /run/d.pid) && while [ -e /run/d.pid ]; do sleep 0.1; done"
        docker("exec", CONTAINER, "sh", "-c", stop)


@contextmanager
def image_store(machine_image: str, trusted: str, mark: str) -> Iterator[ImageStore]:
    """An empty store, removed at the end with all that machines have written."""
    docker("volume", "create", "--label", mark, VOLUME)
    docker(
        "run", "--detach", "--name", CONTAINER, "--label", mark, "--privileged", "--init",
        "--network", "none", "--volume", f"{VOLUME}:{SHARED}", machine_image, "sleep", "infinity",
    )  # fmt: skip
    try:
        docker("exec", CONTAINER, "mkdir", "-p", f"{SHARED}/volumes", f"{SHARED}/efs", GOLDEN)
        yield ImageStore(trusted)
    finally:
        docker("rm", "--force", CONTAINER)
        docker("volume", "rm", VOLUME)
