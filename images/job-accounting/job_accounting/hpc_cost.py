"""hpc-cost: what jobs cost in a month, for the people who run and pay for them.

hpc-cost                      my jobs, and my accounts
hpc-cost --account physics    everybody's jobs of an account and of those below it
hpc-cost --all                everybody's jobs
"""

import argparse
import json
import os
import pwd
import sys
import time
from collections.abc import Iterable, Mapping, Sequence

from job_accounting import sacct
from job_accounting.accounts import Accounts, AccountsUnavailable, read_accounts
from job_accounting.bill import (
    AccountBill,
    Bill,
    MinutesLeft,
    Month,
    NotAMonth,
    bill_json,
    bill_lines,
)
from job_accounting.command import CommandFailed
from job_accounting.cost import BILLING_MINUTES_PER_DOLLAR
from job_accounting.ledger import Ledger, directory
from job_accounting.sacct import SacctRefused, SacctUnavailable
from job_accounting.shares import MONEY, Share, read_shares
from job_accounting.spending import Charge, charges, pools_without_price, total, totals
from job_accounting.terminal import behave


class Mistake(Exception):
    """What was asked for cannot be. The text says what can."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit status: 1: accounting does not answer, 2: a mistake in the request."""
    args = _arguments(arguments)
    try:
        bill = _bill(args, time.time())
    except (Mistake, NotAMonth, SacctRefused) as error:
        return _fail(str(error), 2)
    except (SacctUnavailable, AccountsUnavailable) as error:
        return _fail(f"accounting does not answer: {error}", 1)
    except OSError as error:
        return _fail(f"the prices of machines cannot be read: {error}", 1)
    if args.json:
        print(json.dumps(bill_json(bill, args.jobs), indent=1))
    else:
        for line in bill_lines(bill, args.jobs):
            print(line)
    return 0


def _fail(text: str, status: int) -> int:
    print(f"hpc-cost: {text}", file=sys.stderr)
    return status


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="hpc-cost",
        description="What jobs cost in a month: yours and your accounts', unless you say whose.",
    )
    parser.add_argument("--month", metavar="YYYY-MM", help="a month in UTC; not given: this one")
    parser.add_argument("--account", help="everybody's jobs of an account and of those below it")
    whose = parser.add_mutually_exclusive_group()
    whose.add_argument("--user", help="one user's jobs")
    whose.add_argument("--all", action="store_true", help="everybody's jobs")
    parser.add_argument(
        "--jobs", metavar="N", type=_count, default=10, help="list the N dearest jobs (10)"
    )
    parser.add_argument("--json", action="store_true", help="write JSON, for programs")
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of jobs")
    return int(text)


def _bill(args: argparse.Namespace, now: float) -> Bill:
    """Raises Mistake, NotAMonth, SacctUnavailable, AccountsUnavailable and OSError."""
    month = Month.of(args.month, now)
    tree = read_accounts()
    if args.account is not None and args.account not in tree:
        raise Mistake(f"no account {args.account!r}; there are {', '.join(tree.names())}")
    user = args.user or (None if args.all or args.account else _me())
    lives = Ledger(directory()).lives(month.since, month.until)

    def ask(users: Sequence[str] | None, accounts: Iterable[str] | None) -> list[Charge]:
        def found(*, steps: bool) -> list[Charge]:
            jobs = sacct.jobs(
                since=month.since,
                until=month.until,
                users=users,
                accounts=None if accounts is None else sorted(accounts),
                steps=steps,
            )
            return charges(jobs, lives, now, month.since, month.until)

        quick = found(steps=False)
        # Of one without a machine, steps tell whether it ever began.
        unknown = any(charge.cost.dollars is None for charge in quick)
        return found(steps=True) if unknown else quick

    asked = _asked_accounts(args, tree, user)
    shown = _shown_accounts(args, tree, asked)
    shares = _shares(tree, asked) if month.current else {}
    by_accounts = ask(None, frozenset().union(*map(tree.with_below, shown))) if shown else []
    mine = ask(
        None if user is None else [user],
        None if args.account is None else tree.with_below(args.account),
    )
    sums = {"user": totals(mine, lambda job: job.user)} if user is None else {}
    if args.all and args.account is None:
        sums = {"account": totals(mine, lambda job: job.account), **sums}
    return Bill(
        month=month,
        title=_title(args, user),
        charges=mine,
        accounts=_account_bills(shown, tree, by_accounts, shares),
        minutes=_minutes_left(shares),
        sums=sums,
        one_user=user is not None,
        pools_without_price=pools_without_price((charge.job for charge in mine), lives, now),
    )


def _title(args: argparse.Namespace, user: str | None) -> str:
    whose = "all jobs" if user is None else f"jobs of {user}"
    return whose if args.account is None else f"{whose} for account {args.account}"


def _asked_accounts(args: argparse.Namespace, tree: Accounts, user: str | None) -> list[str]:
    """The accounts in question."""
    if args.account is not None:
        return [args.account]
    return tree.names() if user is None else tree.of_user(user)


def _shown_accounts(args: argparse.Namespace, tree: Accounts, asked: Sequence[str]) -> list[str]:
    """The accounts in question, and those above that limit them; with --all those with a limit."""
    if args.all and args.account is None:
        return [name for name in asked if tree[name].limit_dollars is not None]
    above = {
        other
        for name in asked
        for other in tree.above(name)
        if other in tree and tree[other].limit_dollars is not None
    }
    return [*asked, *sorted(above.difference(asked))]


def _shares(tree: Accounts, asked: Sequence[str]) -> Mapping[str, Share]:
    """What Slurm counts of accounts and of those above them; empty if it does not answer."""
    names = {*asked, *(above for name in asked for above in tree.above(name))}
    # Only where there is something to count against: slurmctld, which counts, may not answer.
    limited = sorted(name for name in names if name in tree and tree[name].limited)
    try:
        return read_shares(limited) if limited else {}
    except CommandFailed:
        return {}


def _minutes_left(shares: Mapping[str, Share]) -> list[MinutesLeft]:
    """All limits of minutes but those of money, which are told in dollars."""
    return [
        MinutesLeft(account=name, tres=tres, limit=limit, used=share.used[tres])
        for name, share in sorted(shares.items())
        for tres, limit in sorted(share.limits.items())
        if tres != MONEY and tres in share.used
    ]


def _account_bills(
    names: Sequence[str], tree: Accounts, of: Sequence[Charge], shares: Mapping[str, Share]
) -> list[AccountBill]:
    bills = []
    for name in names:
        below, limit = tree.with_below(name), tree[name].limit_dollars
        bills.append(
            AccountBill(
                name=name,
                sum=total(charge for charge in of if charge.job.account in below),
                limit=limit,
                counted=None if limit is None else _counted_dollars(shares.get(name)),
            )
        )
    return bills


def _counted_dollars(share: Share | None) -> float | None:
    money = share.used.get(MONEY) if share else None
    return None if money is None else money / BILLING_MINUTES_PER_DOLLAR


def _me() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError as error:
        raise Mistake(f"user number {os.getuid()} has no name here; say --user") from error


if __name__ == "__main__":
    behave()
    sys.exit(main())
