"""The first job: an MPI program over two nodes that did not exist before, and its record."""

import re
import time
from dataclasses import dataclass

from ops.containers import run_as
from ops.progress import say
from ops.stack import StackProblem

_SUBMIT = """
set -e
mkdir -p ~/first-job && cd ~/first-job
cp /opt/hpc-stack/examples/mpi/pi.* .
mpicc.mpich -O2 -o pi pi.c -lm
sbatch --parsable pi.sbatch
"""
_WAIT = """
cd ~/first-job
while squeue --noheader --job {job} 2> /dev/null | grep -q .; do sleep 0.1; done
cat pi-{job}.out
"""
# The record is written by slurmdbd a moment after the job has ended.
_RECORD = """
for try in $(seq 100); do
    record=$(sacct --noheader --parsable2 --allocations --job {job} \\
        --format=State,AllocNodes,NodeList,Submit,Start,End,Account)
    case $record in COMPLETED*|FAILED*|NODE_FAIL*|TIMEOUT*|OUT_OF*) break ;; esac
    sleep 0.1
done
echo "$record"
"""


@dataclass(frozen=True, kw_only=True)
class FirstJob:
    """What the first job showed."""

    job: str
    output: str
    record: str


def run_first_job(cluster: str, user: str) -> FirstJob:
    """Submit the job as an ordinary user, wait for it and read its record; raises on failure."""
    begun = time.monotonic()
    say(f"[up] first job: an MPI program over two new nodes, as {user} ...")
    job = _as(cluster, user, _SUBMIT).split(";")[0].strip()
    if not re.fullmatch(r"\d+", job):
        raise StackProblem(f"The first job was not accepted: {job}")
    output = _as(cluster, user, _WAIT.format(job=job))
    record = _as(cluster, user, _RECORD.format(job=job)).strip()
    if not record.startswith("COMPLETED") or "pi = 3.14159" not in output:
        raise StackProblem(
            f"The first job did not succeed.\n  output: {output}\n  record: {record}\n"
            "Fix: see `make status`, then `make up` again"
        )
    say(f"[up] first job: done {time.monotonic() - begun:.1f} s")
    return FirstJob(job=job, output=output.strip(), record=record)


def _as(cluster: str, user: str, command: str) -> str:
    done = run_as(cluster, user, command)
    if done.returncode:
        raise StackProblem(
            f"The first job failed: {(done.stderr or done.stdout).strip()}\n"
            "Fix: see `make status`, then `make up` again"
        )
    return done.stdout
