"""GPUs: what Slurm gives away, and what the GPUs do meanwhile (NVIDIA's dcgm-exporter)."""

from config.panels.absence import answers, or_nothing
from config.panels.model import Colour, Dashboard, Kind, Needs, Panel, Query, Step, Unit
from config.panels.rows import row

_HERE = 'pool=~"$pool"'
_HELD = f'DCGM_FI_DEV_GPU_UTIL{{{_HERE}, hpc_job!=""}}'
_NO_NODE = "no GPU reports"
_NO_SLURMCTLD = "slurmctld does not answer"
_MIB = "1048576"
_HOT = (
    Step(value=None, colour=Colour.GREEN),
    Step(value=80, colour=Colour.YELLOW),
    Step(value=90, colour=Colour.RED),
)


def _lines(
    title: str,
    about: str,
    expr: str,
    unit: Unit,
    steps: tuple[Step, ...] = (),
    *,
    width: int = 12,
) -> Panel:
    return Panel(
        title=title,
        about=about,
        kind=Kind.LINES,
        queries=(Query(expr=expr, legend="{{node}}"),),
        unit=unit,
        steps=steps,
        empty=_NO_NODE,
        needs=Needs.GPUS,
        width=width,
    )


_ALLOCATED = (
    Panel(
        title="GPUs in jobs now",
        about="GPUs that jobs hold.",
        kind=Kind.NUMBER,
        queries=(Query(expr="sum(slurm_node_gpus_alloc)", legend="GPUs"),),
        empty=_NO_SLURMCTLD,
        empty_is_fine=False,
        needs=Needs.GPUS,
        width=4,
    ),
    Panel(
        title="GPUs that are up",
        about="GPUs of live nodes that report what they do.",
        kind=Kind.NUMBER,
        queries=(Query(expr=f"count(DCGM_FI_DEV_GPU_UTIL{{{_HERE}}})", legend="GPUs"),),
        empty=_NO_NODE,
        needs=Needs.GPUS,
        width=4,
    ),
    Panel(
        title="GPUs over time",
        about="GPUs in jobs, and all that the settings allow.",
        kind=Kind.LINES,
        queries=(
            Query(expr="sum(slurm_node_gpus_alloc)", legend="in jobs"),
            Query(expr="sum(slurm_node_gpus)", legend="at most"),
        ),
        empty=_NO_SLURMCTLD,
        empty_is_fine=False,
        needs=Needs.GPUS,
        width=7,
    ),
    Panel(
        title="Held and idle GPUs",
        about="GPUs that a job holds and has used less than 5 % of the last half hour. Tell the "
        "job's owner: it waits for something, or does not use its GPU at all.",
        kind=Kind.TABLE,
        queries=(
            Query(
                expr="max by (node, gpu, hpc_job) (avg_over_time("
                f"{_HELD}[30m])) / 100 < 0.05"
                # Jobs that have just begun have had no time to use it.
                f" and on (node, gpu, hpc_job) {_HELD} offset 30m",
                legend="{{node}} {{gpu}}",
            ),
        ),
        columns=(("node", "node"), ("gpu", "GPU"), ("hpc_job", "job")),
        value_heading="used",
        unit=Unit.SHARE,
        empty="none, or no GPU reports",
        needs=Needs.GPUS,
        width=6,
    ),
)

_DOING = (
    _lines(
        "GPU use by node",
        "Share of time in which a GPU did anything, the mean of a node's GPUs.",
        f"avg by (node) (DCGM_FI_DEV_GPU_UTIL{{{_HERE}}}) / 100",
        Unit.SHARE,
        width=11,
    ),
    Panel(
        title="GPU use by job",
        about="Mean of the GPUs of each running job now.",
        kind=Kind.BARS,
        queries=(
            Query(
                expr=f"topk(30, avg by (hpc_job) ({_HELD}) / 100)",
                legend="job {{hpc_job}}",
            ),
        ),
        unit=Unit.SHARE,
        empty="no job has a GPU",
        needs=Needs.GPUS,
        width=10,
    ),
    _lines(
        "GPU memory by node",
        "Memory in use of all GPUs of a node.",
        f"sum by (node) (DCGM_FI_DEV_FB_USED{{{_HERE}}}) * {_MIB}",
        Unit.BYTES,
    ),
    _lines(
        "GPU temperature",
        "The hottest GPU of each node. Near 90 degrees GPUs slow down.",
        f"max by (node) (DCGM_FI_DEV_GPU_TEMP{{{_HERE}}})",
        Unit.CELSIUS,
        _HOT,
    ),
    _lines(
        "GPU power",
        "What all GPUs of a node draw. A GPU that is busy and draws little waits for memory.",
        f"sum by (node) (DCGM_FI_DEV_POWER_USAGE{{{_HERE}}})",
        Unit.WATTS,
    ),
    Panel(
        title="GPU errors (XID)",
        about="The last error that NVIDIA's driver reported for a GPU. 13, 31 and 43 are mostly a "
        "program's; 48, 63, 64, 74, 79, 94 and 95 are the hardware's: drain the node.",
        kind=Kind.TABLE,
        queries=(
            or_nothing(
                f"max by (node, gpu) (DCGM_FI_DEV_XID_ERRORS{{{_HERE}}}) > 0",
                answers("gpu"),
                "node",
                "none",
                "{{node}} {{gpu}}",
            ),
        ),
        columns=(("node", "node"), ("gpu", "GPU")),
        value_heading="XID",
        unit=Unit.NONE,
        empty=_NO_NODE,
        needs=Needs.GPUS,
    ),
)

GPUS = Dashboard(
    uid="hpc-gpus",
    title="GPUs",
    about="What Slurm gives away, and what the GPUs do meanwhile.",
    rows=(
        row("Who has GPUs", _ALLOCATED),
        row("What GPUs do", _DOING),
    ),
    variables=("pool",),
    variable_source="DCGM_FI_DEV_GPU_UTIL",
)
