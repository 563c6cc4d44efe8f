"""Money that is spent, or of which nobody knows."""

from tests.alerts.cluster import exporter, manager
from tests.alerts.fault import Fault

_SPENT = exporter("hpc_stack_account_cost_period_dollars", account="research")
_CPU = exporter("hpc_stack_account_tres_used_minutes", account="research", tres="cpu")
_ALL_GPUS = exporter("hpc_stack_account_tres_used_minutes", account="root", tres="gres/gpu")
_HELD = " Slurm holds new jobs for which its own count leaves nothing; running ones go on."

FAULTS = (
    Fault(
        alert="BudgetNear",
        shows={_SPENT: 85.0},
        labels={"account": "research", "tres": "dollars"},
        says="85% of the budget of account research, dollars, is spent.",
        fires=10,
        ends=15,
        over=15,
    ),
    Fault(
        alert="BudgetNear",
        shows={_CPU: 5.4e6},
        labels={"account": "research", "tres": "cpu"},
        says="90% of the budget of account research, minutes of cpu, is spent.",
        fires=10,
        ends=15,
        over=15,
    ),
    Fault(
        alert="BudgetReached",
        shows={_SPENT: 120.0},
        labels={"account": "research", "tres": "dollars"},
        says="120% of the budget of account research, dollars, is spent." + _HELD,
        fires=10,
        ends=15,
        over=20,
        also=frozenset({"BudgetNear"}),
    ),
    Fault(
        # Of the whole cluster.
        alert="BudgetReached",
        shows={exporter("hpc_stack_account_cost_period_dollars", account="root"): 510.0},
        labels={"account": "root", "tres": "dollars"},
        says="102% of the budget of the cluster, dollars, is spent." + _HELD,
        fires=10,
        ends=15,
        over=20,
        also=frozenset({"BudgetNear"}),
    ),
    Fault(
        alert="BudgetReached",
        shows={_ALL_GPUS: 6000.0},
        labels={"account": "root", "tres": "gres/gpu"},
        says="100% of the budget of the cluster, minutes of gres/gpu, is spent." + _HELD,
        fires=10,
        ends=15,
        over=20,
        also=frozenset({"BudgetNear"}),
    ),
    Fault(
        alert="BudgetUnobserved",
        shows={_SPENT: None},
        labels={"account": "research", "tres": "dollars"},
        says="What is spent of the budget of account research, 100 dollars, has not been known for"
        " 15 minutes.",
        fires=20,
        ends=25,
        over=25,
    ),
    Fault(
        alert="BudgetUnobserved",
        shows={_CPU: None},
        labels={"account": "research", "tres": "cpu"},
        says="What is spent of the budget of account research, 6000000 minutes of cpu, has not been"
        " known for 15 minutes.",
        fires=20,
        ends=25,
        over=25,
    ),
    Fault(
        alert="JobsUnpriced",
        shows={exporter("hpc_stack_jobs_unpriced_total"): 3.0},
        says="3 jobs that ended in the last hour ran on machines of which the ledger knows nothing."
        " Costs and budgets lack them.",
        begins=60,
        fires=65,
        ends=15 * 60,
        over=185,
    ),
    Fault(
        alert="CostAboveLimit",
        shows={manager("hpc_stack_cost_dollars_per_hour"): 12.5},
        says="The machines that are up cost 12.50 dollars an hour; `limits.max_cost_per_hour` is"
        " 10.",
        fires=15,
        ends=20,
        over=20,
    ),
)
