"""My class: what each student does, for whoever teaches with the cluster."""

from config.panels.absence import JOBS_COUNTED, NOT_COUNTED, answers, or_nothing
from config.panels.cost import ACCOUNTS, budget_share, period_cost
from config.panels.jobs import (
    ACCOUNT,
    NO_JOB,
    NOT_ADDED_UP,
    WHO,
    by_state,
    efficiency,
    finished,
    seconds,
)
from config.panels.model import Dashboard, Kind, Needs, Panel, Query, Unit
from config.panels.rows import row
from config.panels.steps import BUDGET, EFFICIENT

_NO_SLURMCTLD = "slurmctld does not answer"
_STUDENTS = 'username=~"$user"'
_FAILED = "failed|timeout|out_of_memory|node_fail|boot_fail|deadline"


def _now(title: str, about: str, expr: str, nobody: str) -> Panel:
    return Panel(
        title=title,
        about=about,
        kind=Kind.BARS,
        queries=(
            or_nothing(
                f"{expr} > 0", answers("slurm-accounts"), "username", nobody, "{{username}}"
            ),
        ),
        empty=_NO_SLURMCTLD,
        empty_is_fine=False,
    )


def _jobs(state: str) -> str:
    return f"sum by (username) (slurm_user_jobs_{state}{{{_STUDENTS}}})"


_RIGHT_NOW = (
    _now(
        "Running now",
        "Jobs that run, by student, under whatever account: Slurm does not tell it here.",
        _jobs("running"),
        "nobody runs a job",
    ),
    _now(
        "Waiting now by student",
        "Jobs that wait. Why is under Queue and scheduling, and in `squeue --user=NAME`.",
        _jobs("pending"),
        "nobody waits",
    ),
)


def _ended(title: str, about: str, states: str, nobody: str, *, by_state: bool = False) -> Panel:
    by = "user, state" if by_state else "user"
    jobs = f"round(sum by ({by}) ({finished(WHO, states)})) > 0"
    return Panel(
        title=title,
        about=about,
        kind=Kind.BARS,
        queries=(
            or_nothing(
                jobs,
                JOBS_COUNTED,
                "user",
                nobody,
                "{{user}} {{state}}" if by_state else "{{user}}",
            ),
        ),
        empty=NOT_COUNTED,
        empty_is_fine=False,
        width=7,
    )


def _bars(title: str, about: str, expr: str, *, unit: Unit, width: int = 6) -> Panel:
    return Panel(
        title=title,
        about=about,
        kind=Kind.BARS,
        queries=(Query(expr=expr, legend="{{user}}"),),
        unit=unit,
        steps=EFFICIENT if unit is Unit.SHARE else (),
        empty=NO_JOB,
        width=width,
    )


CLASS_COST = _bars(
    "Cost by student",
    "What students' jobs cost that ended in this time.",
    f"sum by (user) (increase(hpc_stack_job_cost_dollars_total{{{WHO}}}[$__range]))",
    unit=Unit.DOLLARS,
)

_THIS_TIME = (
    _ended(
        "Completed",
        "Students' jobs whose last command succeeded, of those that ended in this time.",
        "completed",
        "nobody's job completed",
    ),
    _ended(
        "Failed",
        "Students' jobs that failed, lost their node, or met their time (timeout) or memory limit "
        "(out_of_memory), of those that ended in this time. Somebody may need help.",
        _FAILED,
        "nobody's job failed",
        by_state=True,
    ),
    _ended(
        "Cancelled",
        "Students' jobs that somebody cancelled in this time.",
        "cancelled",
        "nobody's job was cancelled",
    ),
    _bars(
        "CPU hours by student",
        "What students' jobs held that ended in this time.",
        seconds("hpc_stack_job_cpu_seconds_total", "allocated", "user") + " / 3600",
        unit=Unit.COUNT,
    ),
    _bars(
        "CPU efficiency by student",
        "CPU time used, of what was held. Low: the program does not use all CPUs it asks for.",
        efficiency("hpc_stack_job_cpu_seconds_total", "user"),
        unit=Unit.SHARE,
    ),
    _bars(
        "Memory efficiency by student",
        "Memory used at the peak, of what was held. Low: ask for less, and wait less.",
        efficiency("hpc_stack_job_memory_byte_seconds_total", "user"),
        unit=Unit.SHARE,
    ),
    CLASS_COST,
)

CLASS_ENDED = Panel(
    title="The class's jobs by state",
    about="How the jobs of the chosen accounts ended in this time.",
    kind=Kind.BARS,
    queries=(by_state(f"round(sum by (state) ({finished(ACCOUNT)})) > 0"),),
    empty=NOT_COUNTED,
    empty_is_fine=False,
    width=8,
)

_AS_A_WHOLE = (
    CLASS_ENDED,
    Panel(
        title="The class's cost this period",
        about="What the chosen accounts' jobs have cost this period (`budget.period`, by default a "
        "month; UTC), running ones so far.",
        kind=Kind.NUMBER,
        queries=(Query(expr=period_cost(ACCOUNTS), legend="{{account}}"),),
        unit=Unit.DOLLARS,
        empty=NOT_ADDED_UP,
        empty_is_fine=False,
        width=8,
    ),
    Panel(
        title="The class's budget",
        about="What the chosen accounts have spent of their budgets this period.",
        kind=Kind.NUMBER,
        queries=(Query(expr=budget_share(ACCOUNTS), legend="{{account}}"),),
        unit=Unit.SHARE,
        steps=BUDGET,
        empty="no budget of the class is known",
        needs=Needs.BUDGET,
        width=8,
    ),
)

MY_CLASS = Dashboard(
    uid="hpc-class",
    title="My class",
    about="What each student does.",
    choose="Choose the class's account above; with an account for each student, all of them.",
    rows=(
        row("Right now", _RIGHT_NOW),
        row("In this time", _THIS_TIME),
        row("The class as a whole", _AS_A_WHOLE),
    ),
    variables=("account", "user"),
    variable_source="hpc_stack_job_cpu_seconds_total",
    hours=24,
)
