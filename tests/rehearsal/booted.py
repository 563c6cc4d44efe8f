"""A cluster on AWS that runs: made by the real engine, on machines that booted from user data."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.settings.aws import Network
from ops.stack import Stack
from tests.cluster.running_cluster import await_value, docker
from tests.rehearsal.account import rehearsed_account
from tests.rehearsal.machines.machine import Machine
from tests.rehearsal.machines.player import Player
from tests.rehearsal.machines.region import rehearsed_region
from tests.rehearsal.stack import Done, RehearsedStack, complaints, rehearse

USER = "ada"
_NOT_BEGUN = "OCI runtime exec failed"
"""An engine within an engine at times says so ("connection reset by peer"): nothing has run."""
ON_THIS_MACHINE: dict[str, Any] = {
    # Of this machine's processors, and as many of them as any has.
    "controller": {"instance_type": "t3.small"},
    "pool": {"instance_types": ["c7i.large"], "max_nodes": 4},
    # Where the image of Grafana cannot be had, the cluster is observed all the same.
    "monitoring": {"grafana": False},
}


@dataclass(frozen=True)
class BootedCluster:
    """The development environment, with small machines."""

    stack: RehearsedStack
    player: Player

    def up(self) -> Done:
        """Bring it up, whatever comes of it; the controller answers for itself."""
        done = self.stack.run("up", "--yes", "--skip-preview", HPC_STACK_REHEARSAL_BUILDS="1")
        assert not self.player.failures, self.player.failures[0]
        return done

    def must_up(self) -> Done:
        done = self.up()
        assert done.status == 0, complaints(done.output)
        return done

    def here(self) -> Stack:
        """The stack as our commands open it, in the rehearsed account."""
        return self.stack.here(HPC_STACK_REHEARSAL_BUILDS="1")

    @property
    def controller(self) -> Machine:
        return self.player.controller()

    def nodes(self) -> dict[str, Machine]:
        """Compute nodes that run, by the names that they were told."""
        s3 = self.stack.account.client("s3")
        bucket = self.stack.resource("dev-system", "Bucket")["id"]
        told = json.loads(s3.get_object(Bucket=bucket, Key="names/cpu.json")["Body"].read())
        machines = dict(self.player.machines)
        return {name: machines[key] for key, name in told["names"].items() if key in machines}

    def service(self, service: str, *command: str) -> str:
        """Run a command in a service's container on the controller."""
        words = ("docker", "exec", f"hpc-dev-{service}-1", *command)
        done = self.controller.try_run(*words)
        if _NOT_BEGUN in done.stdout + done.stderr:
            done = self.controller.try_run(*words)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def agent(self, *command: str) -> str:
        """What the host's agent prints for a command of its own."""
        agent = ("docker", "exec", "hpc-stack-agent", "python3", "-m", "host_agent")
        return self.controller.run(*agent, *command)

    def ada(self, command: str) -> str:
        """What an ordinary user sees on the login node."""
        return self.service("login", "su", "-", USER, "-c", command)

    def submit(self, *options: str, script: str) -> str:
        """Submit a job; its id."""
        words = " ".join(options)
        return self.ada(f"sbatch --parsable {words} --wrap '{script}'")

    def state(self, job: str) -> str:
        """As the accounting database has it; empty while that does not answer."""
        ask = f"sacct -n -X -P -o state -j {job}"
        words = ("docker", "exec", "hpc-dev-login-1", "su", "-", USER, "-c", ask)
        return self.controller.try_run(*words).stdout.strip()

    def await_state(self, job: str, state: str, seconds: float = 90) -> None:
        await_value(f"job {job} {state}", lambda: self.state(job) == state, seconds)


def fit_to_this_machine(stack: RehearsedStack) -> None:
    """What this machine cannot play: other processors; and, where it has not, cgroup v2."""
    settings = stack.settings()
    pool = {**settings["pools"]["cpu"], **ON_THIS_MACHINE["pool"]}
    controller = ON_THIS_MACHINE["controller"]
    stack.configure(
        aws={**settings["aws"], "controller": controller},
        pools={"cpu": pool},
        monitoring=ON_THIS_MACHINE["monitoring"],
    )
    if docker("info", "--format", "{{.CgroupVersion}}") == "1":
        file = stack.stack.checkout / "components" / "aws" / "delivery.py"
        text = file.read_text()
        assert 'cgroup="v2"' in text
        file.write_text(text.replace('cgroup="v2"', 'cgroup="v1"'))


@contextmanager
def booted_cluster(directory: Path) -> Iterator[BootedCluster]:
    """Before its first `up`, in an account and a region of its own."""
    with rehearsed_account(directory) as account:
        stack = rehearse("dev", account, directory)
        fit_to_this_machine(stack)
        with rehearsed_region(account, str(Network().cidr)) as player:
            yield BootedCluster(stack, player)


def try_to_connect(machine: Machine, address: str, port: int) -> bool:
    """Whether a machine's root can open a connection."""
    script = f"exec 3<> /dev/tcp/{address}/{port}"
    done: subprocess.CompletedProcess[str] = machine.try_run("timeout", "3", "bash", "-c", script)
    return done.returncode == 0
