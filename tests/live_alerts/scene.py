"""The cluster on which alerts are fired, and what happens to it there."""

import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from docker import APIClient
from docker.errors import APIError
from docker.utils import kwargs_from_env

from ops.stack import PROJECT, Stack
from ops.up import up
from tests.cluster.own_stack import own_stack, remove_labelled, running
from tests.cluster.running_cluster import RunningCluster, docker, put_files
from tests.cluster.slurm_conf import configure, slurm_conf

SETTINGS = Path(__file__).with_name("Pulumi.alerts.yaml")
RECEIVER, FILLER = "hpc-alerts-receiver", "hpc-alerts-filler"
VISITOR = "hpc-stack.visitor=alerts"
"""Label of containers that are not the cluster's."""
RECEIVER_URL = f"http://{RECEIVER}:8080/"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The cluster with its Prometheus' URL."""

    cluster: RunningCluster
    prometheus: str
    own_slurm_conf: str
    _changes: list[Callable[[str], str]] = field(default_factory=list)

    def stop(self, *services: str) -> None:
        docker("stop", "--time", "5", *map(self.cluster.container, services))

    def start(self, *services: str) -> None:
        docker("start", *map(self.cluster.container, services))

    def inside(self, service: str, script: str) -> str:
        """Run a shell script as root in a service's container."""
        container = self.cluster.container(service)
        return docker("exec", "--user", "root", container, "sh", "-c", script)

    def write(self, service: str, path: str, text: str) -> None:
        """Replace a file of a service's container; root there may not, the engine may."""
        directory, _, name = path.rpartition("/")
        put_files(self.cluster.container(service), directory, {name: text})

    @contextmanager
    def edited(self, service: str, path: str, change: Callable[[str], str]) -> Iterator[None]:
        """A service that has read another configuration; its own is put back."""
        before = self.inside(service, f"cat {path}") + "\n"
        container = self.cluster.container(service)
        try:
            self.write(service, path, change(before))
            docker("kill", "--signal", "HUP", container)
            yield
        finally:
            self.write(service, path, before)
            docker("kill", "--signal", "HUP", container)

    @contextmanager
    def slurm_conf(self, change: Callable[[str], str]) -> Iterator[None]:
        """Slurm with a changed slurm.conf; other changes may come and go meanwhile."""
        try:
            self._configure(self._changes.append, change)
            yield
        finally:
            self._configure(self._changes.remove, change)

    def _configure(
        self, do: Callable[[Callable[[str], str]], None], change: Callable[[str], str]
    ) -> None:
        with _ONE_AT_A_TIME:
            do(change)
            text = self.own_slurm_conf
            for one in self._changes:
                text = one(text)
            configure(self.cluster, text)

    def apply(self, change: Callable[[str], str]) -> None:
        """Bring the cluster up with changed settings."""
        file = self.cluster.stack.checkout / SETTINGS.name
        file.write_text(change(file.read_text()))
        with _ONE_AT_A_TIME:
            up(self.cluster.stack)

    def manager(self, *command: str) -> str:
        """Run a command of the node manager."""
        container = self.cluster.container("node-manager")
        return docker("exec", container, "python3", "-m", "node_manager", *command)

    def submit(self, pool: str, script: str = "true", user: str = "ada", *options: str) -> str:
        """Submit a job to a pool; its id."""
        return self.cluster.submit(user, script, f"--partition={pool}", *options)

    @contextmanager
    def frozen_starts(self, pool: str, seconds: float = 3600) -> Iterator[None]:
        """Each new node of the pool hangs as soon as it is there, for some seconds."""
        timers: dict[str, threading.Timer] = {}

        def freeze(engine: APIClient, container: str) -> None:
            engine.pause(container)
            timers[container] = threading.Timer(seconds, thaw, (container,))
            timers[container].start()

        def thaw(container: str) -> None:
            # The node manager may have ended it meanwhile.
            subprocess.run(("docker", "unpause", container), capture_output=True, check=False)

        try:
            with self._each_start(pool, freeze):
                yield
        finally:
            for container, timer in timers.items():
                timer.cancel()
                thaw(container)

    def killed_starts(self, pool: str) -> AbstractContextManager[None]:
        """Each new node of the pool dies as soon as it is there."""
        return self._each_start(pool, lambda engine, container: engine.kill(container))

    @contextmanager
    def _each_start(self, pool: str, do: Callable[[APIClient, str], None]) -> Iterator[None]:
        # A node registers within a second: a command of its own would be too late.
        engine = APIClient(**kwargs_from_env(), version="auto")
        labels = [f"hpc-stack.cluster={self.cluster.name}", f"hpc-stack.pool={pool}"]
        which = {"type": "container", "event": "start", "label": labels}
        events = engine.events(since=int(time.time()), filters=which, decode=True)

        def work() -> None:
            for event in events:
                with suppress(APIError):
                    do(engine, event["id"])

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            events.close()
            thread.join()
            engine.close()


_ONE_AT_A_TIME = threading.Lock()
"""What changes Slurm's configuration."""


@contextmanager
def scene() -> Iterator[Scene]:
    """A cluster of its own, up and calm; removed at the end, also after a failure."""
    remove_labelled(VISITOR)
    with own_stack(SETTINGS) as stack:
        keep_webhook(stack)
        up(stack)
        found = running(stack)
        prometheus = str(stack.outputs()["prometheus"])
        try:
            yield Scene(cluster=found, prometheus=prometheus, own_slurm_conf=slurm_conf(found))
        finally:
            remove_labelled(VISITOR)


def keep_webhook(stack: Stack) -> None:
    """Where alerts go: nobody is there at first."""
    stack.pulumi("config", "set", "--secret", f"{PROJECT}:alert_webhook_url", stdin=RECEIVER_URL)


def setting(key: str, value: str) -> Callable[[str], str]:
    """A change of the settings' text: of the one line with that key."""

    def change(text: str) -> str:
        changed, found = re.subn(rf"\b{key}: [0-9.]+", f"{key}: {value}", text)
        assert found == 1, f"{found} times {key}"
        return changed

    return change


def with_document(change: Callable[[dict[str, object]], None]) -> Callable[[str], str]:
    """A change of a YAML text by its document."""

    def changed(text: str) -> str:
        document = yaml.safe_load(text)
        change(document)
        return yaml.safe_dump(document, sort_keys=False)

    return changed
