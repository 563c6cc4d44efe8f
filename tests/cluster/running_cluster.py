"""A running cluster as its users see it: commands on the login node, jobs, records, containers."""

import io
import json
import shlex
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ops.containers import containers, run_as
from ops.stack import Stack

Value = TypeVar("Value")

ENDED = frozenset(
    [
        "COMPLETED",
        "FAILED",
        "CANCELLED",
        "TIMEOUT",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "BOOT_FAIL",
        "DEADLINE",
    ]
)


@dataclass(frozen=True)
class RunningCluster:
    """The cluster of one stack."""

    name: str
    stack: Stack
    rest: str

    def attempt(
        self, user: str, command: str, *, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command as a user on the login node, whatever comes of it."""
        return run_as(self.name, user, command, timeout=timeout)

    def run(self, user: str, command: str, *, timeout: float = 120) -> str:
        """Run a shell command that must succeed; returns what it printed, stripped."""
        done = self.attempt(user, command, timeout=timeout)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def submit(self, user: str, script: str, *options: str) -> str:
        """Submit a batch job with a bash script as text; returns its job id."""
        words = " ".join(map(shlex.quote, options))
        return self.run(
            user, f"sbatch --parsable {words} <<'SCRIPT'\n#!/bin/bash\n{script}\nSCRIPT"
        )

    def job(self, job: str) -> dict[str, Any]:
        """What slurmctld knows of a job."""
        text = self.run("carol", f"scontrol show job {job} --json")
        return dict(json.loads(text)["jobs"][0])

    def state(self, job: str) -> str:
        """A job's state in slurmctld, without its flags."""
        return str(self.job(job)["job_state"][0])

    def await_state(self, job: str, *states: str, seconds: float = 90) -> str:
        """Wait until a job is in one of the states."""

        def reached() -> str | None:
            state = self.state(job)
            assert state in states or state not in ENDED, f"job {job} ended as {state}"
            return state if state in states else None

        return await_value(f"job {job} to be {' or '.join(states)}", reached, seconds)

    def record(self, job: str, fields: str, *, seconds: float = 60) -> str:
        """A job's record in the accounting database, once it says that the job has ended."""

        def ended() -> str | None:
            # slurmdbd itself may be on its way back.
            printed = self.attempt(
                "carol", f"sacct -nPX --job {job} --format=State,{fields}"
            ).stdout.strip()
            state, _, rest = printed.partition("|")
            return printed if state.split(" ")[0] in ENDED and rest else None

        return await_value(f"the record of job {job}", ended, seconds).partition("|")[2]

    def finish(self, job: str, *, seconds: float = 90) -> None:
        """Wait until a job has completed."""
        self.await_state(job, "COMPLETED", seconds=seconds)

    def output(self, job: str, user: str = "ada") -> str:
        """What a batch job printed, from its default output file."""
        return self.run(user, f"cat slurm-{job}.out")

    def node_containers(self) -> dict[str, str]:
        """Container name of each node that exists, by node name."""
        return {c.node: c.name for c in containers(self.name) if c.node and c.state == "running"}

    def container(self, service: str) -> str:
        """Container name of a service."""
        return next(c.name for c in containers(self.name) if c.service == service)

    def start_times(self, *services: str) -> dict[str, str]:
        """When each service's container was created and started."""
        return {
            service: docker(
                "inspect", "--format", "{{.Created}} {{.State.StartedAt}}", self.container(service)
            )
            for service in services
        }


def docker(*arguments: str) -> str:
    """Run a docker command that must succeed; returns what it printed, stripped."""
    done = subprocess.run(("docker", *arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


def put_files(container: str, directory: str, files: Mapping[str, str]) -> None:
    """Write files, by their path in a directory, into a container: not as anybody in it."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text.encode()), 0o644
            tar.addfile(member, io.BytesIO(text.encode()))
    subprocess.run(
        ("docker", "cp", "-", f"{container}:{directory}"),
        input=archive.getvalue(),
        check=True,
        capture_output=True,
    )


def await_value(
    what: str, read: Callable[[], Value | None], seconds: float, pause: float = 0.1
) -> Value:
    """Read until there is a value; fails when that takes too long."""
    deadline = time.monotonic() + seconds
    while True:
        value = read()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(pause)
