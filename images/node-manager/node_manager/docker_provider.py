"""The Docker platform: a node is a container on this engine.

It uses the low-level client: creating a node takes three requests. What the container is like is in
docker_recipe.py, what the engine's errors mean in docker_errors.py.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.utils import kwargs_from_env
from requests.exceptions import RequestException

from node_manager.docker_errors import error_code, launch_failure, one_line
from node_manager.docker_recipe import (
    LABEL_CAPACITY,
    LABEL_CLUSTER,
    LABEL_NODE,
    LABEL_POOL,
    Recipe,
    key_archive,
)
from node_manager.fleet import Capacity, Fleet, Pool
from node_manager.provider import (
    CallObserver,
    Instance,
    InstanceState,
    LaunchFailure,
    LaunchRequest,
    LaunchResult,
    ProviderUnavailable,
    TerminateResult,
    ignore_call,
)

# Two cores make 9.8 containers a second with four requests at a time, 8.8 with eight (measured).
WORKERS = 4
BATCH = 16
"""Under two seconds' work; a smaller batch looks at Slurm and the engine more often in between."""
REQUEST_TIMEOUT = 60
CONFLICT = 409

# The engine's words. "created" is what a crash between create and start leaves: nobody starts it.
_STATES = {
    "created": InstanceState.EXITED,
    "restarting": InstanceState.STARTING,
    "running": InstanceState.RUNNING,
    "paused": InstanceState.RUNNING,
    "removing": InstanceState.STOPPING,
    "exited": InstanceState.EXITED,
    "dead": InstanceState.EXITED,  # its removal failed
}
_UNUSUAL = {"created": "never been started", "dead": "ended, and cannot be removed"}

Item = TypeVar("Item")
Result = TypeVar("Result")


