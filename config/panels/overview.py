"""Overview: is it working, what does it do, what does it cost."""

from config.alerts import WATCHDOG
from config.panels.absence import (
    FLEET_SEEN,
    JOBS_COUNTED,
    NO_ROUND,
    NOT_KNOWN,
    answers,
    or_not_known,
    or_nothing,
    or_zero,
    while_known,
)
from config.panels.cost import SPENT
from config.panels.model import Dashboard, Kind, Panel, Query, Unit
from config.panels.rows import row
from config.panels.sources import RULES
from config.panels.steps import (
    BAD_FROM_ONE,
    GOOD_FROM_ONE,
    UP_LATE_OR_DOWN,
    UP_LATE_OR_DOWN_STEPS,
    UP_OR_DOWN,
    WARN_FROM_ONE,
)

_NO_SLURMCTLD = "slurmctld does not answer"

# Services of the cluster itself; nodes come and go.
_SERVICES = 'job=~"prometheus|alertmanager|slurm-.+|node-manager|job-exporter|mysql|host"'

LIVE_CPUS = (
    "sum(sum by (partition) (label_replace("
    f'{while_known("hpc_stack_instances", FLEET_SEEN)}, "partition", "$1", "pool", "(.*)"))'
    " * on (partition) (slurm_partition_cpus / slurm_partition_nodes))"
)
"""CPUs of the machines that live: Slurm counts those of powered-down nodes, too."""

_COST_AN_HOUR = while_known("max(hpc_stack_cost_dollars_per_hour)", FLEET_SEEN)


def _works(job: str, known: str) -> str:
    """2: the job answers and, by `known`, does its work; 1: it only answers; 0: neither.

    1 also of what has just started and has not done it yet.
    """
    return f'max(up{{job="{job}"}}) + (0 * {known} + 1 or vector(0)) or vector(0)'


def _light(title: str, about: str, expr: str) -> Panel:
    return Panel(
        title=title,
        about=about,
        kind=Kind.LIGHT,
        queries=(Query(expr=expr, legend=title),),
        unit=Unit.NONE,
        steps=GOOD_FROM_ONE,
        words=UP_OR_DOWN,
        empty="not known",
        empty_is_fine=False,
        width=3,
        height=4,
    )


_LIGHTS = (
    _light(
        "slurmctld",
        "Whether Slurm's controller answers. While it is down, jobs run on, and none starts.",
        'min(hpc_stack_slurmctld_answers) or min(up{job="slurm-jobs"}) or vector(-1)',
    ),
    _light(
        "slurmdbd",
        "Whether accounting answers. While it is down, jobs run and start, and their records wait.",
        or_not_known("min(hpc_stack_slurmdbd_answers)"),
    ),
    _light(
        "MySQL",
        "Whether the database answers. slurmdbd needs it; its own page has more.",
        or_not_known("max(mysql_up)"),
    ),
    Panel(
        title="Node manager",
        about="Whether what starts and ends nodes works. Late: it runs, and for two minutes Slurm "
        "or the platform has not answered it, so no node comes or goes.",
        kind=Kind.LIGHT,
        queries=(Query(expr=_works("node-manager", FLEET_SEEN), legend="Node manager"),),
        unit=Unit.NONE,
        steps=UP_LATE_OR_DOWN_STEPS,
        words=UP_LATE_OR_DOWN,
        empty="not known",
        empty_is_fine=False,
        width=3,
        height=4,
    ),
    Panel(
        title="Job exporter",
        about="Whether finished jobs are counted. Late: it runs, and accounting has not answered "
        "it for five minutes, or not yet; it counts them later, and none is lost.",
        kind=Kind.LIGHT,
        queries=(Query(expr=_works("job-exporter", JOBS_COUNTED), legend="Job exporter"),),
        unit=Unit.NONE,
        steps=UP_LATE_OR_DOWN_STEPS,
        words=UP_LATE_OR_DOWN,
        empty="not known",
        empty_is_fine=False,
        width=3,
        height=4,
    ),
    Panel(
        title="Brake",
        about="On: a pool is stopped after failed starts, and waits for `make resume`. Which one, "
        "and why, is under Nodes and elasticity.",
        kind=Kind.LIGHT,
        queries=(
            Query(
                expr=or_not_known(while_known("max(hpc_stack_pool_brake)", FLEET_SEEN)),
                legend="Brake",
            ),
        ),
        unit=Unit.NONE,
        steps=BAD_FROM_ONE,
        words=((0.0, "off"), (1.0, "on"), (NOT_KNOWN, "not known")),
        empty="not known",
        empty_is_fine=False,
        width=3,
        height=4,
    ),
    Panel(
        title="Nodes out of service",
        about="Nodes that are down, drained or failed. Their reasons are under Nodes and "
        "elasticity.",
        kind=Kind.LIGHT,
        queries=(
            Query(
                expr=or_not_known(
                    while_known('sum(hpc_stack_nodes{state="out of service"})', FLEET_SEEN)
                ),
                legend="Nodes out of service",
            ),
        ),
        steps=WARN_FROM_ONE,
        words=((0.0, "none"), (NOT_KNOWN, "not known")),
        empty="not known",
        empty_is_fine=False,
        width=3,
        height=4,
    ),
    Panel(
        title="Silent services",
        about="Services, nodes aside, that do not tell Prometheus how they are. What this page "
        "says of them is then not known. They are named under Host and monitoring.",
        kind=Kind.LIGHT,
        queries=(Query(expr=f"sum(up{{{_SERVICES}}} == bool 0)", legend="Silent services"),),
        steps=BAD_FROM_ONE,
        words=((0.0, "none"),),
        empty="nothing is measured",
        empty_is_fine=False,
        width=3,
        height=4,
    ),
)

