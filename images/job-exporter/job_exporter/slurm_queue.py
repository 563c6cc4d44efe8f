"""The queue as squeue prints it: how many jobs wait for what, and which run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from job_accounting.command import Runner
from job_accounting.records import FIELDS, Job, parse

from job_exporter.array_tasks import count
from job_exporter.pending_reason import word
from job_exporter.unreadable import Unreadable

TIMEOUT = 10.0

# squeue's words. None of these values is chosen by a user, so none contains the separator. The
# reason comes last: its text may be anything that slurmctld has to say.
_FIELDS = (
    "JobID",
    "ArrayTaskID",
    "State",
    "UserName",
    "Account",
    "Partition",
    "QOS",
    "SubmitTime",
    "EligibleTime",
    "StartTime",
    "NodeList",
    "tres-alloc",
    "Reason",
)
_SEPARATOR = "|"
COMMAND = (
    # By default squeue cuts the expression of an array's tasks after 64 characters.
    *("env", "SLURM_BITSTR_LEN=0"),
    # Without --states: a state named there is no job that has a flag, such as held after a requeue.
    *("squeue", "--noheader", "--all"),
    # A colon without a width: as wide as needed. Without one, each is cut after 20 characters.
    "--Format=" + ",".join(f"{field}:{_SEPARATOR}" for field in _FIELDS),
)

# Of all states that squeue shows without being asked for others. A job that is CONFIGURING has its
# nodes, which still boot, and its start is yet to be set; one that is COMPLETING has ended.
_WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"})
_RUNNING = frozenset({"RUNNING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING"})

_RECORD_SEPARATOR = "\x1f"


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Jobs of one partition that wait for one reason; each task of an array is a job.

    `eligible`: when the oldest of those that may start became eligible, seconds since the epoch;
    None where all wait for another job or for a time.
    """

    jobs: int
    eligible: int | None


@dataclass(frozen=True, kw_only=True)
class Queue:
    """`waiting` by partition and reason. `running` are the jobs that hold nodes now."""

    waiting: Mapping[tuple[str, str], Waiting]
    running: Sequence[Job]


def read_queue(run: Runner, now: float) -> Queue:
    """Ask slurmctld once. Raises CommandFailed; Unreadable where it answered."""
    return parse_queue(run(COMMAND, TIMEOUT), now)


def parse_queue(text: str, now: float) -> Queue:
    """Read squeue's answer to COMMAND. Raises Unreadable."""
    waiting: dict[tuple[str, str], Waiting] = {}
    running = []
    for line in text.splitlines():
        values = line.split(_SEPARATOR, len(_FIELDS) - 1)
        if len(values) != len(_FIELDS):
            raise Unreadable(f"squeue: a line that is no job: {line[:80]}")
        row = dict(zip(_FIELDS, values, strict=True))
        if row["State"] in _RUNNING:
            running.append(row)
        if row["State"] in _WAITING:
            # A job that may start in one of several partitions is counted in the first.
            key = (first_name(row["Partition"]), word(row["Reason"].rstrip(_SEPARATOR)))
            waiting[key] = _joined(waiting.get(key), row, now)
    return Queue(waiting=waiting, running=_jobs(running))


def first_name(names: str) -> str:
    """The first of a list with commas, as a job's partitions are."""
    return names.partition(",")[0]


def _joined(before: Waiting | None, row: Mapping[str, str], now: float) -> Waiting:
    eligible = int(row["EligibleTime"]) if row["EligibleTime"].isdecimal() else None
    times = [before.eligible if before else None, eligible]
    # With --begin, the time at which a job becomes eligible is yet to come.
    past = [time for time in times if time is not None and 0 < time <= now]
    return Waiting(
        jobs=(before.jobs if before else 0) + count(row["ArrayTaskID"]),
        eligible=min(past, default=None),
    )


def _jobs(rows: Sequence[Mapping[str, str]]) -> list[Job]:
    """The jobs in sacct's words, so that one reader reads what both commands say of a job."""
    lines = []
    for row in rows:
        record = dict.fromkeys(FIELDS, "") | {
            "JobIDRaw": row["JobID"],
            "JobID": row["JobID"],
            "User": row["UserName"],
            "Account": row["Account"],
            "Partition": row["Partition"],
            "QOS": row["QOS"],
            "State": row["State"],
            "Submit": row["SubmitTime"],
            "Eligible": row["EligibleTime"],
            "Start": row["StartTime"],
            "NodeList": row["NodeList"],
            "AllocTRES": row["tres-alloc"],
        }
        lines.append(_RECORD_SEPARATOR.join(record[field] for field in FIELDS))
    return parse("\n".join(lines), _RECORD_SEPARATOR)
