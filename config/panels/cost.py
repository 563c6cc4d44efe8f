"""Cost and budget: what is spent, by whom, on what, and what of it is waste."""

from config.panels.absence import (
    FLEET_SEEN,
    JOBS_COUNTED,
    NO_ROUND,
    NOT_COUNTED,
    or_nothing,
    or_zero,
    rows_or_not_known,
    while_known,
)
from config.panels.jobs import ACCOUNT, NO_JOB, NOT_ADDED_UP, WHO
from config.panels.model import Dashboard, Kind, Needs, Panel, Query, Unit
from config.panels.rows import row
from config.panels.steps import BUDGET, MOSTLY_WASTE, WARN_FROM_ONE

# Each account's has those of the accounts below it, and root's is the whole cluster's: never a sum.
_PERIOD = "hpc_stack_account_cost_period_dollars"
# The part of the month that is over (UTC); its first hours say little.
_MONTH_OVER = "clamp_min((day_of_month() - 1 + hour() / 24) / days_in_month(), 0.02)"
_NODE_COST = "hpc_stack_node_cost_dollars_total"
_JOB_COST = f"increase(hpc_stack_job_cost_dollars_total{{{WHO}}}[$__range])"

SPENT = while_known("max(hpc_stack_spent_this_month_dollars)", FLEET_SEEN)
"""What all nodes have cost since the month began."""

ACCOUNTS = f'{ACCOUNT}, account!="root"'
"""Chosen accounts; root is the whole cluster, beside which they would be told twice."""


def period_cost(accounts: str = "") -> str:
    """What accounts that match have cost in the budgets' period, while what ends is counted."""
    return while_known(f"max by (account) ({_PERIOD}{{{accounts}}})", JOBS_COUNTED)


def budget_share(budget: str) -> str:
    """What has been spent of the budgets that match, as shares."""
    return (
        f"({period_cost()})"
        f" / on (account) max by (account) (hpc_stack_account_budget_dollars{{{budget}}} > 0)"
    )


def _root_by_its_meaning(expr: str) -> str:
    """The series, of which Slurm's top account is called what it stands for."""
    return f'label_replace({expr}, "account", "whole cluster", "account", "root")'


def _bars(
    title: str, about: str, expr: str, legend: str, *, empty: str = NO_JOB, width: int = 7
) -> Panel:
    return Panel(
        title=title,
        about=about,
        kind=Kind.BARS,
        queries=(Query(expr=expr, legend=legend),),
        unit=Unit.DOLLARS,
        empty=empty,
        width=width,
    )


_SO_FAR = (
    Panel(
        title="All nodes this month",
        about="What all nodes have cost since the month began (UTC), idle ones too.",
        kind=Kind.NUMBER,
        queries=(Query(expr=SPENT, legend="dollars"),),
        unit=Unit.DOLLARS,
        empty=NO_ROUND,
        empty_is_fine=False,
        width=6,
        height=4,
    ),
    Panel(
        title="At the month's end",
        about="What it will be if it goes on as in this month so far.",
        kind=Kind.NUMBER,
        queries=(Query(expr=f"({SPENT}) / {_MONTH_OVER}", legend="dollars"),),
        unit=Unit.DOLLARS,
        empty=NO_ROUND,
        empty_is_fine=False,
        width=6,
        height=4,
    ),
    Panel(
        title="Cluster's budget",
        about="What jobs have spent of the budget of the whole cluster this period.",
        kind=Kind.NUMBER,
        queries=(Query(expr=budget_share('account="root"'), legend="spent"),),
        unit=Unit.SHARE,
        steps=BUDGET,
        empty="no budget of the whole cluster is known",
        needs=Needs.BUDGET,
        width=6,
        height=4,
    ),
    Panel(
        title="Jobs without a price",
        about="Finished jobs, in this time and in the budgets' period, whose nodes are not in the "
        "ledger. They are missing in all figures by account and user, and in the budgets.",
        kind=Kind.NUMBER,
        queries=(
            Query(
                expr=or_zero(
                    while_known(
                        "round(sum(increase(hpc_stack_jobs_unpriced_total[$__range])))",
                        JOBS_COUNTED,
                    ),
                    JOBS_COUNTED,
                ),
                legend="in this time",
            ),
            Query(
                expr=while_known("max(hpc_stack_unpriced_jobs_in_period)", JOBS_COUNTED),
                legend="in the period",
            ),
        ),
        steps=WARN_FROM_ONE,
        empty=NOT_COUNTED,
        empty_is_fine=False,
        width=6,
        height=4,
    ),
    Panel(
        title="This period by account",
        about="What the accounts' jobs have cost this period (`budget.period`, by default a month; "
        "UTC), running ones so far, each with the accounts below it.",
        kind=Kind.BARS,
        queries=(Query(expr=period_cost(ACCOUNTS), legend="{{account}}"),),
        unit=Unit.DOLLARS,
        empty=NOT_ADDED_UP,
        empty_is_fine=False,
        width=8,
    ),
    Panel(
        title="Budgets by account",
        about="What each account has spent of its budget this period. At 100 %, its new jobs wait.",
        kind=Kind.BARS,
        queries=(Query(expr=budget_share(ACCOUNTS), legend="{{account}}"),),
        unit=Unit.SHARE,
        steps=BUDGET,
        empty="no account's budget is known",
        needs=Needs.BUDGET,
        width=8,
    ),
    Panel(
        title="Left in the budgets",
        about="Dollars that the accounts may still spend this period. Below 0: overspent. Not "
        "known yet: while costs of before the first start are added up, or accounting or the queue "
        "is not seen.",
        kind=Kind.TABLE,
        queries=(
            Query(
                expr=rows_or_not_known(
                    _root_by_its_meaning(
                        f"max by (account) (hpc_stack_account_budget_dollars{{{ACCOUNT}}})"
                        f" - on (account) ({period_cost()})"
                    ),
                    period_cost(),
                    "account",
                    "not known yet",
                ),
                legend="{{account}}",
            ),
        ),
        unit=Unit.DOLLARS,
        columns=(("account", "account"),),
        value_heading="left",
        empty="no account has a budget",
        needs=Needs.BUDGET,
        width=8,
    ),
    Panel(
        title="Budgets of minutes by account",
        about="What each account has used of its minutes of CPUs, memory, GPUs or nodes this "
        "period, by Slurm's own count. Slurm starts nothing that could pass 100 %, so new jobs may "
        "wait before that.",
        kind=Kind.BARS,
        queries=(
            Query(
                expr=_root_by_its_meaning(
                    f"max by (account, tres) (hpc_stack_account_tres_used_minutes{{{ACCOUNT}}})"
                    " / on (account, tres)"
                    f" max by (account, tres) (hpc_stack_account_tres_budget_minutes{{{ACCOUNT}}})"
                ),
                legend="{{account}} {{tres}}",
            ),
        ),
        unit=Unit.SHARE,
        steps=BUDGET,
        empty="not known: slurmctld or the job exporter does not answer",
        empty_is_fine=False,
        needs=Needs.MINUTES,
        width=24,
        height=6,
    ),
)

