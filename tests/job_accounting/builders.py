"""Short ways to write down jobs, machines and sacct's lines in these tests."""

import json
from pathlib import Path
from typing import Any

from job_accounting.ledger import Life, Lives
from job_accounting.records import FIELDS, Job

NOW = 1_795_700_000
"""2026-11-26 13:33:20 UTC."""
GIB = 1 << 30
MIB = 1 << 20


def job(**changes: Any) -> Job:
    """A job that had one of two CPUs of cpu-1 for an hour, and worked; arguments change that."""
    usual: dict[str, Any] = {
        "id": "7",
        "name_id": "7",
        "name": "train",
        "user": "ada",
        "account": "research",
        "partition": "cpu",
        "qos": "normal",
        "state": "completed",
        "submit": NOW - 7210,
        "eligible": NOW - 7210,
        "start": NOW - 7200,
        "end": NOW - 3600,
        "nodes": ("cpu-1",),
        "cpus": 1,
        "cpu_seconds_used": 3600.0,
    }
    return Job(**{**usual, **changes})


def life(**changes: Any) -> Life:
    """A machine that has been cpu-1 for ten hours, at a dollar each; arguments change that."""
    usual: dict[str, Any] = {
        "id": "i-1",
        "node": "cpu-1",
        "pool": "cpu",
        "capacity": "on_demand",
        "price": 1.0,
        "cpus": 2,
        "memory_mb": 4096,
        "gpus": 0,
        "start": float(NOW - 36_000),
    }
    return Life(**{**usual, **changes})


def lives(*changes: dict[str, Any]) -> Lives:
    """Several machines."""
    return Lives(life(**one) for one in changes)


def came(**changes: Any) -> str:
    """The ledger's line for a machine that came."""
    one = life(**changes)
    entry = {name: getattr(one, name) for name in one.__dataclass_fields__ if name != "end"}
    return json.dumps({**entry, "from": entry.pop("start")}) + "\n"


def gone(machine: str, at: float) -> str:
    """The ledger's line for a machine that is gone."""
    return json.dumps({"id": machine, "to": at}) + "\n"


def sacct_line(delimiter: str = "|", **fields: str) -> str:
    """A line of sacct's with these fields; the others are as of a job on two nodes."""
    usual = {
        "JobIDRaw": "1",
        "JobID": "1",
        "User": "ada",
        "Account": "research",
        "Partition": "cpu",
        "QOS": "normal",
        "State": "COMPLETED",
        "ExitCode": "0:0",
        "Submit": "1795647626",
        "Eligible": "1795647626",
        "Start": "1795647627",
        "End": "1795647688",
        "TimelimitRaw": "5",
        "NodeList": "cpu-[1-2]",
        "AllocTRES": "billing=2,cpu=2,mem=1500M,node=2",
        "ReqTRES": "billing=2,cpu=2,mem=1500M,node=2",
        "TotalCPU": "01:01.331",
        "JobName": "pi",
    }
    return delimiter.join({**dict.fromkeys(FIELDS, ""), **usual, **fields}[name] for name in FIELDS)


def step_line(delimiter: str = "|", **fields: str) -> str:
    """A line of sacct's for a step."""
    usual = dict.fromkeys(FIELDS, "")
    usual |= {"JobIDRaw": "1.0", "JobID": "1.0", "Account": "research", "NTasks": "1"}
    return delimiter.join({**usual, **fields}[name] for name in FIELDS)


def write(path: Path, *lines: str) -> None:
    """Append lines to a file."""
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(lines))