_NUMBERS = (
    Panel(
        title="Running jobs",
        about="Jobs that run now.",
        kind=Kind.NUMBER,
        queries=(Query(expr="max(slurm_jobs_running)", legend="running"),),
        empty=_NO_SLURMCTLD,
        empty_is_fine=False,
        width=4,
        height=4,
    ),
    Panel(
        title="Pending jobs",
        about="Jobs that wait, for whatever reason. The reasons are under Queue and scheduling.",
        kind=Kind.NUMBER,
        queries=(Query(expr="max(slurm_jobs_pending)", legend="pending"),),
        empty=_NO_SLURMCTLD,
        empty_is_fine=False,
        width=4,
        height=4,
    ),
    Panel(
        title="Live nodes",
        about="Nodes that have a machine or container now, whatever they do.",
        kind=Kind.NUMBER,
        queries=(Query(expr=while_known("sum(hpc_stack_instances)", FLEET_SEEN), legend="nodes"),),
        empty=NO_ROUND,
        empty_is_fine=False,
        width=4,
        height=4,
    ),
    Panel(
        title="CPUs in jobs",
        about="Share of the live nodes' CPUs that jobs hold. The rest is paid for and idle.",
        kind=Kind.NUMBER,
        queries=(
            Query(
                expr=or_zero(
                    f"sum(slurm_node_cpus_alloc) / ({LIVE_CPUS} > 0)",
                    f"{FLEET_SEEN} * {answers('slurm-nodes', 'slurm-partitions')}",
                ),
                legend="allocated",
            ),
        ),
        unit=Unit.SHARE,
        empty=f"{NO_ROUND}, or slurmctld is down",
        empty_is_fine=False,
        width=4,
        height=4,
    ),
    Panel(
        title="Cost an hour",
        about="What the live nodes cost an hour, at the prices in the settings.",
        kind=Kind.NUMBER,
        queries=(Query(expr=_COST_AN_HOUR, legend="dollars an hour"),),
        unit=Unit.DOLLARS,
        empty=NO_ROUND,
        empty_is_fine=False,
        width=4,
        height=4,
    ),
    Panel(
        title="Spent this month",
        about="What all nodes have cost since the month began (UTC).",
        kind=Kind.NUMBER,
        queries=(Query(expr=SPENT, legend="dollars"),),
        unit=Unit.DOLLARS,
        empty=NO_ROUND,
        empty_is_fine=False,
        width=4,
        height=4,
    ),
)

_OVER_TIME = (
    Panel(
        title="Running and pending jobs",
        about="Pending jobs that stay, beside nodes that do not come, are worth a look at Queue "
        "and scheduling.",
        kind=Kind.LINES,
        queries=(
            Query(expr="max(slurm_jobs_running)", legend="running"),
            Query(expr="max(slurm_jobs_pending)", legend="pending"),
        ),
        empty=_NO_SLURMCTLD,
        empty_is_fine=False,
        width=7,
    ),
    Panel(
        title="CPUs",
        about="CPUs in jobs, of the live nodes, and of all nodes that the settings allow. The "
        "space between the first two is paid for and idle.",
        kind=Kind.LINES,
        queries=(
            Query(expr="sum(slurm_node_cpus_alloc)", legend="in jobs"),
            Query(expr=LIVE_CPUS, legend="of live nodes"),
            Query(expr="sum(slurm_node_cpus)", legend="at most"),
        ),
        empty=_NO_SLURMCTLD,
        empty_is_fine=False,
        width=7,
    ),
    Panel(
        title="Cost an hour over time",
        about="What the live nodes cost an hour. It should follow the load, and fall when the "
        "queue is empty.",
        kind=Kind.LINES,
        queries=(Query(expr=_COST_AN_HOUR, legend="dollars an hour"),),
        unit=Unit.DOLLARS,
        empty=NO_ROUND,
        empty_is_fine=False,
        width=7,
    ),
)

FIRING = Panel(
    title="Alerts",
    about="What is being reported now. Each alert says what to do.",
    kind=Kind.TABLE,
    queries=(
        or_nothing(
            "count by (alertname, severity)"
            f' (ALERTS{{alertstate="firing", alertname!="{WATCHDOG}"}})',
            RULES.answers,
            "alertname",
            "no alert",
            "{{alertname}}",
        ),
    ),
    columns=(("alertname", "alert"), ("severity", "severity")),
    value_heading="times",
    empty="not known: rules are not evaluated",
    empty_is_fine=False,
    width=21,
    height=6,
)

_RULES = Panel(
    title="Alert rules",
    about="Whether Prometheus evaluates them, by the alert that always fires. While it does not, "
    "no alert comes, whatever happens.",
    kind=Kind.LIGHT,
    queries=(Query(expr=or_not_known(RULES.answers), legend="Alert rules"),),
    unit=Unit.NONE,
    steps=GOOD_FROM_ONE,
    words=((1.0, "evaluated"), (NOT_KNOWN, "not evaluated")),
    tells_of_sources=True,
    empty="not evaluated",
    empty_is_fine=False,
    width=3,
    height=6,
)

OVERVIEW = Dashboard(
    uid="hpc-overview",
    title="Overview",
    about="Whether the cluster works, what it does and what it costs.",
    rows=(
        row("Does it work?", _LIGHTS),
        row("Load", _NUMBERS),
        row("Over time", _OVER_TIME),
        row("What is wrong", (FIRING, _RULES)),
    ),
)
