"""Alerts about money: budgets, the cluster's limit, and costs that are not known."""

from config.alerts.alert import Alert, Needs, Severity
from config.alerts.dashboards import COST

# Each account's cost has those of the accounts below it, and root's is the whole cluster's: never a
# sum.
_SPENT = "max by (account) (hpc_stack_account_cost_period_dollars)"
_BUDGET = "max by (account) (hpc_stack_account_budget_dollars)"
_WHOSE = (
    '{{ if eq $labels.account "root" }}the cluster{{ else }}account {{ $labels.account }}{{ end }}'
)
_WHO_SPENDS = (
    "The dashboard, or `make report`: which users and pools spend it, and how much of it was"
    " allocated but not used."
)

MONEY_ALERTS = (
    Alert(
        name="BudgetNear",
        severity=Severity.WARNING,
        expr=f"{_SPENT} / on (account) {_BUDGET} >= @budget_warn_at",
        lasts="5m",
        summary="account {{ $labels.account }} has used most of its budget",
        description=f"{{{{ $value | humanizePercentage }}}} of the budget of {_WHOSE} is spent.",
        meaning="A job starts only while what is left pays for its whole time limit, so long jobs"
        " wait already before the budget is used up. The account root is the whole cluster:"
        " `budget.dollars`. `budget.period` says when budgets begin anew.",
        todo=(
            _WHO_SPENDS,
            "Tell the account's people, or raise the budget (BudgetReached).",
        ),
        dashboard=COST,
        about=("account",),
        explained_by=("BudgetReached",),
    ),
    Alert(
        name="BudgetReached",
        severity=Severity.WARNING,
        expr=f"{_SPENT} / on (account) {_BUDGET} >= 1",
        lasts="5m",
        keeps="5m",
        summary="account {{ $labels.account }} has used up its budget",
        description=f"{{{{ $value | humanizePercentage }}}} of the budget of {_WHOSE} is spent."
        " Slurm holds new jobs; running ones go on.",
        meaning="Slurm already holds new jobs that the budget would have to pay for: they wait with"
        " the reason AssocGrpBillingMinutes. Jobs that run go on. Nodes that wait for nobody"
        " (`min_nodes`, `warm_nodes`, `schedule`) go on costing, unless `budget.at_limit` is"
        " `release_nodes`.",
        todo=(
            _WHO_SPENDS,
            "More money: raise `accounts.NAME.budget_dollars`, where need be those of the accounts"
            " above it too, or `budget.dollars` of the whole cluster, and `make up`. Jobs that wait"
            " start by themselves.",
            "No more money: they start by themselves in the next period (`budget.period`; with"
            " `forever` there is none). `scancel -A ACCOUNT` ends what runs, if need be.",
        ),
        dashboard=COST,
        about=("account",),
    ),
    Alert(
        name="BudgetUnobserved",
        severity=Severity.WARNING,
        expr=f"{_BUDGET} unless on (account) hpc_stack_account_cost_period_dollars",
        lasts="15m",
        summary="what account {{ $labels.account }} has spent is not known",
        description=f"The budget of {_WHOSE}, {{{{ $value }}}} dollars, has had no cost beside it"
        f" for"
        " 15 minutes.",
        meaning="That the budget is passed would not be noticed. A cost that is told may be too low"
        " as well, where jobs have no price: `hpc_stack_unpriced_jobs_in_period` (JobsUnpriced).",
        todo=(
            "`make logs SERVICE=job-exporter SINCE=30m`: can it read the ledger and accounting?"
            " After its first start, or when `budget.period` was made longer, it adds up what jobs"
            " cost since the period began; with very many jobs that takes a while.",
            "Is the volume `hpc-NAME_ledger` there, and its disk not full (DiskNearlyFull)?",
        ),
        dashboard=COST,
        about=("account",),
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
