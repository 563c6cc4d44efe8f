"""Alerts about money: budgets, the cluster's limit, and costs that are not known."""

from config.alerts.alert import Alert, Needs, Severity
from config.alerts.dashboards import COST

# An account may have several budgets: `tres` tells which, "dollars" being one of them.
_BY = "(account, tres)"


def _told_apart(dollars: str, minutes: str) -> str:
    """PromQL: something about all budgets of dollars and all of TRES-minutes."""
    # Each account's has those of the accounts below it, and root's is the whole cluster's: never a
    # sum.
    labelled = f'label_replace(max by (account) ({dollars}), "tres", "dollars", "", "")'
    return f"({labelled} or max by {_BY} ({minutes}))"


_BUDGET = _told_apart("hpc_stack_account_budget_dollars", "hpc_stack_account_tres_budget_minutes")
_SPENT = _told_apart("hpc_stack_account_cost_period_dollars", "hpc_stack_account_tres_used_minutes")
_SHARE = f"{_SPENT} / on {_BY} {_BUDGET}"
_WHOSE = (
    '{{ if eq $labels.account "root" }}the cluster{{ else }}account {{ $labels.account }}{{ end }}'
)
_UNIT = '{{ if eq $labels.tres "dollars" }}dollars{{ else }}minutes of {{ $labels.tres }}{{ end }}'
_SHARE_SPENT = (
    f"{{{{ $value | humanizePercentage }}}} of the budget of {_WHOSE}, {_UNIT}, is spent."
)
_WHO_SPENDS = (
    "The dashboard, or `make report`: which users and pools spend it, and how much of it was"
    " allocated but not used."
)

MONEY_ALERTS = (
    Alert(
        name="BudgetNear",
        severity=Severity.WARNING,
        expr=f"{_SHARE} >= @budget_warn_at",
        lasts="5m",
        summary="account {{ $labels.account }} has used most of its budget of {{ $labels.tres }}",
        description=_SHARE_SPENT,
        meaning="A job starts only while what is left pays for its whole time limit, so long jobs"
        " wait already before the budget is used up. Of minutes, which Slurm itself counts, that"
        " may leave a rest for ever: then this alert is the last. The account root is the whole"
        " cluster: `budget.dollars`, `budget.tres_mins`. `budget.period` says when budgets begin"
        " anew.",
        todo=(
            _WHO_SPENDS,
            "Tell the account's people, or raise the budget (BudgetReached).",
        ),
        dashboard=COST,
        about=("account", "tres"),
        explained_by=("BudgetReached",),
    ),
    Alert(
        name="BudgetReached",
        severity=Severity.WARNING,
        expr=f"{_SHARE} >= 1",
        lasts="5m",
        keeps="5m",
        summary="account {{ $labels.account }} has used up its budget of {{ $labels.tres }}",
        description=f"{_SHARE_SPENT} Slurm holds new jobs for which its own count leaves nothing;"
        " running ones go on.",
        meaning="New jobs wait with the reason AssocGrpBillingMinutes; where minutes of CPUs,"
        " memory, GPUs or nodes are used up, with AssocGrpCPUMinutesLimit, AssocGrpMemMinutes,"
        " AssocGrpGRESMinutes or AssocGrpNodeMinutes. Minutes are Slurm's own count. Dollars are"
        " what jobs really cost, and Slurm counts the pool's usual price times the QOS'"
        " `usage_factor`, so it may hold jobs earlier or later than this says. Jobs that run go on."
        " Nodes that wait for nobody (`min_nodes`, `warm_nodes`, `schedule`) go on costing, unless"
        " `budget.at_limit` is `release_nodes`.",
        todo=(
            _WHO_SPENDS,
            "More of it: raise `accounts.NAME.budget_dollars` or"
            " `accounts.NAME.limits.grp_tres_mins`, where need be those of the accounts above it"
            " too, or `budget.dollars` or `budget.tres_mins` of the whole cluster, and `make up`."
            " Jobs that wait start by themselves.",
            "No more: they start by themselves in the next period (`budget.period`; with"
            " `forever` there is none). `scancel -A ACCOUNT` ends what runs, if need be.",
        ),
        dashboard=COST,
        about=("account", "tres"),
    ),
    Alert(
        name="BudgetUnobserved",
        severity=Severity.WARNING,
        expr=f"{_BUDGET} unless on {_BY} {_SPENT}",
        lasts="15m",
        summary="what account {{ $labels.account }} has spent of its budget of"
        " {{ $labels.tres }} is not known",
        description=f"What is spent of the budget of {_WHOSE},"
        f' {{{{ $value | printf "%.12g" }}}} {_UNIT}, has not been known for 15 minutes.',
        meaning="That the budget is passed would not be noticed. A cost that is told may be too low"
        " as well, where jobs have no price: `hpc_stack_unpriced_jobs_in_period` (JobsUnpriced).",
        todo=(
            "`make logs SERVICE=job-exporter SINCE=30m`: can it read the ledger and accounting, and"
            " for minutes `sshare`?"
            " After its first start, or when `budget.period` was made longer, it adds up what jobs"
            " cost since the period began; with very many jobs that takes a while.",
            "Is the volume `hpc-NAME_ledger` there, and its disk not full (DiskNearlyFull)?",
        ),
        dashboard=COST,
        about=("account", "tres"),
        explained_by=(
            *("JobExporterStale", "JobQueueUnobserved"),
            *("SlurmdbdDown", "MysqlDown", "SlurmctldDown"),
        ),
    ),
    Alert(
        name="JobsUnpriced",
        severity=Severity.WARNING,
        expr="sum(increase(hpc_stack_jobs_unpriced_total[1h])) > 0",
        lasts="0m",
        keeps="1h",
        summary="the cost of some jobs is not known",
        description='{{ $value | printf "%.0f" }} jobs that ended in the last hour ran on machines'
        " of"
        " which the ledger knows nothing. Costs and budgets lack them.",
        meaning="The node manager did not write down a machine: its volume was full, or the jobs"
        " ran on nodes that it did not launch. What accounts have spent stays too low until the"
        " budgets' period ends; `hpc_stack_unpriced_jobs_in_period` is the number of such jobs in"
        " it, also of those from before the job exporter's first start.",
        todo=(
            "`make logs SERVICE=node-manager SINCE=2h`: could it not write the ledger?",
            "Is the disk full (DiskNearlyFull)?",
        ),
        dashboard=COST,
    ),
    Alert(
        name="CostAboveLimit",
        severity=Severity.PAGE,
        # Sums of prices are not exact.
        expr="max(hpc_stack_cost_dollars_per_hour) > @max_cost_per_hour * 1.001",
        lasts="10m",
        summary="the nodes cost more than the limit",
        description='The machines that are up cost {{ $value | printf "%.2f" }} dollars an hour;'
        " `limits.max_cost_per_hour` is @max_cost_per_hour.",
        meaning="No launch may pass the limit, so either it was lowered while machines were up,"
        " which is over when they go, or there are machines that should not be there.",
        todo=(
            "`make status`: which nodes are up, and for what?",
            "If nobody lowered the limit: `make logs SERVICE=node-manager SINCE=1h`, and tell us.",
            "At once: `scontrol update nodename=NODES state=power_down_asap reason=cost` for what"
            " can go when its jobs have ended.",
        ),
        dashboard=COST,
        needs=Needs.COST_LIMIT,
    ),
)
