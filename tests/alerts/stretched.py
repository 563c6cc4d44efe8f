"""What nobody does to a live cluster, or what lasts longer than its session: the values that one
measured at one moment, changed by a fault, for as long as it takes until somebody is told.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from config.alerts import ALERT_GROUPS, Alert
from tests.alerts.promtool import notation, rules_file
from tests.alerts.recorded import Course, Recording

Change = Callable[[float, float], float | None]
"""A value, or none, by the measured one and the seconds since the fault began."""

Shown = Callable[[float], float | None]

BEGINS = 60
"""Minutes of calm before a fault, and at least after it."""


@dataclass(frozen=True, kw_only=True)
class Stretched:
    """A fault, and the alert that tells of it."""

    alert: str
    why: str
    """It was not done to the live cluster for its whole time."""
    fires: int
    """Minutes after its beginning by when the alert fires."""
    over: int
    """Minutes after its end by when the alert has ended."""
    since: str = ""
    """The moment: when this alert began on the live cluster; empty: while all was well."""
    shows: Mapping[str, Change] = field(default_factory=dict)
    """What is other than at that moment, by the beginnings of series."""
    step: int = 1
    """Minutes between two measurements, and between two looks at the rules."""


def _of(share: float) -> Change:
    return lambda value, _: value * share


def _is(value: float) -> Change:
    return lambda *_: value


def _growing(per_second: float) -> Change:
    return lambda value, seconds: value + per_second * seconds


_LOOKS_BACK = "it fired on the live cluster, and looks back for too long to be seen to end"
_MACHINES = "nodes that are machines of their own"
_NO_MEMORY = "a machine without memory"
_MANY_JOBS = "many thousand jobs"

STRETCHED = (
    Stretched(
        alert="JobsUnpriced",
        why=_LOOKS_BACK,
        since="JobsUnpriced",
        fires=1,
        over=125,
    ),
    Stretched(
        alert="NodeKeepsFailing",
        why=_LOOKS_BACK,
        since="NodeKeepsFailing",
        fires=65,
        over=25,
    ),
    Stretched(
        alert="MemoryNearlyFull",
        why=_NO_MEMORY,
        shows={"node_memory_MemAvailable_bytes": _of(0.05)},
        fires=12,
        over=5,
    ),
    Stretched(
        alert="HostSwapping",
        why=_NO_MEMORY,
        shows={"node_vmstat_pswpin": _growing(400), "node_vmstat_pswpout": _growing(200)},
        fires=40,
        over=20,
    ),
    Stretched(
        alert="InodesNearlyFull",
        why="a disk with a hundred million files",
        shows={"node_filesystem_files_free": _of(0.02)},
        fires=17,
        over=5,
    ),
    Stretched(
        alert="DiskFullIn24Hours",
        why="a disk that has filled for hours",
        # Full in 30 hours, as it begins; less than 40 % of that disk was free anyway.
        shows={"node_filesystem_avail_bytes": lambda value, s: value * (1 - s / 3600 / 30)},
        fires=8 * 60,
        over=7 * 60,
        step=10,
    ),
    Stretched(
        alert="NodeDrainedLong",
        why="a node that is out for days",
        since="NodeDrainedLong",
        fires=73 * 60,
        over=10,
        step=5,
    ),
    Stretched(
        alert="PoolClosedLong",
        why="a platform that has no machines for an hour",
        since="LaunchesFailing",
        shows={
            r'hpc_stack_pool_closed\{capacity="on_demand",.*pool="taken"': _is(1),
            r'hpc_stack_launch_failures_total\{.*pool="taken"': _growing(1 / 900),
        },
        fires=75,
        over=90,
        step=5,
    ),
    Stretched(
        alert="SchedulerSlow",
        why=_MANY_JOBS,
        shows={"slurm_schedule_cycle_last": _is(3e6)},
        fires=25,
        over=20,
    ),
    Stretched(
        alert="BackfillSlow",
        why=_MANY_JOBS,
        shows={"slurm_bf_cycle_last": _is(2e7)},
        fires=45,
        over=30,
    ),
    Stretched(
        alert="SlurmdbdQueueFilling",
        why=_MANY_JOBS,
        shows={"slurm_slurmdbd_queue_size": _is(60_000)},
        fires=1,
        over=5,
    ),
)


STRETCHED_OF_MACHINES = (
    Stretched(
        alert="NodeDiskNearlyFull",
        why=_MACHINES,
        shows={r'node_filesystem_avail_bytes\{.*job="node"': _of(0.001)},
        fires=12,
        over=5,
    ),
    Stretched(
        alert="ClockWrong",
        why=_MACHINES,
        shows={r'node_time_seconds\{.*job="node"': lambda value, _: value + 30},
        fires=7,
        over=5,
    ),
    Stretched(
        alert="NodeExporterDown",
        why=_MACHINES,
        shows={r'up\{.*job="node"': _is(0)},
        fires=12,
        over=5,
    ),
    Stretched(
        alert="NodesUnobserved",
        why=_MACHINES,
        shows={r'up\{.*job="node"': lambda *_: None},
        fires=17,
        over=5,
    ),
    Stretched(
        alert="BackupMissing",
        why=_MACHINES,
        shows={"hpc_stack_backup_last_success": lambda value, seconds: value - seconds},
        fires=28 * 60,
        over=60,
        step=5,
    ),
)
"""With what rehearsed machines of AWS measured; their disks are of who rehearses."""


def promtool_test(recording: Recording, fault: Stretched) -> str:
    """Promtool's test: the alert does not fire before its time, fires, and ends."""
    ends = BEGINS + fault.fires + fault.step
    minutes = range(0, ends + max(fault.over, BEGINS), fault.step)
    looks = {BEGINS - fault.step: 0, BEGINS + fault.fires: 1, ends + fault.over: 0}
    if half := fault.fires // 2 // fault.step * fault.step:
        looks[BEGINS + half] = 0
    firing = f'ALERTS{{alertname="{fault.alert}",alertstate="firing"}}'
    (group,) = (name for name, some in ALERT_GROUPS.items() if fault.alert in _names(some))
    return json.dumps(
        {
            "rule_files": [rules_file(group)],
            "evaluation_interval": f"{fault.step}m",
            "tests": [
                {
                    "name": fault.alert,
                    "interval": f"{fault.step}m",
                    "input_series": list(_series(recording, fault, minutes, ends)),
                    "promql_expr_test": [
                        {
                            "expr": f"count({firing}) > bool 0 or vector(0)",
                            "eval_time": f"{minute}m",
                            "exp_samples": [{"labels": "{}", "value": value}],
                        }
                        for minute, value in looks.items()
                    ],
                }
            ],
        }
    )


