"""Jobs and efficiency: how jobs end, how long they run, what they use of what they ask for."""

from config.panels.absence import JOBS_COUNTED, NOT_COUNTED, or_nothing, or_zero, while_known
from config.panels.model import Dashboard, Kind, Needs, Panel, Query, Unit
from config.panels.rows import row
from config.panels.steps import COMPLETED, EFFICIENT

ACCOUNT = 'account=~"$account"'
WHO = f'{ACCOUNT}, user=~"$user"'
NO_JOB = "no job has ended in this time"
NO_EXPORTER = "the job exporter does not answer"
NOT_ADDED_UP = f"{NOT_COUNTED}, or has not added it up yet"
_RUNS = f"hpc_stack_job_run_seconds_bucket{{{ACCOUNT}}}"


def finished(who: str, states: str = "", span: str = "$__range") -> str:
    """Jobs that ended, by all labels; of `states`, a pattern, if there is one."""
    chosen = f'{who}, state=~"{states}"' if states else who
    return f"increase(hpc_stack_user_jobs_finished_total{{{chosen}}}[{span}])"


def by_state(counts: str) -> Query:
    """Numbers of finished jobs by state, or that there are none."""
    return or_nothing(counts, JOBS_COUNTED, "state", "no job has ended", "{{state}}")


def seconds(metric: str, kind: str, by: str, span: str = "$__range") -> str:
    """Increase of one of the counters of what jobs asked for and used, by labels."""
    return f'sum by ({by}) (increase({metric}{{{WHO}, kind="{kind}"}}[{span}]))'


def efficiency(metric: str, by: str, span: str = "$__range") -> str:
    """What was used, as a share of what was allocated."""
    return f"{seconds(metric, 'used', by, span)} / ({seconds(metric, 'allocated', by, span)} > 0)"


def wasted_cpu_hours(by: str) -> str:
    """Hours that CPUs were allocated and not used."""
    allocated = seconds("hpc_stack_job_cpu_seconds_total", "allocated", by)
    used = seconds("hpc_stack_job_cpu_seconds_total", "used", by)
    # Some jobs use more than they were given.
    return f"clamp_min({allocated} - {used}, 0) / 3600"


_NOT_COMPLETED = (
    f'increase(hpc_stack_user_jobs_finished_total{{{WHO}, state!="completed"}}[$__range])'
)


def _run_quantile(share: float) -> str:
    return f"histogram_quantile({share}, sum by (le) (rate({_RUNS}[1h]))) >= 0"


def _bars(
    title: str,
    about: str,
    expr: str,
    legend: str,
    *,
    unit: Unit = Unit.SHARE,
    empty: str = NO_JOB,
    needs: Needs = Needs.NOTHING,
    width: int = 8,
) -> Panel:
    return Panel(
        title=title,
        about=about,
        kind=Kind.BARS,
        queries=(Query(expr=expr, legend=legend),),
        unit=unit,
        steps=EFFICIENT if unit is Unit.SHARE else (),
        empty=empty,
        needs=needs,
        width=width,
    )


ENDED = Panel(
    title="Finished jobs",
    about="Jobs that ended in this time, however they ended.",
    kind=Kind.NUMBER,
    queries=(
        Query(
            # Counters that stand still because nothing is counted would tell a 0, too.
            expr=or_zero(
                while_known(f"round(sum({finished(WHO)}))", JOBS_COUNTED),
                JOBS_COUNTED,
            ),
            legend="jobs",
        ),
    ),
    empty=NOT_COUNTED,
    empty_is_fine=False,
    width=4,
)

COMPLETED_SHARE = Panel(
    title="Jobs that completed",
    about="Share of the finished jobs whose last command succeeded. The others failed, hit "
    "their time or memory limit, were cancelled, or lost their node.",
    kind=Kind.NUMBER,
    queries=(
        Query(
            expr=f"sum({finished(WHO, 'completed')}) / (sum({finished(WHO)}) > 0)",
            legend="completed",
        ),
    ),
    unit=Unit.SHARE,
    steps=COMPLETED,
    advises=True,
    empty=NO_JOB,
    width=4,
)

