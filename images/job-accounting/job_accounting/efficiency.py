"""What a job asked for, used and wasted, and what to ask for next time. Pure.

Advice is given only where it would save much and is safe: what a job was seen to use, with room.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from job_accounting.records import Job
from job_accounting.words import duration, memory, percent

MEANINGFUL_SECONDS = 10
"""A job that ran for less did little besides starting."""
MEANINGFUL_GPU_SECONDS = 300
"""GPUs are looked at every 30 s or more often: of a shorter job, too seldom to advise by it."""

_MUCH = 0.5  # used less than this share: worth a hint
_ROOM = 1.25
_MIB = 1 << 20
_GIB = 1 << 30
_WORTH_MEMORY = 512 * _MIB
_WORTH_SECONDS = 3600
_LITTLE_OF_TIME = 0.25
_TIMES = (300, 600, 900, 1800, 3600, 7200, 4 * 3600, 8 * 3600, 12 * 3600)


@dataclass(frozen=True, kw_only=True)
class Use:
    """Of one resource: what the job had, and how much of that it used; None: not known."""

    asked: float
    used: float | None

    @property
    def share(self) -> float | None:
        """The part that was used, 0 to 1."""
        if self.used is None or self.asked <= 0:
            return None
        return min(1.0, self.used / self.asked)

    @property
    def wasted(self) -> float | None:
        """The part that was not used, 0 to 1."""
        return None if self.share is None else 1 - self.share


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """`cpus` in CPUs (used: busy on average), `memory` in bytes (used: the peak), `time` in
    seconds of its limit, `gpus` in GPUs (used: see Job.gpu_utilisation). None: it had none.
    """

    seconds: float
    """How long it ran."""
    cpus: Use | None
    memory: Use | None
    time: Use | None
    gpus: Use | None
    hints: tuple[str, ...]


def efficiency(job: Job, now: float) -> Efficiency:
    """How well a run of a job used what it had.

    Slurm says what a job used when its steps end, so of one that still runs only the time is known.
    """
    seconds = job.run_seconds(now)
    known = job.ended and seconds > 0
    busy = job.cpu_seconds_used / seconds if known else None
    peak = float(job.peak_memory_bytes) if known and job.peak_memory_bytes else None
    at_work = job.gpu_utilisation * job.gpus if known and job.gpu_utilisation is not None else None
    return Efficiency(
        seconds=seconds,
        cpus=Use(asked=job.cpus, used=busy) if job.cpus else None,
        memory=Use(asked=job.memory_bytes, used=peak) if job.memory_bytes else None,
        time=Use(asked=job.time_limit_seconds, used=seconds) if job.time_limit_seconds else None,
        gpus=Use(asked=job.gpus, used=at_work) if job.gpus else None,
        hints=tuple(_hints(job, seconds, busy)),
    )


def _hints(job: Job, seconds: float, busy: float | None) -> Iterator[str]:
    if job.start is None:
        return
    yield from _why_it_ended(job)
    if not job.ended:
        yield "still running: what it uses is known when it ends"
    elif seconds < MEANINGFUL_SECONDS:
        yield f"ran {duration(seconds)}: too short for its numbers to mean anything"
    else:
        if busy is not None:
            yield from _cpu_hint(job, busy)
        yield from _memory_hint(job)
        yield from _gpu_hint(job, seconds)
        yield from _time_hint(job, seconds)


def _why_it_ended(job: Job) -> Iterator[str]:
    if job.state == "out_of_memory":
        limit = job.memory_bytes / max(1, len(job.nodes))
        yield (
            f"killed at its memory limit of {memory(limit)} a node: ask for more than "
            f"--mem={_mem(limit)}"
        )
    elif job.state == "timeout" and job.time_limit_seconds:
        yield (
            f"killed at its time limit of {duration(job.time_limit_seconds)}: ask for a longer "
            f"--time, or save its state in between"
        )
    elif job.state in ("node_fail", "preempted", "requeued"):
        yield "lost its node, or had to give it up: a job that saves its state loses less by that"


def _cpu_hint(job: Job, busy: float) -> Iterator[str]:
    # Slurm gives whole cores, so a job may have got more than it asked for.
    asked = min(job.cpus, job.asked_cpus or job.cpus)
    enough = max(1, math.ceil(busy - 0.05))
    if enough >= asked or busy >= _MUCH * asked:
        return
    advice = (
        "ask for fewer tasks or CPUs"
        if job.tasks > 1 or len(job.nodes) > 1
        else f"ask for --cpus-per-task={enough}"
    )
    yield f"asked for {asked} CPUs and kept {busy:.1f} of them busy: {advice}"


def _memory_hint(job: Job) -> Iterator[str]:
    if job.peak_memory_bytes is None or job.state == "out_of_memory":
        return
    # What all tasks had at one time was not seen: as much as the largest, each, is enough.
    largest = (job.peak_task_memory_bytes or 0) * job.tasks
    nodes = max(1, len(job.nodes))
    needed = _ROOM * max(job.peak_memory_bytes, largest) / nodes
    asked = job.memory_bytes / nodes
    step = _GIB if asked >= 4 * _GIB else 256 * _MIB
    enough = max(1, math.ceil(needed / step)) * step
    if enough <= asked - _WORTH_MEMORY and job.peak_memory_bytes < _MUCH * job.memory_bytes:
        yield (
            f"peak memory {memory(job.peak_memory_bytes)} of {memory(job.memory_bytes)} asked: "
            f"--mem={_mem(enough)}{' (a node)' if nodes > 1 else ''}"
        )


def _gpu_hint(job: Job, seconds: float) -> Iterator[str]:
    utilisation = job.gpu_utilisation
    if not job.gpus or utilisation is None or utilisation >= _MUCH:
        return
    if seconds < MEANINGFUL_GPU_SECONDS:
        return
    # A mean does not say how many would have been enough at any one time.
    if utilisation == 0:
        advice = "ask for none"
    elif job.gpus > 1:
        advice = "fewer may be enough, or it waits for its input"
    else:
        advice = "it may be waiting for its input"
    yield f"kept its GPUs {percent(utilisation)} busy: {advice}"


def _time_hint(job: Job, seconds: float) -> Iterator[str]:
    limit = job.time_limit_seconds
    if job.state != "completed" or limit is None:
        return
    if seconds > _LITTLE_OF_TIME * limit or limit - seconds < _WORTH_SECONDS:
        return
    enough = next((time for time in _TIMES if time >= 2 * seconds), None)
    such_as = f", such as --time={_slurm_time(enough)}," if enough and enough < limit else ""
    yield (
        f"ran {duration(seconds)} of a limit of {duration(limit)}: a shorter --time{such_as} "
        "starts sooner"
    )


def _mem(size: float) -> str:
    """As sbatch takes it."""
    if size >= _GIB and size % _GIB == 0:
        return f"{size / _GIB:.0f}G"
    return f"{size / _MIB:.0f}M"


def _slurm_time(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds % 3600 // 60:02d}:00"
