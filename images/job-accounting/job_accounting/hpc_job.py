"""hpc-job: how well a job used what it asked for, what it cost, and what to ask for next time."""

import argparse
import json
import math
import re
import sys
import time
from collections.abc import Sequence

from job_accounting import sacct
from job_accounting.cost import job_cost
from job_accounting.efficiency import efficiency
from job_accounting.gpu_use import GpuUse, prometheus
from job_accounting.job_report import Run, list_lines, report_json, report_lines
from job_accounting.ledger import Ledger, Lives, directory
from job_accounting.records import Job
from job_accounting.sacct import SacctRefused, SacctUnavailable
from job_accounting.spending import pools_without_price
from job_accounting.terminal import behave

# 12, 12_3 of an array, 12+1 of a heterogeneous job.
_JOB = re.compile(r"\d+([_+]\d+)?")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit status: 1: accounting does not answer, 2: there is no such job."""
    args = _arguments(arguments)
    if not _JOB.fullmatch(args.job):
        return _fail(f"{args.job!r} is not a job's number, such as 12 or 12_3", 2)
    now = time.time()
    try:
        found = sacct.jobs(job=args.job)
        if not found:
            return _fail(f"accounting knows no job {args.job}", 2)
        started = [job.start for job in found if job.start is not None]
        lives = Ledger(directory()).lives(min(started, default=now), now)
    except SacctRefused as error:
        return _fail(str(error), 2)
    except SacctUnavailable as error:
        return _fail(f"accounting does not answer: {error}", 1)
    except OSError as error:
        return _fail(f"the prices of machines cannot be read: {error}", 1)
    by_job: dict[str, list[Run]] = {}
    # A list of several jobs says nothing of GPUs.
    alone = len({job.id for job in found}) == 1
    gpu_use = GpuUse(prometheus() if alone or args.json else None)
    # A run that has not begun comes after those that were.
    for job in sorted(found, key=lambda one: math.inf if one.start is None else one.start):
        by_job.setdefault(job.id, []).append(_run(gpu_use.of(job), lives, now))
    if gpu_use.trouble is not None:
        _say(f"how busy GPUs were is not known: Prometheus: {gpu_use.trouble}")
    if args.json:
        print(json.dumps([report_json(runs[-1], runs[:-1]) for runs in by_job.values()], indent=1))
        return 0
    if len(by_job) == 1:
        (runs,) = by_job.values()
        lines = report_lines(runs[-1], runs[:-1])
    else:
        lines = list_lines([runs[-1] for runs in by_job.values()])
    for line in lines:
        print(line)
    return 0


def _run(job: Job, lives: Lives, now: float) -> Run:
    return Run(
        job=job,
        cost=job_cost(job, lives, now),
        efficiency=efficiency(job, now),
        waited=job.wait_seconds(now),
        price_missing=pools_without_price([job], lives, now),
    )


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="hpc-job",
        description="How well a job used what it asked for, what it cost, and what to ask for.",
    )
    parser.add_argument("job", metavar="JOBID", help="such as 12, or 12_3 of an array")
    parser.add_argument("--json", action="store_true", help="write JSON, for programs")
    return parser.parse_args(arguments)


def _fail(text: str, status: int) -> int:
    _say(text)
    return status


def _say(text: str) -> None:
    print(f"hpc-job: {text}", file=sys.stderr)


if __name__ == "__main__":
    behave()
    sys.exit(main())
