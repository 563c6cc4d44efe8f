"""Alerts about the controller's services: Slurm's daemons, their database, the node manager."""

from config.alerts.alert import Alert, Severity
from config.alerts.dashboards import DATABASE, NODES, OVERVIEW

LONGEST_ROUND = 120
"""Seconds after which the node manager's rounds are held to fail; one takes some seconds."""

_NATIVE = 'max(up{job=~"slurm-.+"})'
_ASKED = "max(hpc_stack_slurmctld_answers)"

SERVICES = (
    Alert(
        name="SlurmctldDown",
        severity=Severity.PAGE,
        # Neither commands nor its own endpoint. Either of the two may be away or not let in.
        expr=f"({_NATIVE} == 0 unless {_ASKED} == 1) or ({_ASKED} == 0 unless {_NATIVE} == 1)",
        lasts="2m",
        keeps="10m",
        summary="slurmctld does not answer",
        description="Slurm's controller has not answered for 2 minutes: nobody can submit jobs or"
        " ask about them, and no job starts.",
        meaning="Running jobs go on, and their ends are taken in when slurmctld is back. Nothing"
        " new starts, and `squeue`, `sbatch` and the REST API fail.",
        todo=(
            "`make status`: is the service `slurmctld` running, or restarting again and again?",
            "`make logs SERVICE=slurmctld SINCE=30m`: the last lines before it ended. `fatal:`"
            " names a line of slurm.conf, a full disk, or a state directory that is missing.",
            '"its state directory is empty": do not start it empty; see'
            " [Troubleshooting](admin.md#troubleshooting).",
            "Otherwise `make up`: it starts what is not running.",
        ),
        dashboard=OVERVIEW,
    ),
    Alert(
        name="SlurmdbdDown",
        severity=Severity.PAGE,
        expr="max(hpc_stack_slurmdbd_answers) == 0",
        lasts="3m",
        keeps="5m",
        summary="slurmdbd does not answer",
        description="Slurm's accounting has not answered for 3 minutes. slurmctld keeps its records"
        " meanwhile, as long as it has room.",
        meaning="Jobs run and start. `sacct`, `sacctmgr` and `sreport` fail, costs and budgets are"
        " not up to date, and users who are new are not known. Records are lost only when"
        " slurmctld's queue is full (SlurmdbdQueueFilling).",
        todo=(
            "`make status`: are `slurmdbd` and `mysql` running?",
            "`make logs SERVICE=slurmdbd SINCE=30m`: it says whether it cannot reach MySQL, or what"
            " else ended it.",
            "`make up`: it starts what is not running.",
        ),
        dashboard=DATABASE,
        # Commands to slurmdbd authenticate through slurmctld.
        explained_by=("MysqlDown", "SlurmctldDown"),
    ),
    Alert(
        name="MysqlDown",
        severity=Severity.PAGE,
        # Where slurmdbd answers, only the exporter is refused: MysqlUnobserved.
        expr="max(mysql_up) == 0 unless max(hpc_stack_slurmdbd_answers) == 1",
        lasts="2m",
        keeps="10m",
        summary="MySQL does not answer",
        description="The accounting database has refused or not answered for 2 minutes, so slurmdbd"
        " cannot store anything.",
        meaning="Jobs run and start, accounting waits, as with SlurmdbdDown. MySQL that does not"
        " come back has usually no disk or no memory left.",
        todo=(
            "`make logs SERVICE=mysql SINCE=30m`: its last lines. `No space left`, or a kill by the"
            " kernel (exit code 137 in `make status`)?",
            "Free disk: [Troubleshooting](admin.md#troubleshooting). Memory: lower"
            " `database.buffer_pool_mb`, or the nodes' `limits.memory_mb` on one machine.",
            "`make up`: it starts what is not running. The data volume is never removed by it.",
            "If its files are damaged: bring back a dump ([Data and"
            " backup](admin.md#data-and-backup), on AWS [aws.md](aws.md)).",
        ),
        dashboard=DATABASE,
    ),
    Alert(
        name="NodeManagerDown",
        severity=Severity.PAGE,
        expr='max(up{job="node-manager"}) == 0',
        lasts="2m",
        keeps="10m",
        summary="the node manager is down",
        description="Nothing has answered at the node manager's port for 2 minutes: no node is"
        " launched, none that is idle goes, and none that has died is replaced.",
        meaning="Jobs on nodes that are up go on and new ones start there. Jobs that need a new"
        " node wait, and idle machines go on costing.",
        todo=(
            "`make status`: is the service `node-manager` running?",
            "`make logs SERVICE=node-manager SINCE=30m`: the last lines before it ended.",
            "`make up`: it starts what is not running. The manager holds no state that matters.",
        ),
        dashboard=NODES,
    ),
    Alert(
        name="NodeManagerStuck",
        severity=Severity.PAGE,
        expr=f"time() - max(hpc_stack_last_round_timestamp_seconds) > {LONGEST_ROUND}",
        lasts="3m",
        keeps="5m",
        summary="the node manager's rounds fail",
        description="The node manager runs, but its last round in which both Slurm and the platform"
        " answered was {{ $value | humanizeDuration }} ago.",
        meaning="It decides nothing without both sides, so that it ends no machine by mistake."
        " Until they answer, it is as if it were down.",
        todo=(
            "`make logs SERVICE=node-manager SINCE=10m`: it names the call that fails.",
            "Slurm: see SlurmctldDown. Docker: does `docker ps` answer on the machine? AWS: are the"
            " controller's role and the region's API in order (`AccessDenied`,"
            " `RequestLimitExceeded`)?",
            "If every call hangs: restart it, `docker compose -p hpc-NAME restart node-manager`.",
        ),
        dashboard=NODES,
        explained_by=("SlurmctldDown", "NodeManagerDown"),
    ),
)