WASTE = Panel(
    title="Waste",
    about="Share of what nodes cost in this time while no job held them.",
    kind=Kind.NUMBER,
    queries=(
        Query(
            expr=or_zero(
                f'sum(increase({_NODE_COST}{{use!="allocated"}}[$__range]))'
                f" / (sum(increase({_NODE_COST}[$__range])) > 0)",
                FLEET_SEEN,
            ),
            legend="waste",
        ),
    ),
    unit=Unit.SHARE,
    steps=MOSTLY_WASTE,
    advises=True,
    empty=NO_ROUND,
    empty_is_fine=False,
    width=4,
)

BY_USE = _bars(
    "Cost of nodes by use",
    "What machines cost in this time, by what they did.",
    f"sum by (use) (increase({_NODE_COST}[$__range]))",
    "{{use}}",
    empty="no node was up in this time",
    width=8,
)

_NODES = (
    Panel(
        title="What nodes are paid for",
        about="Dollars an hour, by what the machines did: in jobs, idle, starting, or out of "
        "service. All but the first is waste: shorter `idle_seconds` and fewer `warm_nodes` "
        "lessen it, and make jobs wait longer.",
        kind=Kind.AREAS,
        queries=(
            or_nothing(
                f"sum by (use) (rate({_NODE_COST}[$__rate_interval])) * 3600",
                FLEET_SEEN,
                "use",
                "no node",
                "{{use}}",
            ),
        ),
        unit=Unit.DOLLARS,
        empty=NO_ROUND,
        empty_is_fine=False,
        width=9,
    ),
    WASTE,
    BY_USE,
    _bars(
        "Cost of nodes by capacity",
        "What machines cost in this time, by how they were bought.",
        f"sum by (capacity) (increase({_NODE_COST}[$__range]))",
        "{{capacity}}",
        empty="no node was up in this time",
        width=8,
    ),
    _bars(
        "Cost of nodes by pool",
        "What machines cost in this time, by pool.",
        f"sum by (pool) (increase({_NODE_COST}[$__range]))",
        "{{pool}}",
        empty="no node was up in this time",
        width=8,
    ),
    _bars(
        "Waste by pool",
        "What machines cost in this time while no job held them.",
        f'sum by (pool, use) (increase({_NODE_COST}{{use!="allocated"}}[$__range]))',
        "{{pool}} {{use}}",
        empty="no node was up in this time",
        width=8,
    ),
)

DEAREST = _bars(
    "Dearest users",
    "What the jobs of the 20 dearest users cost that ended in this time.",
    f"topk(20, sum by (user) ({_JOB_COST}))",
    "{{user}}",
)

_JOBS = (
    DEAREST,
    _bars(
        "Cost of jobs by account",
        "What the accounts' jobs cost that ended in this time, without the accounts below.",
        f"sum by (account) ({_JOB_COST})",
        "{{account}}",
    ),
    _bars(
        "Cost of jobs by partition",
        "What jobs cost that ended in this time, by partition and by how their nodes were bought.",
        f"sum by (partition, capacity) ({_JOB_COST})",
        "{{partition}} {{capacity}}",
    ),
)

COST = Dashboard(
    uid="hpc-cost",
    title="Cost and budget",
    about="What is spent, by whom and on what, and what of it is waste.",
    rows=(
        row("Spent so far", _SO_FAR),
        row("What nodes cost", _NODES),
        row("What jobs cost", _JOBS),
    ),
    variables=("account", "user"),
    variable_source="hpc_stack_job_cost_dollars_total",
    hours=24,
)
