"""The EC2 platform: a node is an instance, started by CreateFleet from its pool's launch template.

This file has the protocol's methods. What a launch does is in ec2_launch.py and ec2_purchase.py,
what is known of the machines in ec2_roster.py, and how they learn their names in ec2_names.py.
"""

import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from node_manager.ec2_calls import CallFailed, Calls, Clients, connect
from node_manager.ec2_fleet_request import TAG_CLUSTER, TAG_POOL
from node_manager.ec2_health import Health
from node_manager.ec2_launch import Launcher, failure_of
from node_manager.ec2_machine import LIVE_STATES, Machine, described
from node_manager.ec2_names import NamesBucket
from node_manager.ec2_purchase import Buyer
from node_manager.ec2_roster import Roster
from node_manager.fleet import Capacity, Fleet
from node_manager.fleet_file import FleetError
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

PAGE = 1000
"""Instances in one answer of DescribeInstances: the most that EC2 gives."""
TERMINATIONS = 500
"""Ids in one TerminateInstances. EC2 takes 1000, and recommends fewer."""
CULLS = 5
"""So often a batch is sent again without the ids that EC2 complained of."""
LAST_LINES = 5
FIRST_CHECK_SECONDS = 180.0
"""EC2's own checks of a new machine take some minutes; before, asking for them is in vain."""
UNSUPPORTED_LATEST = ("UnsupportedOperation", "Unsupported", "InvalidParameterCombination")

_GONE = ("InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed")
_INSTANCE_ID = re.compile(r"\bi-[0-9a-f]+\b")
# Terminals understand these; a log does not.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


