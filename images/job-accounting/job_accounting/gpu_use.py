"""How busy jobs' GPUs were where accounting does not know it: what Prometheus was told by DCGM.

On AWS, dcgm-exporter's metrics bear the id of the job that has the GPU. Runs of one job share its
id, so each is asked for by its own time.
"""

import json
import os
import time
from dataclasses import replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from job_accounting.records import Job

TIMEOUT = 2.0
LONGEST_SECONDS = 30.0
"""For all jobs together."""
STALE_SECONDS = 30
"""dcgm-exporter looks at the GPUs so often, so what it first says may be of the time before the
job: its interval, unless it is told another one."""

_ADDRESS_FILE = "/run/hpc-stack/prometheus"
_ANSWER_BYTES = 1 << 16


def prometheus() -> str | None:
    """Where Prometheus is, as HOST:PORT, where the login node was told; None: not to be asked.

    HPC_STACK_PROMETHEUS names another file than start-login's.
    """
    try:
        text = Path(os.environ.get("HPC_STACK_PROMETHEUS", _ADDRESS_FILE)).read_text()
    except (OSError, ValueError):
        return None
    return text.strip() or None


class GpuUse:
    """Asks for one job after the other until it gets no answer: who asks later makes another one.

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
            percent = _percent(_ask(self._address, question))
        except (OSError, HTTPException) as error:
            self.trouble = str(error) or type(error).__name__
            return job
        except (ValueError, LookupError, TypeError):
            self.trouble = "answers what is none of its answers"
            return job
        self.answered = True
        return job if percent is None else replace(job, gpu_utilisation=percent / 100)


def _question(job: Job) -> dict[str, str] | None:
    """For Prometheus' interface; None: there is nothing to ask about this job."""
    if not job.gpus or job.gpu_utilisation is not None or job.start is None or job.end is None:
        return None
    seconds = job.end - job.start - STALE_SECONDS
    if seconds <= 0:
        return None
    seen = f'DCGM_FI_DEV_GPU_UTIL{{hpc_job="{job.id}"}}[{seconds}s]'
    # Not a mean of means: one look at a GPU that an earlier run had weighs no more than one.
    mean = f"sum(sum_over_time({seen})) / sum(count_over_time({seen}))"
    # Only if all of its GPUs were seen: those of a node without its exporter may have been idle.
    query = f"{mean} and count(count_over_time({seen})) >= {job.gpus}"
    return {"query": query, "time": str(job.end), "timeout": f"{TIMEOUT:g}s"}


def _ask(address: str, question: dict[str, str]) -> Any:
    """What Prometheus answers. Raises OSError, HTTPException or ValueError."""
    # Unlike urllib.request, this takes no proxy from the caller's environment.
    connection = HTTPConnection(address, timeout=TIMEOUT)
    try:
        connection.request("GET", f"/api/v1/query?{urlencode(question)}")
        answer = connection.getresponse()
        if answer.status != 200:
            raise HTTPException(f"answers {answer.status} {answer.reason}")
        return json.loads(answer.read(_ANSWER_BYTES))
    finally:
        connection.close()


def _percent(document: Any) -> float | None:
    """None: nothing was seen, or what DCGM says for that, a huge number.

    Raises ValueError, LookupError or TypeError for what is no answer of Prometheus.
    """
    found = document["data"]["result"]
    if not found:
        return None
    value = float(found[0]["value"][1])
    return value if 0 <= value <= 100 else None
