"""Jobs as accounting knows them: what sacct prints, read into `Job`. No command is run here.

sacct prints a line for each allocation, followed by lines for its steps, of which only what they
used is of interest. A job that was requeued or resized has several allocations with one id.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from job_accounting.hostlist import expand

FIELDS = (
    "JobIDRaw",
    "JobID",
    "User",
    "Account",
    "Partition",
    "QOS",
    "State",
    "ExitCode",
    "Submit",
    "Eligible",
    "Start",
    "End",
    "TimelimitRaw",
    "NodeList",
    "AllocTRES",
    "ReqTRES",
    "TotalCPU",
    "NTasks",
    "TRESUsageInMax",
    "TRESUsageInTot",
    "JobName",
)
"""The words for sacct's --format. The name is last: users choose it, with any character in it."""

ENDED_STATES = frozenset(
    {
        "boot_fail",
        "cancelled",
        "completed",
        "deadline",
        "failed",
        "node_fail",
        "out_of_memory",
        "preempted",
        "requeued",
        "resizing",
        "revoked",
        "timeout",
    }
)
"""States of an allocation that is over. After `requeued` and `resizing`, another one of the same id
may follow."""

_MULTIPLES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)([KMGTP]?)")
# [days-][hours:]minutes:seconds[.fraction]
_DURATION = re.compile(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+(?:\.\d+)?)")


@dataclass(frozen=True, kw_only=True)
class Job:
    """One allocation of a job: a job that was requeued or resized has several of one id.

    Times are seconds since the epoch; None: not yet, or never. What was allocated (`cpus`,
    `memory_bytes`, `gpus`) is over all nodes, and 0 before the start.
    """

    id: str
    """Slurm's number, unique also within an array."""
    name_id: str
    """The id as people see it, such as 12, 12_3 (of an array) or 12+1 (of a heterogeneous job)."""
    name: str = ""
    user: str
    account: str
    partition: str
    qos: str
    state: str
    """Slurm's first word in lower case: completed, out_of_memory, cancelled, running ..."""
    exit_code: int = 0
    exit_signal: int = 0
    """The signal that ended it; 0: none."""
    submit: int | None
    eligible: int | None
    start: int | None
    end: int | None
    time_limit_seconds: int | None = None
    """None: no limit."""
    nodes: tuple[str, ...] = ()
    cpus: int = 0
    memory_bytes: int = 0
    gpus: int = 0
    asked_cpus: int = 0
    asked_memory_bytes: int = 0
    tasks: int = 1
    """Tasks of its largest step, as far as steps were asked for."""
    cpu_seconds_used: float = 0.0
    """Of steps that have ended; 0 where steps were not asked for."""
    peak_memory_bytes: int | None = None
    """Memory that its largest step was seen to have; None: nobody looked, as in very short jobs.

    Slurm looks now and then, and keeps the most of any task and what all tasks had last: of several
    tasks this is the larger of the two, so they may have had more at one time, but not less.
    """
    peak_task_memory_bytes: int | None = None
    """The most that any one task was seen to have; None: nobody looked."""
    stepless: bool = False
    """Whether steps were asked for and there is none: its nodes never came, so it never began."""
    gpu_utilisation: float | None = None
    """Share of its GPUs that was busy, 0 to 1; None: not measured.

    Where Slurm measures it, when they were busiest; where Prometheus does (`gpu_use`), on average.
    """

    @property
    def ended(self) -> bool:
        """Whether this allocation is over."""
        return self.state in ENDED_STATES

    def run_seconds(self, now: float) -> float:
        """How long it ran, until `now` if it still does; 0 if it has not started."""
        if self.start is None:
            return 0.0
        return max(0.0, (now if self.end is None else self.end) - self.start)

    def wait_seconds(self, now: float) -> float:
        """How long it waited since it could have started; 0 where that is not known."""
        until = self.start if self.start is not None else self.end
        if self.eligible is None:
            return 0.0
        return max(0.0, (now if until is None else until) - self.eligible)


def parse(text: str, delimiter: str = "|", *, steps: bool = False) -> list[Job]:
    """The jobs of sacct's answer, in its order.

    It is that of `sacct --parsable2 --noheader --noconvert --format=<FIELDS>`, with
    SLURM_TIME_FORMAT=%s in its environment. Lines that are no record are left out. Where others'
    jobs are read, the delimiter must be one that no job's name can contain: a name may hold line
    ends too, and with a known delimiter whole records. `steps`: those of all jobs are in it.
    """
    groups: list[tuple[dict[str, str], list[dict[str, str]]]] = []
    for line in text.split("\n"):
        values = line.split(delimiter, len(FIELDS) - 1)
        if len(values) != len(FIELDS):
            continue
        row = dict(zip(FIELDS, values, strict=True))
        number, _, step = row["JobIDRaw"].partition(".")
        if not number.isdecimal():
            continue
        if not step:
            groups.append((row, []))
        elif groups and groups[-1][0]["JobIDRaw"] == number:
            groups[-1][1].append(row)
    return [
        _job(row, [_Step.of(step) for step in its], stepless=steps and not its)
        for row, its in groups
    ]


