"""One machine: a privileged container with systemd, at its instance's address."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import Any

from tests.cluster.running_cluster import docker, put_files
from tests.rehearsal.machines.store import SHARED, TRUSTED, VOLUME

STOP_SECONDS = 90


@dataclass(frozen=True, kw_only=True)
class Instance:
    """What EC2 knows of a machine, as far as the machine sees it."""

    id: str
    address: str
    role: str
    spot: bool
    user_data: str
    """As it was given, in base64."""
    resolver: str
    """Address of the VPC's name server."""
    volumes: Mapping[str, str] = field(default_factory=dict)
    """Volume to the file that plays it."""

    @property
    def mac(self) -> str:
        """Of its interface, a locally administered one."""
        return ":".join(("02", "42", *(f"{byte:02x}" for byte in IPv4Address(self.address).packed)))

    def told(self) -> dict[str, Any]:
        """What the services inside have to tell, and to show."""
        keys = {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "AccessKeyId": f"ASIA{self.id[2:].upper()}",
            "SecretAccessKey": "rehearsal",
            "Token": f"of-{self.id}",
            "LastUpdated": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "Expiration": f"{datetime.now(UTC) + timedelta(hours=6):%Y-%m-%dT%H:%M:%SZ}",
        }
        own = "/latest/meta-data"
        return {
            "metadata": {
                f"{own}/instance-id": self.id,
                f"{own}/mac": self.mac,
                f"{own}/local-ipv4": self.address,
                f"{own}/instance-life-cycle": "spot" if self.spot else "on-demand",
                f"{own}/iam/security-credentials/": self.role,
                f"{own}/iam/security-credentials/{self.role}": json.dumps(keys),
            },
            "user_data": self.user_data,
            "volumes": dict(self.volumes),
            "resolver": self.resolver,
            "address": self.address,
        }


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A container that plays an instance."""

    instance: str

    @property
    def container(self) -> str:
        return f"hpc-rehearsal-{self.instance}"

    def make(
        self,
        told: Instance,
        *,
        image: str,
        network: str,
        store: str,
        trusted: str,
        mark: str,
    ) -> None:
        """Create it and let it boot. `store`: its images."""
        host = f"ip-{told.address.replace('.', '-')}"
        docker(
            "create", "--name", self.container, "--hostname", host, "--label", mark,
            "--privileged", "--cgroupns", "private", "--network", network, "--ip", told.address,
            "--mac-address", told.mac,
            "--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp:exec",  # noqa: S108
            "--volume", f"{VOLUME}:{SHARED}", image,
        )  # fmt: skip
        put_files(
            self.container,
            "/",
            {
                "etc/rehearsal/machine.json": json.dumps(told.told()),
                # As in the machine image of Amazon, whose engine has no proxy for published ports.
                "etc/docker/daemon.json": json.dumps({"data-root": store, "userland-proxy": False}),
                TRUSTED.lstrip("/"): trusted,
            },
        )
        docker("start", self.container)

    def tell(self, told: Instance) -> None:
        """Exchange what it knows, such as its volumes."""
        put_files(self.container, "/", {"etc/rehearsal/machine.json": json.dumps(told.told())})

    def restart(self) -> None:
        """As by `aws ec2 reboot-instances`."""
        docker("restart", "--time", str(STOP_SECONDS), self.container)

    def stop(self) -> None:
        """Shut it down; its disks stay."""
        docker("stop", "--time", str(STOP_SECONDS), self.container)

    def start(self) -> None:
        """Boot it once more."""
        docker("start", self.container)

    def end(self) -> None:
        """Shut it down, and forget it."""
        self.stop()
        docker("rm", "--force", self.container)

    def destroy(self) -> None:
        """As when its host fails: nothing is written any more."""
        subprocess.run(
            ("docker", "rm", "--force", self.container), capture_output=True, check=False
        )

    def run(self, *command: str) -> str:
        """Run a command on the machine that must succeed; what it printed."""
        return docker("exec", self.container, *command)

    def try_run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        words: Sequence[str] = ("docker", "exec", self.container, *command)
        return subprocess.run(words, capture_output=True, text=True, check=False)

    def said(self) -> str:
        """The end of what its user data said: the console, on EC2."""
        done = self.try_run("tail", "--lines", "40", "/var/log/cloud-init-output.log")
        return done.stdout + done.stderr