_ENDED = (
    ENDED,
    COMPLETED_SHARE,
    Panel(
        title="Counted until",
        about="Jobs that ended until then are in these figures. Later than some minutes ago: "
        "accounting does not answer.",
        kind=Kind.NUMBER,
        queries=(
            Query(
                expr="max(hpc_stack_accounting_cursor_timestamp_seconds) * 1000",
                legend="counted until",
            ),
        ),
        unit=Unit.TIME_AGO,
        empty=NO_EXPORTER,
        empty_is_fine=False,
        width=4,
    ),
    Panel(
        title="Finished jobs by state",
        about="How jobs ended, over time. Many node_fail at once point to lost spot nodes.",
        kind=Kind.AREAS,
        queries=(by_state(f"round(sum by (state) ({finished(WHO, span='$__rate_interval')}))"),),
        empty=NOT_COUNTED,
        empty_is_fine=False,
        width=9,
    ),
    Panel(
        title="Jobs that did not complete",
        about="By user and how they ended, the 20 most frequent. out_of_memory and timeout: their "
        "limits are too small. failed: the last command did not succeed.",
        kind=Kind.BARS,
        queries=(
            Query(
                expr=f"topk(20, round(sum by (user, state) ({_NOT_COMPLETED})) > 0)",
                legend="{{user}} {{state}}",
            ),
        ),
        empty="every job completed, or none has ended",
        width=8,
    ),
    Panel(
        title="Run time",
        about="Of jobs that ended in the hour before each point.",
        kind=Kind.LINES,
        queries=(
            Query(expr=_run_quantile(0.5), legend="median"),
            Query(expr=_run_quantile(0.9), legend="90 of 100"),
        ),
        unit=Unit.SECONDS,
        empty=NO_JOB,
        width=8,
    ),
    Panel(
        title="Run times of finished jobs",
        about="How many jobs ran how long. Very many short ones are better put into one job.",
        kind=Kind.BUCKETS,
        queries=(
            Query(expr=f"sum by (le) (increase({_RUNS}[$__range]))", legend="up to {{le}} s"),
        ),
        empty=NO_JOB,
        width=8,
    ),
)

_EFFICIENCY = (
    _bars(
        "CPU efficiency by account",
        "CPU time that jobs used, of what they held. Far below 100 %: they ask for more CPUs than "
        "they use, or wait for files.",
        efficiency("hpc_stack_job_cpu_seconds_total", "account"),
        "{{account}}",
        width=7,
    ),
    _bars(
        "CPU efficiency by user",
        "The 20 least efficient users of the chosen accounts.",
        f"bottomk(20, {efficiency('hpc_stack_job_cpu_seconds_total', 'user')})",
        "{{user}}",
        width=7,
    ),
    _bars(
        "Wasted CPU hours by user",
        "Hours that CPUs were held and not used: who gains most from asking for less. The 20 "
        "largest.",
        f"topk(20, {wasted_cpu_hours('user')})",
        "{{user}}",
        unit=Unit.COUNT,
        width=7,
    ),
    _bars(
        "Memory efficiency by account",
        "Memory that jobs used at their peak, of what they held, for as long as they ran.",
        efficiency("hpc_stack_job_memory_byte_seconds_total", "account"),
        "{{account}}",
    ),
    _bars(
        "Memory efficiency by user",
        "The 20 least efficient users of the chosen accounts.",
        f"bottomk(20, {efficiency('hpc_stack_job_memory_byte_seconds_total', 'user')})",
        "{{user}}",
    ),
    _bars(
        "GPU efficiency by user",
        "GPU time that jobs used, of what they held: on AWS, as dcgm-exporter measured it. On one "
        "machine it is not known which job has which GPU. What GPUs do is under GPUs.",
        efficiency("hpc_stack_job_gpu_seconds_total", "user"),
        "{{user}}",
        empty="no job whose GPUs were measured has ended; see the page GPUs",
        needs=Needs.GPUS,
    ),
    Panel(
        title="Efficiency over time",
        about="Of all jobs of the chosen accounts and users that ended in the six hours before "
        "each point.",
        kind=Kind.LINES,
        queries=(
            Query(
                expr=efficiency("hpc_stack_job_cpu_seconds_total", "", "6h"),
                legend="CPU",
            ),
            Query(
                expr=efficiency("hpc_stack_job_memory_byte_seconds_total", "", "6h"),
                legend="memory",
            ),
        ),
        unit=Unit.SHARE,
        empty=NO_JOB,
        width=24,
    ),
)

JOBS = Dashboard(
    uid="hpc-jobs",
    title="Jobs and efficiency",
    about="How jobs end, how long they run, and what they use of what they ask for.",
    rows=(
        row("Finished jobs", _ENDED),
        row("What jobs use of what they ask for", _EFFICIENCY),
    ),
    variables=("account", "user"),
    variable_source="hpc_stack_job_cpu_seconds_total",
    hours=24,
)
