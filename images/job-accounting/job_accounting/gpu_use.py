"""How busy jobs' GPUs were where accounting does not know it: what Prometheus was told by DCGM.

On AWS, dcgm-exporter's metrics bear the id of the job that has the GPU. Runs of one job share its
id, so each is asked for by its own time.
"""

import json
import os
import time
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from job_accounting.records import Job

QUERY_TIMEOUT = 2.0
"""After which Prometheus gives a query up."""
TIMEOUT = 3.0
"""After which we do. Longer, so that it can still say so."""
LONGEST_SECONDS = 30.0
"""For all jobs together."""
STALE_SECONDS = 30
"""dcgm-exporter looks at the GPUs so often, so what it first says may be of the time before the
job: its interval, unless it is told another one."""

PARTS = 10
"""Of a job's time: it is known by most of them, in each of which all of its GPUs were seen."""
PART_SECONDS = 120
"""No part of several is shorter: the longest `monitoring.scrape_seconds`, so that Prometheus looks
at least once in each."""

_ADDRESS_FILE = "/run/hpc-stack/prometheus"
_ANSWER_BYTES = 1 << 16
_OF_THE_QUERY = ("timeout", "execution")
"""Errors that a query has by itself: https://prometheus.io/docs/prometheus/latest/querying/api/."""


def prometheus() -> str | None:
    """Where Prometheus is, as HOST:PORT, where the login node was told; None: not to be asked.

    HPC_STACK_PROMETHEUS names another file than start-login's.
    """
    try:
        text = Path(os.environ.get("HPC_STACK_PROMETHEUS", _ADDRESS_FILE)).read_text()
    except (OSError, ValueError):
        return None
    return text.strip() or None


@dataclass(frozen=True, kw_only=True)
class _Question:
    """`words`: for Prometheus' interface. `parts`: in how many values it answers at most."""

    words: dict[str, str]
    parts: int


class _Refused(Exception):
    """Prometheus cannot answer this query, and others maybe can be."""


class GpuUse:
    """Asks for one job after the other until it gets no answer: who asks later makes another one.

    A query that Prometheus refuses for itself, being too much, is answered: the job is not known.
    `trouble`: why it asks no more. `answered`: whether it got an answer.
    """

    def __init__(self, address: str | None) -> None:
        """`address`: HOST:PORT of Prometheus; None: nobody is asked."""
        self._address = address
        self._until = time.monotonic() + LONGEST_SECONDS
        self.trouble: str | None = None
        self.answered = False

    def of(self, job: Job) -> Job:
        """The job with its `gpu_utilisation`, as it was where that is known or cannot be known."""
        question = _question(job)
        if question is None or self._address is None or self.trouble is not None:
            return job
        if time.monotonic() > self._until:
            self.trouble = f"tells of fewer jobs in {LONGEST_SECONDS:g} s than there are"
            return job
        try:
            percent = _percent(_ask(self._address, question.words), question.parts)
        except _Refused:
            percent = None
        except (OSError, HTTPException) as error:
            self.trouble = str(error) or type(error).__name__
            return job
        except (ValueError, LookupError, TypeError):
            self.trouble = "answers what is none of its answers"
            return job
        self.answered = True
        return job if percent is None else replace(job, gpu_utilisation=percent / 100)


def _question(job: Job) -> _Question | None:
    """None: there is nothing to ask about this job."""
    if not job.gpus or job.gpu_utilisation is not None or job.start is None or job.end is None:
        return None
    seconds = job.end - job.start - STALE_SECONDS
    if seconds <= 0:
        return None
    parts = min(PARTS, max(1, seconds // PART_SECONDS))
    part = seconds // parts
    seen = f'DCGM_FI_DEV_GPU_UTIL{{hpc_job="{job.id}"}}[{part}s]'
    # Not a mean of means: one look at a GPU that an earlier run had weighs no more than one.
    mean = f"sum(sum_over_time({seen})) / sum(count_over_time({seen}))"
    # Only if all of its GPUs were seen: those of a node without its exporter may have been idle.
    query = f"{mean} and count(count_over_time({seen})) >= {job.gpus}"
    first = job.end - (parts - 1) * part
    times = {"start": str(first), "end": str(job.end), "step": str(part)}
    words = {"query": query, **times, "timeout": f"{QUERY_TIMEOUT:g}"}
    return _Question(words=words, parts=parts)


def _ask(address: str, words: dict[str, str]) -> Any:
    """What Prometheus answers. Raises _Refused, OSError, HTTPException or ValueError."""
    # Unlike urllib.request, this takes no proxy from the caller's environment.
    connection = HTTPConnection(address, timeout=TIMEOUT)
    try:
        connection.request("GET", f"/api/v1/query_range?{urlencode(words)}")
        answer = connection.getresponse()
        body = answer.read(_ANSWER_BYTES)
    finally:
        connection.close()
    if answer.status == 200:
        return json.loads(body)
    if _is_of_the_query(body):
        raise _Refused
    raise HTTPException(f"answers {answer.status} {answer.reason}")


def _is_of_the_query(refusal: bytes) -> bool:
    """Whether others may be answered. One that is not ready says so in words, not in JSON."""
    try:
        document = json.loads(refusal)
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("errorType") in _OF_THE_QUERY


def _percent(document: Any, parts: int) -> float | None:
    """The mean of a job's parts. None: most of them were not seen.

    Raises ValueError, LookupError or TypeError for what is no answer of Prometheus.
    """
    found = document["data"]["result"]
    values = [float(value) for _, value in found[0]["values"]] if found else []
    # DCGM says a huge number where it knows nothing.
    known = [value for value in values if 0 <= value <= 100]
    return sum(known) / len(known) if 2 * len(known) > parts else None
