"""What jobs cost in a month, put together and written out. Pure; hpc_cost asks and prints."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from job_accounting.spending import Charge, Sum, total
from job_accounting.table import table
from job_accounting.words import dollars, duration, hours, several


class NotAMonth(ValueError):
    """What was given as a month is none, or has not begun."""


@dataclass(frozen=True, kw_only=True)
class Month:
    """A calendar month in UTC. Seconds since the epoch; `until`: its end, or now."""

    since: float
    until: float
    current: bool

    @classmethod
    def of(cls, text: str | None, now: float) -> "Month":
        """The month that was named as 2026-11, else the current one. Raises NotAMonth."""
        try:
            named = datetime.fromtimestamp(now, UTC) if text is None else _parsed(text)
        except ValueError as error:
            raise NotAMonth(f"{text!r} is not a month; write it like 2026-11") from error
        begin = named.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        since = begin.timestamp()
        if since > now:
            raise NotAMonth(f"{text} has not begun")
        following = begin.replace(
            year=begin.year + begin.month // 12, month=begin.month % 12 + 1
        ).timestamp()
        return cls(since=since, until=min(following, now), current=following > now)

    @property
    def name(self) -> str:
        """2026-11."""
        return datetime.fromtimestamp(self.since, UTC).strftime("%Y-%m")


def _parsed(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class AccountBill:
    """An account with all below it.

    `limit`: dollars that Slurm lets them spend; None: no limit. `counted`: what Slurm holds
    against it; None: not known, or of no interest for a month that is over.
    """

    name: str
    sum: Sum
    limit: float | None
    counted: float | None

    @property
    def left(self) -> float | None:
        """Dollars left of the limit, by Slurm's count where it is known; below 0: overdrawn."""
        if self.limit is None:
            return None
        return self.limit - (self.sum.dollars if self.counted is None else self.counted)


@dataclass(frozen=True, kw_only=True)
class MinutesLeft:
    """A limit of minutes of a TRES that an account has, and what Slurm counts against it."""

    account: str
    tres: str
    limit: int
    used: int


@dataclass(frozen=True, kw_only=True)
class Bill:
    """Everything that is shown. `charges`: the dearest first; `sums`: by account or user.

    `minutes`: none for a month that is over, of which Slurm does not tell.
    """

    month: Month
    title: str
    charges: Sequence[Charge]
    accounts: Sequence[AccountBill]
    minutes: Sequence[MinutesLeft]
    sums: Mapping[str, Mapping[str, Sum]]
    one_user: bool
    pools_without_price: Sequence[str]


def bill_lines(bill: Bill, most: int) -> Iterator[str]:
    """The bill for a terminal, with at most so many jobs."""
    span = f"{bill.month.name} so far" if bill.month.current else bill.month.name
    yield f"{bill.title}, {span} (UTC)"
    if bill.charges:
        yield ""
        yield from _jobs(bill, most)
    yield ""
    yield from _total(total(bill.charges))
    for what, sums in bill.sums.items():
        if sums:
            yield ""
            rows = [[name, str(one.jobs), dollars(one.dollars)] for name, one in sums.items()]
            yield from table([what.upper(), "JOBS", "COST"], rows, right=(1, 2), shrink=0)
    if bill.accounts or bill.minutes:
        yield ""
    for account in bill.accounts:
        yield _account(account, bill.month)
    for minutes in bill.minutes:
        yield _minutes(minutes)
    if bill.pools_without_price:
        pools = ", ".join(bill.pools_without_price)
        yield f"without a price when they ran: jobs in {pools}. Set price_per_hour."


def _jobs(bill: Bill, most: int) -> Iterator[str]:
    header = ["JOB", "NAME", "USER", "ACCOUNT", "POOL", "STATE", "RAN", "COST"]
    rows = [
        [
            charge.job.name_id,
            charge.job.name,
            charge.job.user,
            charge.job.account,
            charge.job.partition,
            charge.job.state,
            duration(charge.seconds),
            _cost(charge),
        ]
        for charge in bill.charges[:most]
    ]
    if bill.one_user:
        for row in (header, *rows):
            del row[2]
    if rows:
        yield from table(header, rows, right=(len(header) - 2, len(header) - 1), shrink=1)
    if rest := bill.charges[most:]:
        yield f"{several(len(rest), 'more job')}: {dollars(total(rest).dollars)}"


def _cost(charge: Charge) -> str:
    if charge.cost.dollars is None:
        return "unpriced"
    amount = dollars(charge.cost.dollars)
    return amount if charge.job.ended else f"so far {amount}"


def _total(of: Sum) -> Iterator[str]:
    if not of.jobs:
        yield "no jobs that ran"
        return
    running = f", of it {dollars(of.so_far)} so far by {of.running} running" if of.running else ""
    yield f"{several(of.jobs, 'job')}: {dollars(of.dollars)}{running}"
    if of.unpriced:
        yield (
            f"{several(of.unpriced, 'job')} without a price, not in the sum: no machine is known "
            "for the nodes"
        )


def _account(account: AccountBill, month: Month) -> str:
    text = f"account {account.name}: {dollars(account.sum.dollars)}"
    if account.limit is None or account.left is None:
        return text
    text += f" of a limit of {dollars(account.limit)}"
    if not month.current:
        return text
    rest = f"{dollars(account.left)} left" if account.left > 0 else "nothing left"
    counted = account.counted
    if counted is None or abs(counted - account.sum.dollars) < 0.01:
        return f"{text}; {rest}"
    return f"{text}; {rest} (Slurm counts {dollars(counted)})"


def _minutes(of: MinutesLeft) -> str:
    mib, what = (1024, "GiB") if of.tres == "mem" else (1, of.tres)
    limit = f"{hours(of.limit / mib)} {what}-hours"
    rest = f"{hours((of.limit - of.used) / mib)} left" if of.used < of.limit else "nothing left"
    return f"account {of.account}: {hours(of.used / mib)} of {limit}; {rest}"


def bill_json(bill: Bill, most: int) -> dict[str, Any]:
    """The bill for programs. Dollars; times in seconds since the epoch; null: not known."""
    return {
        "month": bill.month.name,
        "since": bill.month.since,
        "until": bill.month.until,
        "total": _sum_json(total(bill.charges)),
        "jobs": [
            {
                "id": charge.job.name_id,
                "name": charge.job.name,
                "user": charge.job.user,
                "account": charge.job.account,
                "partition": charge.job.partition,
                "state": charge.job.state,
                "start": charge.job.start,
                "end": charge.job.end,
                "seconds": charge.seconds,
                "dollars": charge.cost.dollars,
                "capacity": charge.cost.capacity,
                "so_far": not charge.job.ended,
            }
            for charge in bill.charges[:most]
        ],
        "by": {
            what: {name: _sum_json(one) for name, one in sums.items()}
            for what, sums in bill.sums.items()
        },
        "accounts": {
            account.name: {
                **_sum_json(account.sum),
                "limit_dollars": account.limit,
                "counted_dollars": account.counted,
                "left_dollars": account.left if bill.month.current else None,
            }
            for account in bill.accounts
        },
        "minutes": [
            {
                "account": minutes.account,
                "tres": minutes.tres,
                "limit_minutes": minutes.limit,
                "used_minutes": minutes.used,
            }
            for minutes in bill.minutes
        ],
        "pools_without_price": list(bill.pools_without_price),
    }


def _sum_json(of: Sum) -> dict[str, Any]:
    return {
        "jobs": of.jobs,
        "dollars": of.dollars,
        "running_jobs": of.running,
        "running_dollars": of.so_far,
        "unpriced_jobs": of.unpriced,
    }
