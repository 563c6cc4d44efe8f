"""A Slurm that answers the exporter's commands from what the test says is so.

Records of finished jobs are slurmctld's until they are delivered to slurmdbd, as in an outage.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from job_accounting.command import CommandFailed
from job_accounting.records import FIELDS
from job_exporter.limited_command import AnswerTooLong

from tests.job_exporter.builders import line, record

SQUEUE_FIELDS = (
    *("JobID", "ArrayTaskID", "State", "UserName", "Account", "Partition", "QOS"),
    *("SubmitTime", "EligibleTime", "StartTime", "NodeList", "tres-alloc", "Reason"),
)


def queue_line(**values: object) -> str:
    """One line of squeue, by the names of its fields (tres_alloc for tres-alloc)."""
    row = dict.fromkeys(SQUEUE_FIELDS, "") | {
        "JobID": "7",
        "ArrayTaskID": "N/A",
        "State": "PENDING",
        "UserName": "ada",
        "Account": "physics",
        "Partition": "cpu",
        "QOS": "normal",
        "Reason": "Priority",
    }
    row |= {name.replace("_", "-"): str(value) for name, value in values.items()}
    # squeue puts the separator behind each field.
    return "".join(f"{row[name]}|" for name in SQUEUE_FIELDS)


@dataclass
class FakeSlurm:
    """`accounting`: records that slurmdbd has; `kept`: those that slurmctld could not deliver."""

    accounting: list[dict[str, str]] = field(default_factory=list)
    kept: list[dict[str, str]] = field(default_factory=list)
    queue: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    shares: list[str] = field(default_factory=list)
    """Lines of sshare."""
    slurmctld: bool = True
    slurmdbd: bool = True
    queries: list[tuple[int, int]] = field(default_factory=list)
    """The times that sacct was asked for."""
    comments: list[tuple[str, str]] = field(default_factory=list)
    """Jobs, as sacctmgr was told to name them, and the AdminComment that each then got."""
    never_begun: set[str] = field(default_factory=set)
    """Jobs that have no step. All others have the batch script's."""
    refused: set[str] = field(default_factory=set)
    """Jobs that sacctmgr will not change."""

    def end(self, **values: object) -> None:
        """A job ends; slurmctld keeps its record."""
        self.kept.append(record(**values))

    def deliver(self, most: int | None = None) -> None:
        """slurmctld sends what it kept, the oldest first, if both are there."""
        if self.slurmctld and self.slurmdbd:
            sent = len(self.kept) if most is None else most
            self.accounting += self.kept[:sent]
            self.kept = self.kept[sent:]

    def run(self, command: Sequence[str], timeout: float) -> str:
        """A Runner."""
        name = command[2] if command[0] == "env" else command[0]
        if name == "sacctmgr":
            return self._sacctmgr(*command[1:])
        if not self.slurmctld:
            raise CommandFailed(f"{name}: error: Unable to contact slurm controller")
        if name == "squeue":
            return "".join(f"{job}\n" for job in self.queue)
        if name == "scontrol":
            return "".join(f"{node}\n" for node in self.nodes)
        if name == "sshare":
            return "".join(f"{share}\n" for share in self.shares)
        assert name == "sdiag"
        return f"Agent queue size:     0\nDBD Agent queue size: {len(self.kept)}\n"

    def _sacctmgr(self, *words: str) -> str:
        if not self.slurmdbd:
            raise CommandFailed("sacctmgr: error: Problem talking to the database")
        if words[:2] == ("--noheader", "show"):
            return "local\n"
        assert words[:4] == ("--immediate", "modify", "job", "where")
        job, cluster, set_word, comment = words[4:]
        assert (cluster, set_word) == ("cluster=local", "set")
        name = job.removeprefix("jobid=")
        if name in self.refused:
            raise CommandFailed(" Error with request: No change in data")
        self.comments.append((name, comment.removeprefix("AdminComment=")))
        return f" Modified jobs...\n  {name}\n"

    def _steps(self, row: Mapping[str, str]) -> Iterator[dict[str, str]]:
        if row["NodeList"] and row["JobIDRaw"] not in self.never_begun:
            yield dict.fromkeys(FIELDS, "") | {"JobIDRaw": f"{row['JobIDRaw']}.batch"}

    def run_limited(self, command: Sequence[str], timeout: float, most_bytes: int | None) -> str:
        """A LimitedRunner, for sacct."""
        assert command[0] == "sacct"
        words = dict(re.findall(r"--([a-z]+)=(.*)", "\n".join(command)))
        since, until = (int(words[name].removeprefix("uts")) for name in ("starttime", "endtime"))
        self.queries.append((since, until))
        if not self.slurmdbd:
            raise CommandFailed("sacct: error: Problem talking to the database: Connection refused")
        answer = "".join(
            f"{line(one, words['delimiter'])}\n"
            for row in self.accounting
            if since <= int(row["End"]) <= until
            for one in (row, *self._steps(row))
        )
        if most_bytes is not None and len(answer) > most_bytes:
            raise AnswerTooLong
        return answer