class Ec2Provider:
    """NodeProvider for one region. Touches no instance that lacks this cluster's tag."""

    def __init__(
        self,
        fleet: Fleet,
        *,
        observe: CallObserver = ignore_call,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        clients: Clients | None = None,
    ) -> None:
        """Sends nothing. Raises FleetError for a fleet without what EC2 needs, and
        ProviderUnavailable when boto3 cannot work as it is configured.
        """
        if fleet.ec2 is None:
            raise FleetError("ec2: missing")
        self._templates = {}
        for number, pool in enumerate(fleet.pools):
            if pool.ec2 is None:
                raise FleetError(f'pools[{number}].ec2: missing; pool "{pool.name}" is on EC2')
            self._templates[pool.name] = pool.ec2
        self._fleet = fleet
        self._clock = clock
        clients = clients or connect(fleet.ec2.region)
        self._ec2 = clients.ec2
        self._calls = Calls(observe=observe, sleep=sleep)
        self._roster = Roster()
        self._health = Health(clients.ec2, self._calls)
        self._names = NamesBucket(
            clients.s3,
            self._calls,
            bucket=fleet.ec2.names_bucket,
            prefix=fleet.ec2.names_prefix,
            clock=clock,
        )
        buyer = Buyer(fleet, fleet.ec2, ec2=clients.ec2, calls=self._calls, roster=self._roster)
        self._launcher = Launcher(buyer=buyer, roster=self._roster, names=self._names)
        self._prices = {
            (pool, kind.name, capacity): price
            for pool, template in self._templates.items()
            for kind in template.instance_types
            for capacity, price in (
                (Capacity.ON_DEMAND, kind.on_demand_price),
                (Capacity.SPOT, kind.spot_price),
            )
        }

    @property
    def batch(self) -> int:
        """What one CreateFleet can start."""
        return PAGE

    def list_instances(self) -> Sequence[Instance]:
        """From memory, while it is fresh enough. Unnamed machines are not shown at first: a launch
        may be about to name them. Later they are shown without a node.
        """
        self._calls.begin()
        now = self._clock()
        try:
            names = {pool: self._names.recall(pool).names for pool in self._templates}
            self._describe_if_due(now)
        except CallFailed as error:
            raise ProviderUnavailable(str(error)) from error
        return [
            self._instance(machine, node)
            for key, machine in self._roster.machines(now).items()
            if (node := names.get(machine.pool, {}).get(key, "")) or not machine.waits_for_name(now)
        ]

    def expect_changes(self) -> None:
        """Ask EC2 as often as after a launch."""
        self._roster.stir(self._clock())

    def launch(self, requests: Sequence[LaunchRequest]) -> Sequence[LaunchResult]:
        """One CreateFleet for each pool and capacity, one PutObject for each pool."""
        self._calls.begin()
        now = self._clock()
        try:
            self._describe_if_due(now)
        except CallFailed as error:
            # Without knowing what is there, a launch might double it.
            why = failure_of(error)
            return [LaunchResult(node=request.node, failure=why) for request in requests]
        results: dict[str, LaunchResult] = {}
        for name in dict.fromkeys(request.pool.name for request in requests):
            of_pool = [request for request in requests if request.pool.name == name]
            template = self._templates.get(name)
            if template is None:
                why = LaunchFailure(
                    code="no_pool", message=f"{name} is no pool of the fleet", retryable=False
                )
                results |= {r.node: LaunchResult(node=r.node, failure=why) for r in of_pool}
                continue
            results |= self._launcher.launch(of_pool[0].pool, template, of_pool, now)
        return [results[request.node] for request in requests]

    def terminate(self, instances: Sequence[Instance]) -> Sequence[TerminateResult]:
        """In batches. Machines that are gone, or going, count as terminated."""
        self._calls.begin()
        now = self._clock()
        machines = self._roster.machines(now)
        errors: dict[str, str] = {}
        ids = []
        for key in dict.fromkeys(instance.provider_id for instance in instances):
            if key in machines:
                if machines[key].state is not InstanceState.STOPPING:
                    ids.append(key)
            elif not self._roster.has_ended(key):
                errors[key] = "EC2 does not list it among this cluster's machines"
        for start in range(0, len(ids), TERMINATIONS):
            errors |= self._terminate(ids[start : start + TERMINATIONS], now)
        return [
            TerminateResult(instance=instance, error=errors.get(instance.provider_id, ""))
            for instance in instances
        ]

    def last_words(self, instance: Instance) -> str:
        """The last lines on the machine's console."""
        try:
            text = self._console(instance.provider_id, {"Latest": True})
        except CallFailed as error:
            if error.code not in UNSUPPORTED_LATEST:
                return ""
            try:
                text = self._console(instance.provider_id, {})
            except CallFailed:
                return ""
        lines = [line.rstrip() for line in _CONTROL.sub("", text).splitlines()]
        return "\n".join([line for line in lines if line][-LAST_LINES:])

    def _console(self, instance_id: str, options: dict[str, Any]) -> str:
        answer = self._calls.ask(
            "GetConsoleOutput",
            lambda: self._ec2.get_console_output(InstanceId=instance_id, **options),
            tries=1,
        )
        return answer.get("Output") or ""

    def _describe_if_due(self, now: float) -> None:
        """Raises CallFailed. Nothing is known to be gone because EC2 did not answer."""
        if not self._roster.due(now):
            return
        begun = time.monotonic()
        machines: list[Machine] = []
        request: dict[str, Any] = {
            "Filters": [
                {"Name": f"tag:{TAG_CLUSTER}", "Values": [self._fleet.cluster]},
                {"Name": "tag-key", "Values": [TAG_POOL]},
                {"Name": "instance-state-name", "Values": list(LIVE_STATES)},
            ],
            "MaxResults": PAGE,
        }
        while True:
            page = self._calls.ask(
                "DescribeInstances", lambda: self._ec2.describe_instances(**request)
            )
            machines += described(page, self._fleet.cluster)
            if not page.get("NextToken"):
                break
            request["NextToken"] = page["NextToken"]
        self._roster.describe(machines, now, time.monotonic() - begun)
        if any(_may_be_impaired(machine, now) for machine in machines):
            self._health.look(now)

    def _instance(self, machine: Machine, node: str) -> Instance:
        running = machine.state is InstanceState.RUNNING
        unnamed = "" if node else f", has no name in {self._names.url(machine.pool)}"
        return Instance(
            node=node,
            provider_id=machine.instance_id,
            pool=machine.pool,
            state=machine.state,
            created_at=machine.launched_at,
            detail=f"{machine.detail}{unnamed}",
            capacity=machine.capacity,
            price_per_hour=self._prices.get(
                (machine.pool, machine.instance_type, machine.capacity), 0.0
            ),
            address=machine.address,
            trouble=self._health.troubles.get(machine.instance_id, "") if running else "",
        )

    def _ask_to_terminate(self, ids: Sequence[str]) -> None:
        self._calls.ask(
            "TerminateInstances", lambda: self._ec2.terminate_instances(InstanceIds=ids)
        )

    def _terminate(self, ids: Sequence[str], now: float) -> dict[str, str]:
        """One batch: the errors by id. An id that EC2 complains of does not hold up the others."""
        errors: dict[str, str] = {}
        left = list(ids)
        for _ in range(CULLS):
            if not left:
                break
            try:
                self._ask_to_terminate(left)
            except CallFailed as error:
                named = set(_INSTANCE_ID.findall(error.message)).intersection(left)
                if not named or error.passing:
                    return errors | dict.fromkeys(left, str(error))
                if error.code in _GONE:
                    self._roster.end(named, now)
                else:
                    errors |= dict.fromkeys(named, str(error))
                left = [key for key in left if key not in named]
            else:
                self._roster.end(left, now)
                return errors
        return errors | dict.fromkeys(left, "EC2 refused others of the same batch; tried again")


def _may_be_impaired(machine: Machine, now: float) -> bool:
    running = machine.state is InstanceState.RUNNING
    return running and not 0 <= now - machine.launched_at < FIRST_CHECK_SECONDS
