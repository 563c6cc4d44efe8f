"""Short ways to write down settings, jobs and machines in these tests."""

from collections.abc import Mapping
from typing import Any

from job_accounting.ledger import Life, Lives
from job_accounting.records import FIELDS, Job, parse
from job_exporter.settings_file import Settings, parse_settings

NOW = 1_795_651_200
"""2026-11-26 00:00:00 UTC."""
MONTH = 1_793_491_200
"""2026-11-01 00:00:00 UTC."""
HOUR = 3600
DAY = 86_400
GIB = 1 << 30


def settings_document(**changes: Any) -> dict[str, Any]:
    """A complete exporter.json; keyword arguments replace top-level keys."""
    document: dict[str, Any] = {
        "version": 1,
        "cluster": "local",
        "query_seconds": 60,
        "queue_seconds": 15,
        "max_accounts": 50,
        "max_users": 100,
        "budget_period": "month",
        "accounts": {
            "root": {"parent": "", "budget_dollars": 500.0},
            "physics": {"parent": "root", "budget_dollars": 100},
            "lattice": {"parent": "physics", "budget_dollars": None},
            "teaching": {"parent": "root", "budget_dollars": None},
        },
    }
    return document | changes


def make_settings(**changes: Any) -> Settings:
    """What the exporter is told."""
    return parse_settings(settings_document(**changes))


def record(**values: object) -> dict[str, str]:
    """One line of sacct by its fields: a job of two CPUs for an hour that ended just now."""
    given = values.get("End")
    end = given if isinstance(given, int) else NOW
    row = dict.fromkeys(FIELDS, "") | {
        "JobIDRaw": "1",
        "User": "ada",
        "Account": "physics",
        "Partition": "cpu",
        "QOS": "normal",
        "State": "COMPLETED",
        "ExitCode": "0:0",
        "Submit": str(end - HOUR - 40),
        "Eligible": str(end - HOUR - 30),
        "Start": str(end - HOUR),
        "End": str(end),
        "TimelimitRaw": "120",
        "NodeList": "cpu-1",
        "AllocTRES": "billing=2,cpu=2,mem=1G,node=1",
        "TotalCPU": "01:00:00",
        "JobName": "test",
    }
    row |= {name: str(value) for name, value in values.items()}
    return {**row, "JobID": row["JobID"] or row["JobIDRaw"]}


def line(row: Mapping[str, str], delimiter: str) -> str:
    """A record as sacct prints it."""
    return delimiter.join(row[field] for field in FIELDS)


def make_job(**values: object) -> Job:
    """The job of `record`."""
    (job,) = parse(line(record(**values), "|"))
    return job


def make_life(node: str = "cpu-1", **changes: Any) -> Life:
    """A machine of 4 CPUs and 2 GiB at 1 dollar an hour that has lived for ever."""
    values: dict[str, Any] = {
        "id": f"i-{node}",
        "node": node,
        "pool": "cpu",
        "capacity": "on_demand",
        "price": 1.0,
        "cpus": 4,
        "memory_mb": 2048,
        "gpus": 0,
        "start": MONTH - 400 * DAY,
    }
    return Life(**(values | changes))


LIVES = Lives([make_life("cpu-1"), make_life("cpu-2", capacity="spot", price=0.5)])


def ledger_line(life: Life) -> dict[str, Any]:
    """A life's first line in the ledger."""
    return {
        "id": life.id,
        "node": life.node,
        "pool": life.pool,
        "capacity": life.capacity,
        "price": life.price,
        "cpus": life.cpus,
        "memory_mb": life.memory_mb,
        "gpus": life.gpus,
        "from": life.start,
    }
