"""What is short, or cannot be had: what EC2 said of it, how long it is left out, what people read.

Pure, but for the memory in LeftOut.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from node_manager.ec2_errors import (
    NO_ADDRESS,
    Kind,
    first_sentence,
    kind_of,
    one_line,
    quota_bucket,
    quota_value,
)
from node_manager.ec2_fleet_request import Override, Refusal
from node_manager.fleet import Capacity
from node_manager.provider import LaunchFailure

UNSUPPORTED_SECONDS = 6 * 3600
"""AWS does bring types to more zones, but not often."""
MOST_SHOWN = 4
"""Of the types and subnets in one message: it becomes a node's reason in Slurm."""

_VCPU_CODES = {
    "InstanceLimitExceeded",
    "MaxSpotInstanceCountExceeded",
    "SpotInstanceCountLimitExceeded",
    "VcpuLimitExceeded",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One error code, and the types and subnets that it is about; none: the request as a whole."""

    code: str
    message: str
    overrides: tuple[Override, ...] = ()
    passing: bool = False
    """A code that says nothing, with an answer, or none, that may be another a moment later."""

    @property
    def kind(self) -> Kind:
        return Kind.PASSING if self.passing else kind_of(self.code)


def find(refusals: Iterable[Refusal], asked: Sequence[Override]) -> list[Finding]:
    """The refusals by code, in the order in which EC2 first names them."""
    return merge(
        Finding(code=r.code, message=r.message, overrides=_about(r, asked)) for r in refusals
    )


def _about(refusal: Refusal, asked: Sequence[Override]) -> tuple[Override, ...]:
    # A subnet without addresses has none for any type.
    kind = "" if refusal.code == NO_ADDRESS else refusal.instance_type
    return tuple(
        override
        for override in asked
        if kind in ("", override.instance_type) and refusal.subnet in ("", override.subnet)
    )


def merge(findings: Iterable[Finding]) -> list[Finding]:
    """One finding for each code."""
    merged: dict[str, Finding] = {}
    for finding in findings:
        first = merged.setdefault(finding.code, finding)
        about = dict.fromkeys([*first.overrides, *finding.overrides])
        merged[finding.code] = replace(first, overrides=tuple(about))
    return list(merged.values())


def failure(capacity: Capacity, findings: Sequence[Finding]) -> LaunchFailure:
    """One failure for the nodes that got no machine. `findings`: at least one.

    What is short decides: whether a launch may succeed depends on that, whatever else is wrong.
    """
    kinds = {finding.kind for finding in findings}
    for group in (
        {Kind.CAPACITY, Kind.QUOTA},
        {Kind.PASSING},
        {Kind.REFUSED},
        {Kind.UNSUPPORTED},
    ):
        if group & kinds:
            break
    first = next(finding for finding in findings if finding.kind in group)
    return LaunchFailure(
        code=first.code,
        message="; ".join(dict.fromkeys(_text(capacity, finding) for finding in findings)),
        retryable=Kind.PASSING in group,
        shortage=Kind.CAPACITY in group,
    )


def _text(capacity: Capacity, finding: Finding) -> str:
    where = _shown([str(override) for override in finding.overrides])
    said = first_sentence(finding.message)
    if finding.code == NO_ADDRESS:
        subnets = _shown(dict.fromkeys(override.subnet for override in finding.overrides))
        return f"no free addresses: {subnets or 'in any subnet'} ({finding.code})"
    if finding.kind is Kind.CAPACITY:
        return f"no {_words(capacity)} capacity: {where or said} ({finding.code})"
    if finding.kind is Kind.QUOTA:
        return f"{_quota(capacity, finding)} ({finding.code})"
    if finding.kind is Kind.UNSUPPORTED and where:
        return f"not available: {where} ({finding.code}: {said})"
    return f"{one_line(finding.message) or 'EC2 gave no reason'} ({finding.code})"


def _quota(capacity: Capacity, finding: Finding) -> str:
    if finding.code not in _VCPU_CODES:
        return f"a quota of the account is used up: {first_sentence(finding.message)}"
    buckets = _shown(
        dict.fromkeys(filter(None, (quota_bucket(o.instance_type) for o in finding.overrides)))
    )
    value = quota_value(finding.message)
    what = "instances" if finding.code == "InstanceLimitExceeded" else "vCPUs"
    amount = f" of {value} {what}" if value else ""
    where = _shown([str(override) for override in finding.overrides])
    return (
        f"the account's quota{amount} for {_words(capacity)} {f'{buckets} ' if buckets else ''}"
        f"instances is used up{f': {where}' if where else ''}"
    )


def _words(capacity: Capacity) -> str:
    return "spot" if capacity is Capacity.SPOT else "on-demand"


def _shown(items: Iterable[str]) -> str:
    every = list(items)
    more = f" and {len(every) - MOST_SHOWN} more" if len(every) > MOST_SHOWN else ""
    return ", ".join(every[:MOST_SHOWN]) + more


@dataclass(frozen=True, kw_only=True)
class _Entry:
    code: str
    message: str
    since: float
    until: float


class LeftOut:
    """The types and subnets that are not asked for at the moment. Times: seconds, epoch."""

    def __init__(self, shortage_seconds: float) -> None:
        self._shortage_seconds = shortage_seconds
        self._entries: dict[tuple[Capacity, Override], _Entry] = {}

    def add(self, capacity: Capacity, finding: Finding, now: float) -> frozenset[Override]:
        """Leave out what a finding is about, where that helps; what is left out by it."""
        if finding.kind is Kind.UNSUPPORTED:
            seconds: float = UNSUPPORTED_SECONDS
        elif finding.kind in (Kind.CAPACITY, Kind.QUOTA):
            seconds = self._shortage_seconds
        else:
            return frozenset()
        for override in finding.overrides:
            self._entries[capacity, override] = _Entry(
                code=finding.code, message=finding.message, since=now, until=now + seconds
            )
        return frozenset(finding.overrides)

    def covers(self, capacity: Capacity, override: Override, now: float) -> bool:
        """Whether it is left out now. A clock that was set back ends it, too."""
        entry = self._entries.get((capacity, override))
        return entry is not None and entry.since <= now < entry.until

    def findings(
        self, capacity: Capacity, candidates: Sequence[Override], now: float
    ) -> tuple[list[Finding], float]:
        """Why these are left out, and when the first of them will be asked for again."""
        entries = [
            (override, self._entries[capacity, override])
            for override in candidates
            if self.covers(capacity, override, now)
        ]
        found = merge(
            Finding(code=entry.code, message=entry.message, overrides=(override,))
            for override, entry in entries
        )
        until = min((entry.until for _, entry in entries), default=now)
        return found, until
