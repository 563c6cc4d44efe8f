"""Budgets: what the jobs of an account, or of the whole cluster, may cost or use in a period.

Slurm enforces them, as limits of TRES-minutes. The TRES `billing` is money: a job's share of its
nodes, times their price. How a price becomes weights is in config/render/billing_weights.py.
"""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from config.settings.part import Number, Part
from config.settings.pools import Pool
from config.settings.tres import Tres

BILLING = "billing"
"""The TRES that counts money."""

UNITS_PER_DOLLAR = 10_000
"""`billing` of what costs a dollar an hour. Slurm drops what is less than one unit of a job."""

Dollars = Annotated[Number, Field(ge=0.01, le=100_000_000)]


class Budget(Part):
    """What all jobs together may cost or use, and how every budget counts.

    Accounts have budgets of their own, `accounts.<name>.budget_dollars` and
    `accounts.<name>.limits.grp_tres_mins`.
    """

    dollars: Dollars | None = None
    """Dollars in a period for the jobs of all accounts together. Not set: no limit."""
    tres_mins: Tres | None = None
    """Resource minutes in a period for the jobs of all accounts together (`GrpTRESMins` of Slurm's
    top account). Not set: no limit."""
    period: Literal["month", "quarter", "year", "forever"] = "month"
    """How long a budget lasts, the accounts' as well; all begin anew at midnight UTC of the first
    day of the next calendar month, quarter or year. `forever`: never."""
    warn_at: Annotated[Number, Field(ge=0, le=1)] = 0.8
    """Share of a budget at which the alert BudgetNear says so, and panels turn yellow."""
    at_limit: Literal["hold", "release_nodes"] = "hold"
    """What happens when the dollars of the whole cluster are spent. Running jobs go on.

    `hold`: new jobs wait. `release_nodes`: besides, nodes that are there for `min_nodes`,
    `warm_nodes` or a `schedule` go once they are idle.
    """


def billing_minutes(dollars: float) -> int:
    """What a budget is in minutes of `billing`, of which a dollar an hour makes 10 000 a minute."""
    return round(Decimal(str(dollars)) * UNITS_PER_DOLLAR * 60)


def usual_price(pool: Pool) -> float:
    """Dollars an hour of the pool's usual node: a spot node, in a pool that has them."""
    spot = pool.spot_settings
    if spot is None or spot.price_per_hour is None:
        return pool.price_per_hour
    return spot.price_per_hour
