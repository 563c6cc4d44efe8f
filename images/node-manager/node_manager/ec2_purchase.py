"""Buying machines of one capacity for one pool: CreateFleet, and again without what was short."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from node_manager.ec2_calls import CallFailed, Calls
from node_manager.ec2_errors import Kind, kind_of
from node_manager.ec2_fleet_request import (
    MOST_INSTANCES,
    Override,
    client_token,
    fleet_parameters,
    overrides,
    read_answer,
)
from node_manager.ec2_machine import Machine, started
from node_manager.ec2_names import Names
from node_manager.ec2_roster import Roster
from node_manager.ec2_shortage import Finding, LeftOut, failure, find, merge
from node_manager.fleet import Capacity, Ec2Pool, Ec2Settings, Fleet, Pool
from node_manager.provider import LaunchFailure

if TYPE_CHECKING:
    from types_boto3_ec2.client import EC2Client

FURTHER_TRIES = 2
"""CreateFleet again, without what was short, in one launch of a pool."""
TOKEN_SECONDS = 600
"""A client token lasts so long here. EC2 answers a known one as it did before, for a day."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be bought: a machine for each node."""

    pool: Pool
    template: Ec2Pool
    capacity: Capacity
    nodes: Sequence[str]
    names: Names
    """What the pool's machines are called already."""


@dataclass(frozen=True, kw_only=True)
class Purchase:
    """What came of an order. `failure`: why it is fewer machines than nodes."""

    machines: Sequence[str]
    """Instance ids."""
    failure: LaunchFailure | None


class Tries:
    """How often the orders of one launch may go on after a shortage."""

    def __init__(self) -> None:
        self._left = FURTHER_TRIES

    def take(self) -> bool:
        """Whether there was one left."""
        self._left -= 1
        return self._left >= 0


class Buyer:
    """Sends CreateFleet, and remembers what was short."""

    def __init__(
        self,
        fleet: Fleet,
        settings: Ec2Settings,
        *,
        ec2: "EC2Client",
        calls: Calls,
        roster: Roster,
    ) -> None:
        self._cluster = fleet.cluster
        self._time_zone = fleet.time_zone
        self._tags = settings.tags
        self._ec2 = ec2
        self._calls = calls
        self._roster = roster
        self._left_out = LeftOut(settings.shortage_seconds)
        self._answers: dict[str, int] = {}

    def finished(self, pool: str) -> None:
        """The machines bought so far have their names: the next order is a new one."""
        self._answers.pop(pool, None)

    def buy(self, order: Order, tries: Tries, now: float) -> Purchase:
        """As many machines as can be had now. Never raises."""
        every, capacity = overrides(order.template), order.capacity
        left_out = {o for o in every if self._left_out.covers(capacity, o, now)}
        machines: list[str] = []
        findings: list[Finding] = []
        asked = False
        while len(machines) < len(order.nodes):
            wanted = [override for override in every if override not in left_out]
            if not wanted:
                before, until = self._left_out.findings(capacity, every, now)
                why = failure(capacity, merge([*findings, *before]))
                if not asked:
                    why = replace(why, message=f"{why.message}; left out until {self._time(until)}")
                return Purchase(machines=machines, failure=why)
            rest = order.nodes[len(machines) :][:MOST_INSTANCES]
            try:
                new, found, stale = self._create(order, rest, wanted, now)
            except CallFailed as error:
                new, found, stale = [], [_whole(error, wanted)], False
            asked = True
            machines += new
            out = [self._left_out.add(capacity, finding, now) for finding in found]
            short = frozenset[Override]().union(*out)
            left_out |= short
            if len(new) < len(rest):
                findings += found or [_no_reason(wanted)]
                if not (short or stale) or (len(left_out) < len(every) and not tries.take()):
                    break
        lacks = len(machines) < len(order.nodes)
        return Purchase(
            machines=machines, failure=failure(capacity, merge(findings)) if lacks else None
        )

    def _create(
        self, order: Order, nodes: Sequence[str], wanted: Sequence[Override], now: float
    ) -> tuple[list[str], list[Finding], bool]:
        """One CreateFleet: the new machines, what EC2 refused, and whether the answer was an old
        one, with machines that have gone or have a name since. Raises CallFailed.
        """
        pool = order.pool.name
        request: dict[str, Any] = fleet_parameters(
            cluster=self._cluster,
            tags=self._tags,
            pool=order.pool,
            template=order.template,
            capacity=order.capacity,
            count=len(nodes),
            wanted=wanted,
        )
        answers = self._answers.get(pool, 0)
        request["ClientToken"] = client_token(
            request,
            generation=order.names.generation,
            nodes=nodes,
            serial=(int(now // TOKEN_SECONDS), answers),
        )
        # Whatever the answer will be, and whether it comes: something may have been started.
        self._roster.stir(now)
        answer = read_answer(
            self._calls.ask("CreateFleet", lambda: self._ec2.create_fleet(**request))
        )
        self._answers[pool] = answers + 1
        known = self._roster.machines(now)
        new: list[Machine] = [
            started(made, pool, order.capacity, now)
            for made in answer.made
            if made.instance_id not in order.names.names
            and made.instance_id not in known
            and not self._roster.has_ended(made.instance_id)
        ]
        self._roster.launch(new, now)
        stale = len(new) < len(answer.made)
        return [machine.instance_id for machine in new], find(answer.refusals, wanted), stale

    def _time(self, moment: float) -> str:
        return datetime.fromtimestamp(moment, self._time_zone).strftime("%H:%M:%S")


def _whole(error: CallFailed, wanted: Sequence[Override]) -> Finding:
    """The finding when EC2 refuses a request altogether."""
    short = kind_of(error.code) in (Kind.CAPACITY, Kind.QUOTA)
    return Finding(
        code=error.code,
        message=error.message,
        overrides=tuple(wanted) if short else (),
        passing=error.passing,
    )


def _no_reason(wanted: Sequence[Override]) -> Finding:
    return Finding(code="UnfulfillableCapacity", message="no reason given", overrides=tuple(wanted))