def _job(row: Mapping[str, str], measured: Sequence["_Step"], *, stepless: bool) -> Job:
    allocated, asked = _tres(row["AllocTRES"]), _tres(row["ReqTRES"])
    gpus = _gpus(allocated)
    nodes = expand(row["NodeList"])
    end = _time(row["End"])
    # One that was cancelled in the queue has no nodes; sacct may then call its end its start.
    start = _time(row["Start"]) if nodes else None
    code, _, signal = row["ExitCode"].partition(":")
    return Job(
        id=row["JobIDRaw"],
        name_id=row["JobID"],
        name=_printable(row["JobName"]),
        user=row["User"],
        account=row["Account"],
        partition=row["Partition"],
        qos=row["QOS"],
        state=(row["State"].split() or ["unknown"])[0].lower().rstrip("+"),
        exit_code=_count(code),
        exit_signal=_count(signal),
        submit=_time(row["Submit"]),
        eligible=_time(row["Eligible"]),
        start=start,
        end=end if start is None or end is None else max(start, end),
        time_limit_seconds=_limit(row["TimelimitRaw"]),
        nodes=nodes,
        cpus=int(allocated.get("cpu", 0)),
        memory_bytes=int(allocated.get("mem", 0)),
        gpus=gpus,
        asked_cpus=int(asked.get("cpu", 0)),
        asked_memory_bytes=int(asked.get("mem", 0)),
        tasks=max((step.tasks for step in measured), default=1),
        cpu_seconds_used=_seconds(row["TotalCPU"]),
        peak_memory_bytes=int(max((step.memory for step in measured), default=0)) or None,
        peak_task_memory_bytes=int(max((step.task_memory for step in measured), default=0)) or None,
        stepless=stepless,
        gpu_utilisation=_utilisation(measured, gpus),
    )


@dataclass(frozen=True, kw_only=True)
class _Step:
    tasks: int
    task_memory: float
    memory: float
    gpu_percent: float | None

    @classmethod
    def of(cls, row: Mapping[str, str]) -> "_Step":
        # "Max" is the most of any task at any time. "Tot" is all tasks' last values, not their
        # largest (jag_common_poll_data in Slurm's source), so it may be below "Max".
        largest, total = _tres(row["TRESUsageInMax"]), _tres(row["TRESUsageInTot"])
        memory = largest.get("mem", 0.0)
        return cls(
            tasks=max(1, _count(row["NTasks"])),
            task_memory=memory,
            memory=max(memory, total.get("mem", 0.0)),
            gpu_percent=largest.get("gres/gpuutil"),
        )


def _tres(text: str) -> dict[str, float]:
    """`cpu=2,mem=1500M,gres/gpu:l4=1` by name; bytes where it is memory. Odd parts are left out."""
    found = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        if match := _QUANTITY.fullmatch(value):
            found[name] = float(match[1]) * _MULTIPLES[match[2]]
    return found


def _gpus(tres: Mapping[str, float]) -> int:
    # Those of a type are counted again under the plain name, where Slurm tracks that.
    typed = sum(value for name, value in tres.items() if name.startswith("gres/gpu:"))
    return int(max(tres.get("gres/gpu", 0), typed))


def _utilisation(steps: Iterable[_Step], gpus: int) -> float | None:
    # Per cent of one GPU, added up over those of a task.
    busy = [step.gpu_percent * step.tasks for step in steps if step.gpu_percent is not None]
    if not busy or not gpus:
        return None
    return min(1.0, max(busy) / 100 / gpus)


def _time(text: str) -> int | None:
    return (int(text) or None) if text.isdecimal() else None


def _count(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _limit(minutes: str) -> int | None:
    return int(minutes) * 60 if minutes.isdecimal() else None


def _seconds(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if match is None:
        return 0.0
    days, hours, minutes, seconds = match.groups()
    return int(days or 0) * 86400 + int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)


def _printable(name: str) -> str:
    # It is shown on other people's terminals.
    return "".join(char if char.isprintable() else "?" for char in name)
