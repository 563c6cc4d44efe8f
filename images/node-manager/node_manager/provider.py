"""What the manager asks of a platform: list, launch, terminate. Nothing of any platform is in here.

A new platform is one new file with a class that has these methods, and one line in __main__.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from node_manager.fleet import Capacity, Pool


class InstanceState(StrEnum):
    """A machine's life, as far as the decisions need it."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    EXITED = "exited"

    @property
    def live(self) -> bool:
        """It is, or will be, of use to a node."""
        return self in (InstanceState.STARTING, InstanceState.RUNNING)


@dataclass(frozen=True, kw_only=True)
class Instance:
    """A machine that carries this cluster's label. `created_at` is in seconds since the epoch."""

    node: str
    provider_id: str
    pool: str
    state: InstanceState
    created_at: float
    detail: str = ""
    """The platform's words about its state, for instance "exited (137)"."""
    capacity: Capacity = Capacity.ON_DEMAND
    price_per_hour: float = 0.0
    address: str = ""
    """Where the cluster's services reach it; empty: not known yet."""
    trouble: str = ""
    """Why it should be replaced although it runs, for instance "impaired"; empty: it is well."""


@dataclass(frozen=True, kw_only=True)
class LaunchRequest:
    """One node that should have a machine."""

    node: str
    pool: Pool
    capacity: Capacity = Capacity.ON_DEMAND


@dataclass(frozen=True, kw_only=True)
class LaunchFailure:
    """Why a machine did not come. `retryable`: the same request may succeed a moment later."""

    code: str
    message: str
    retryable: bool
    shortage: bool = False
    """The platform had no room for it anywhere: nothing is wrong with the pool itself."""


@dataclass(frozen=True, kw_only=True)
class LaunchResult:
    """What became of one request: exactly one of the two is set."""

    node: str
    provider_id: str | None = None
    failure: LaunchFailure | None = None


@dataclass(frozen=True, kw_only=True)
class TerminateResult:
    """What became of one termination. `error` is empty when the machine is gone or going."""

    instance: Instance
    error: str = ""


class CallObserver(Protocol):
    """Is told of each request to the platform: the call's name, and "ok" or the error's code."""

    def __call__(self, name: str, result: str) -> None: ...


def ignore_call(name: str, result: str) -> None:
    """An observer for those who do not count calls."""


class ProviderUnavailable(Exception):
    """The platform did not answer; nothing can be concluded from that."""


class NodeProvider(Protocol):
    """A platform. Calls are idempotent, and touch only what carries this cluster's label."""

    @property
    def batch(self) -> int:
        """How many machines one call should start or end, so that a round stays short."""

    def list_instances(self) -> Sequence[Instance]:
        """Every machine of this cluster, also exited ones. Raises ProviderUnavailable."""

    def expect_changes(self) -> None:
        """Machines are about to go by themselves: see that soon, where looking has its price."""

    def launch(self, requests: Sequence[LaunchRequest]) -> Sequence[LaunchResult]:
        """Make sure that each node has a machine; one result for each request, never raises."""

    def terminate(self, instances: Sequence[Instance]) -> Sequence[TerminateResult]:
        """Make sure that the machines go; one result for each, never raises."""

    def last_words(self, instance: Instance) -> str:
        """The end of a machine's console output, empty when there is none. Never raises."""
