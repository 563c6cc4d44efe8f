"""The escape hatch: lines for slurm.conf as a user writes them, and the keys that are ours."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from config.settings.part import Many, Text, refusal

OWNED_KEYS: Mapping[str, str | None] = {
    # key in lower case: the setting to use instead, as a path below `cluster.`, or None
    "clustername": "name",
    "slurmctldhost": None,
    "slurmctldaddr": None,
    "slurmctldport": None,
    "slurmdport": None,
    "slurmuser": None,
    "slurmduser": None,
    "authtype": None,
    "authinfo": None,
    "authalttypes": None,
    "authaltparameters": None,
    "credtype": None,
    "statesavelocation": None,
    "slurmdspooldir": None,
    "slurmctldpidfile": None,
    "slurmdpidfile": None,
    "plugindir": None,
    "include": None,
    "nodename": "pools",
    "nodeset": "pools",
    "partitionname": "pools",
    "downnodes": "pools",
    "grestypes": "pools.<pool>.gpus",
    "selecttype": None,
    "selecttypeparameters": None,
    "schedulertype": "slurm.scheduler",
    "schedulerparameters": "slurm.scheduler",
    "prioritytype": "slurm.priority",
    "prioritydecayhalflife": "slurm.priority.half_life",
    "priorityusageresetperiod": "budget.period",
    "priorityflags": None,
    "prioritymaxage": "slurm.priority.max_age",
    "priorityweightage": "slurm.priority.age",
    "priorityweightfairshare": "slurm.priority.fairshare",
    "priorityweightjobsize": "slurm.priority.job_size",
    "priorityweightpartition": "slurm.priority.partition",
    "priorityweightqos": "slurm.priority.qos",
    "enforcepartlimits": None,
    "preempttype": None,
    "preemptmode": None,
    "maxjobcount": "slurm.max_job_count",
    "maxarraysize": "slurm.max_array_size",
    "minjobage": "slurm.min_job_age_seconds",
    "defmempercpu": "slurm.default_memory_per_cpu_mb",
    "defmempernode": "slurm.default_memory_per_cpu_mb",
    "slurmctlddebug": "slurm.debug",
    "slurmddebug": "slurm.debug",
    "slurmctldlogfile": None,
    "slurmdlogfile": None,
    "accountingstoragetype": None,
    "accountingstoragehost": None,
    "accountingstoragebackuphost": None,
    "accountingstorageport": None,
    "accountingstorageuser": None,
    "accountingstoragepass": None,
    "accountingstorageparameters": None,
    "accountingstorageenforce": "accounts",
    "accountingstoragetres": "pools.<pool>.gpus",
    "jobacctgathertype": None,
    "jobacctgatherfrequency": None,
    "proctracktype": None,
    "taskplugin": None,
    "taskpluginparam": None,
    "mpidefault": None,
    "propagateresourcelimits": None,
    "propagateresourcelimitsexcept": None,
    "prologslurmctld": None,
    "prologflags": None,
    "resumeprogram": None,
    "resumefailprogram": None,
    "resumerate": None,
    "resumetimeout": "slurm.resume_timeout_seconds",
    "suspendprogram": None,
    "suspendrate": None,
    "suspendtime": "pools.<pool>.idle_seconds",
    "suspendtimeout": "slurm.suspend_timeout_seconds",
    "suspendexcnodes": "pools.<pool>.min_nodes",
    "suspendexcparts": "pools.<pool>.min_nodes",
    "suspendexcstates": None,
    "returntoservice": None,
    "mailprog": None,
    "reconfigflags": None,
    "rebootprogram": None,
    "slurmctldparameters": None,
    "slurmdparameters": None,
    "slurmdtimeout": None,
    "slurmctldtimeout": None,
    "metricstype": "monitoring.enabled",
}
"""Keys of slurm.conf that the renderer writes, or that would break what it writes."""

ALLOWED = "a line of slurm.conf, Key=Value, with a key that hpc-stack does not own"

# A value may hold spaces only in quotes: Slurm would read `A=1 B=2` as two keys.
_LINE = re.compile(r'\s*([A-Za-z][A-Za-z0-9_]*)\s*=\s*("[^"]*"|[^\s"=][^\s"]*)\s*', re.ASCII)


def key_of(line: str) -> str | None:
    """The key that a slurm.conf line sets, in lower case; None when it is not one `Key=Value`."""
    match = _LINE.fullmatch(line)
    return match[1].lower() if match else None


def _acceptable(line: str) -> str:
    if re.match(r"\s*include\b", line, re.IGNORECASE):
        raise refusal(ALLOWED, "remove it: nodes get one file; write the included lines here")
    if any(not character.isprintable() for character in line):
        raise refusal(ALLOWED, "remove control characters; one list entry for each line")
    if "#" in line or line.rstrip().endswith("\\"):
        raise refusal(ALLOWED, "remove '#' and a final '\\': write comments as YAML comments")
    key = key_of(line)
    if key is None:
        raise refusal(ALLOWED, "write one Key=Value; quote a value that has spaces")
    if key in OWNED_KEYS:
        setting = OWNED_KEYS[key]
        instead = f"use the setting cluster.{setting} instead" if setting else "remove it"
        name = line.partition("=")[0].strip()
        raise refusal(ALLOWED, f"{name} is owned by hpc-stack: {instead}")
    return line.strip()


def _once_each(lines: tuple[str, ...]) -> tuple[str, ...]:
    keys = [key_of(line) for line in lines]
    for index, key in enumerate(keys):
        if key in keys[:index]:
            raise refusal("each key once", f"remove one of the lines that set {key!r}")
    return lines


ExtraLine = Annotated[
    Text,
    Field(max_length=1000, json_schema_extra={"allowed": ALLOWED}),
    AfterValidator(_acceptable),
]
ExtraLines = Annotated[Many[ExtraLine], AfterValidator(_once_each)]
