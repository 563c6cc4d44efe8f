"""Checks of budgets against the other settings, and what a budget does to past use.

Budgets above one that holds as well are no mistakes: unspendable_budgets.py warns of them.
"""

from collections.abc import Iterator, Mapping

from config.settings.budgets import BILLING, usual_price
from config.settings.draft import Draft, mistake_at
from config.settings.mistakes import Mistake
from config.settings.pools import Pool
from config.settings.slurm_time import UNLIMITED
from config.settings.tres import is_gpu


def budget_inconsistencies(draft: Draft) -> Iterator[Mistake]:
    """Every mistake in budgets, or in what cannot be together with them."""
    dollars = _dollar_budgets(draft)
    minutes = (draft.budget and draft.budget.tres_mins) or {}
    prices = [usual_price(pool) for pool in draft.pools.read.values()]
    if draft.pools.all_read and not any(prices):
        for location, amount in dollars.items():
            yield mistake_at(
                location,
                amount,
                "a budget only where a pool has a price: here it would never be reached",
                "set cluster.pools.<pool>.price_per_hour, or limit resources instead: "
                "cluster.budget.tres_mins, cluster.accounts.<name>.limits.grp_tres_mins",
            )
    yield from _two_limits_of_money(draft)
    yield from _qos_in_place_of_budgets(draft, bool(dollars))
    if draft.budget and draft.budget.at_limit == "release_nodes" and draft.budget.dollars is None:
        yield mistake_at(
            ("budget", "at_limit"),
            draft.budget.at_limit,
            "hold, where the cluster has no budget of dollars: only those let nodes go",
            "remove at_limit, or set cluster.budget.dollars",
        )
    for kind in (kind for kind, count in minutes.items() if not count):
        yield mistake_at(
            ("budget", "tres_mins"),
            f"{kind}=0",
            "at least one minute of each type: of none nobody could be told how much is used",
            f"write {kind}=1 or more, or remove {kind}",
        )
    yield from _fading_use(draft)
    yield from _endless_jobs(draft, bool(dollars), frozenset(minutes))


def _two_limits_of_money(draft: Draft) -> Iterator[Mistake]:
    if draft.budget and draft.budget.dollars is not None:
        yield from _billing_besides(("budget", "tres_mins"), draft.budget.tres_mins, "dollars")
    for name, account in sorted(draft.accounts.read.items()):
        if account.budget_dollars is not None:
            location = ("accounts", name, "limits", "grp_tres_mins")
            yield from _billing_besides(location, account.limits.grp_tres_mins, "budget_dollars")


def _billing_besides(
    location: tuple[object, ...], minutes: Mapping[str, int] | None, dollars: str
) -> Iterator[Mistake]:
    if minutes and BILLING in minutes:
        whose = "the account's" if location[0] == "accounts" else "the cluster's"
        yield mistake_at(
            location,
            f"{BILLING}={minutes[BILLING]}",
            f"the other types: {dollars} is {whose} limit of billing",
            f"remove {BILLING}, or {dollars}",
        )


def _qos_in_place_of_budgets(draft: Draft, has_dollars: bool) -> Iterator[Mistake]:
    """Slurm takes a limit from the QOS where that has it, and then not from the accounts."""
    for_all = (draft.budget and draft.budget.tres_mins) or {}
    guarded = {*for_all, *((BILLING,) if has_dollars else ())}
    for name, qos in sorted(draft.qos.read.items()):
        for kind, count in (qos.grp_tres_mins or {}).items():
            if kind in guarded:
                yield mistake_at(
                    ("qos", name, "grp_tres_mins"),
                    f"{kind}={count}",
                    "the other types where there are budgets: for jobs of this QOS it would hold "
                    "in place of every budget",
                    f"remove {kind}",
                )


def _fading_use(draft: Draft) -> Iterator[Mistake]:
    half_life = _half_life(draft)
    if half_life is not None and past_use_is_reset(draft):
        yield mistake_at(
            ("slurm", "priority", "half_life"),
            half_life,
            "not set where there is a budget: what is spent must not fade before the period ends",
            "remove it; budget.period says when past use is forgotten",
        )


def _endless_jobs(draft: Draft, has_dollars: bool, kinds: frozenset[str]) -> Iterator[Mistake]:
    for name, pool in sorted(draft.pools.read.items()):
        counted = (has_dollars and usual_price(pool)) or any(_has(pool, kind) for kind in kinds)
        if counted and pool.time_limit == UNLIMITED:
            yield mistake_at(
                ("pools", name, "time_limit"),
                pool.time_limit,
                "a length where there are budgets: a job starts only if what is left pays for its "
                "whole time limit, and no budget pays for one without an end",
                'write for instance "7-00:00:00"',
            )


def past_use_is_reset(draft: Draft) -> bool:
    """Whether past use counts in full until the budgets' period ends, and does not fade.

    With budgets of accounts' minutes alone it may fade, for those who say so.
    """
    minutes_of_all = draft.budget and draft.budget.tres_mins
    if minutes_of_all or _dollar_budgets(draft):
        return True
    minutes = (account.limits.grp_tres_mins for account in draft.accounts.read.values())
    return _half_life(draft) is None and any(minutes)


def _half_life(draft: Draft) -> str | None:
    return draft.slurm.priority.half_life if draft.slurm else None


def _has(pool: Pool, kind: str) -> bool:
    """Whether a TRES is one of those that jobs in the pool may use."""
    if not is_gpu(kind):
        return True
    return pool.gpus is not None and kind in ("gres/gpu", f"gres/gpu:{pool.gpus.type}")


def _dollar_budgets(draft: Draft) -> dict[tuple[object, ...], float]:
    """Of accounts and of the whole cluster, by where they are set."""
    dollars: dict[tuple[object, ...], float | None] = {
        ("accounts", name, "budget_dollars"): account.budget_dollars
        for name, account in draft.accounts.read.items()
    }
    dollars["budget", "dollars"] = draft.budget.dollars if draft.budget else None
    return {location: amount for location, amount in dollars.items() if amount is not None}