def _names(alerts: Iterable[Alert]) -> set[str]:
    return {alert.name for alert in alerts}


def _series(
    recording: Recording, fault: Stretched, minutes: range, ends: int
) -> Iterator[dict[str, str]]:
    calm: Mapping[str, Shown] = recording.moment(recording.calm)
    faulty = _changed(_moment(recording, fault.since), fault)
    for name in {**calm, **faulty}:
        courses = ((faulty if BEGINS <= minute < ends else calm).get(name) for minute in minutes)
        values = [
            course(minute * 60.0) if course else None
            for minute, course in zip(minutes, courses, strict=True)
        ]
        yield {"series": name, "values": " ".join(notation(values))}


def _moment(recording: Recording, alert: str) -> dict[str, Course]:
    """When it began; if none is named, while all was well."""
    began = recording.alerts[alert].began if alert else recording.calm
    assert began is not None, f"{alert} has not begun"
    return recording.moment(began)


def _changed(measured: Mapping[str, Course], fault: Stretched) -> dict[str, Shown]:
    found: dict[str, Shown] = dict(measured)
    for beginning, change in fault.shows.items():
        names = [name for name in measured if re.match(beginning, name)]
        assert names, f"{beginning} was not measured"
        found |= {name: _course(measured[name], change) for name in names}
    return found


def _course(measured: Course, change: Change) -> Shown:
    return lambda seconds: change(measured(seconds), seconds - BEGINS * 60)