class DockerProvider:
    """NodeProvider for one engine. Makes no container its own that lacks this cluster's label."""

    def __init__(
        self,
        fleet: Fleet,
        key: Path,
        client: docker.APIClient | None = None,
        *,
        observe: CallObserver = ignore_call,
    ) -> None:
        """`key`: the file with the cluster's slurm.key. Raises ProviderUnavailable."""
        if fleet.docker is None:
            raise ValueError("the fleet has no Docker settings")
        self._cluster = fleet.cluster
        self._pools = {pool.name: pool for pool in fleet.pools}
        self._observe = observe
        self._recipe = Recipe(fleet.cluster, fleet.docker, fleet.node_metrics)
        self._key = key
        try:
            self._client = client or docker.APIClient(
                **kwargs_from_env(), version="auto", timeout=REQUEST_TIMEOUT, num_pools=WORKERS
            )
        except DockerException as error:
            raise ProviderUnavailable(one_line(error)) from error
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="docker")

    @property
    def batch(self) -> int:
        """The same for every fleet: what the engine bears does not depend on it."""
        return BATCH

    def list_instances(self) -> Sequence[Instance]:
        """One request, but for what is being removed. The cluster's service containers lack the
        node label and are not listed."""
        labels = [f"{LABEL_CLUSTER}={self._cluster}", LABEL_NODE]
        try:
            found = self._ask(
                "list", lambda: self._client.containers(all=True, filters={"label": labels})
            )
        except (DockerException, RequestException) as error:
            raise ProviderUnavailable(one_line(error)) from error
        words = ((container, self._state(container)) for container in found)
        return [_instance(container, word, self._pools) for container, word in words if word]

    def _state(self, container: Mapping[str, Any]) -> str:
        """The engine's word for its state; empty: it is gone.

        One whose removal failed stays listed as being removed for ever. Looked at, it is dead.
        """
        word = str(container["State"])
        if word == "removing":
            try:
                word = str(self._client.inspect_container(container["Id"])["State"]["Status"])
            except NotFound:
                return ""
            except (DockerException, RequestException):
                return word
        return word

    def expect_changes(self) -> None:
        """Each look is a fresh one anyway."""

    def launch(self, requests: Sequence[LaunchRequest]) -> Sequence[LaunchResult]:
        """In parallel, each by `_launch_one`."""
        try:
            key = key_archive(self._key.read_bytes())
        except OSError as error:
            failure = LaunchFailure(
                code="no_key", message=f"{self._key}: {error.strerror}", retryable=False
            )
            return [LaunchResult(node=request.node, failure=failure) for request in requests]
        return self._in_parallel(lambda request: self._launch_one(request, key), requests)

    def terminate(self, instances: Sequence[Instance]) -> Sequence[TerminateResult]:
        """In parallel. A container that is gone, or going, counts as terminated."""
        return self._in_parallel(self._terminate_one, instances)

    def last_words(self, instance: Instance) -> str:
        """The last lines of the container's log."""
        try:
            # The stubs do not know that without stream=True the answer is bytes.
            text: Any = self._client.logs(instance.provider_id, tail=5)
        except (DockerException, RequestException):
            return ""
        return bytes(text).decode(errors="replace").strip()

    def _in_parallel(
        self, work: Callable[[Item], Result], items: Sequence[Item]
    ) -> Sequence[Result]:
        return list(self._threads.map(work, items))

    def _ask(self, name: str, call: Callable[[], Result]) -> Result:
        """One request to the engine, told to the observer."""
        try:
            result = call()
        except (DockerException, RequestException) as error:
            self._observe(name, error_code(error))
            raise
        self._observe(name, "ok")
        return result

    def _launch_one(self, request: LaunchRequest, key: bytes) -> LaunchResult:
        try:
            made = self._create_or_adopt(request)
            if made.running:
                return LaunchResult(node=request.node, provider_id=made.container)
            try:
                self._ask("put", lambda: self._client.put_archive(made.container, "/", key))
                self._ask("start", lambda: self._client.start(made.container))
            except (DockerException, RequestException):
                self._remove(made.container)
                raise
        except _NameTaken as error:
            failure = LaunchFailure(code="name_taken", message=str(error), retryable=False)
        except (DockerException, RequestException) as error:
            failure = launch_failure(error)
        else:
            return LaunchResult(node=request.node, provider_id=made.container)
        return LaunchResult(node=request.node, failure=failure)

    def _create_or_adopt(self, request: LaunchRequest) -> "_Made":
        name = self._recipe.name(request.node)
        try:
            return _Made(self._create(name, request), running=False)
        except APIError as error:
            if error.status_code != CONFLICT:
                raise
        state = self._own(name)
        if state is not None:
            if state.running:
                return state
            self._client.remove_container(state.container, force=True, v=True)
        return _Made(self._create(name, request), running=False)

    def _create(self, name: str, request: LaunchRequest) -> str:
        arguments = self._recipe.arguments(self._client, request)
        made: dict[str, Any] = self._ask(
            "create", lambda: self._client.create_container(name=name, **arguments)
        )
        return str(made["Id"])

    def _own(self, name: str) -> "_Made | None":
        """The container of that name, if it is this cluster's; None when it has gone meanwhile."""
        try:
            found = self._client.inspect_container(name)
        except NotFound:
            return None
        labels = found["Config"].get("Labels") or {}
        if labels.get(LABEL_CLUSTER) != self._cluster or LABEL_NODE not in labels:
            raise _NameTaken(f"a container {name} exists that is not a node of this cluster")
        return _Made(found["Id"], running=found["State"]["Status"] == "running")

    def _terminate_one(self, instance: Instance) -> TerminateResult:
        try:
            self._ask(
                "remove",
                lambda: self._client.remove_container(instance.provider_id, force=True, v=True),
            )
        except NotFound:
            pass
        except APIError as error:
            if error.status_code != CONFLICT:  # its removal is in progress
                return TerminateResult(instance=instance, error=one_line(error))
        except (DockerException, RequestException) as error:
            return TerminateResult(instance=instance, error=one_line(error))
        return TerminateResult(instance=instance)

    def _remove(self, container: str) -> None:
        """Best effort: what stays behind is listed as exited and replaced at the next launch."""
        try:
            self._client.remove_container(container, force=True, v=True)
        except (DockerException, RequestException):
            return


class _NameTaken(Exception):
    """A stranger's container has the node's name."""


class _Made:
    """A container of ours, made now or before."""

    def __init__(self, container: str, *, running: bool) -> None:
        self.container = container
        self.running = running


def _instance(container: Mapping[str, Any], word: str, pools: Mapping[str, Pool]) -> Instance:
    labels = container["Labels"]
    capacity = Capacity(labels.get(LABEL_CAPACITY, Capacity.ON_DEMAND))
    pool = pools.get(labels.get(LABEL_POOL, ""))
    status = str(container.get("Status", ""))
    return Instance(
        node=labels[LABEL_NODE],
        provider_id=container["Id"],
        pool=labels.get(LABEL_POOL, ""),
        state=_STATES.get(word, InstanceState.STARTING),
        created_at=float(container["Created"]),
        detail=_UNUSUAL.get(word) or _without_age(status),
        capacity=capacity,
        price_per_hour=pool.prices[capacity] if pool else 0.0,
        address=labels[LABEL_NODE],  # the engine's own name service knows it
    )


def _without_age(status: str) -> str:
    """ "Exited (137) 3 seconds ago" without the part that changes."""
    head, bracket, _ = status.partition(")")
    return f"{head}{bracket}".lower() if bracket else status.lower()
