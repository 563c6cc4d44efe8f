"""slurm.conf: the one file that slurmctld hands to every node and login (configless).

Section by section, each a list of lines. What a partition gets is in `_pool_lines`.
"""

from collections.abc import Iterator

from config.render.billing_weights import billing_weights
from config.render.node_names import node_range
from config.render.site import Site
from config.settings import ClusterSettings, Pool
from config.settings.budgets import usual_price
from config.settings.pools import Gpus
from config.settings.slurm import HALF_LIFE

PROGRAMS = "/usr/libexec/hpc-stack"
RESETS = {"month": "MONTHLY", "quarter": "QUARTERLY", "year": "YEARLY", "forever": "NONE"}
"""`PriorityUsageResetPeriod` by the period of a budget."""
SRUN_PORTS = (60001, 60999)
"""Ports at which an srun on the login node hears from its nodes, where a firewall is between."""


def slurm_conf(settings: ClusterSettings, site: Site) -> str:
    """The file's text."""
    sections = (
        ("Controller", _controller(settings, site)),
        ("Authentication: one key for all daemons, JWT for the REST API", _authentication()),
        ("Nodes come and go", _power_saving(settings)),
        ("How jobs are confined", _confinement(site)),
        ("Scheduling", _scheduling(settings, site)),
        ("Accounting", _accounting(settings, site)),
        ("Observation", _observation(settings)),
        ("Pools: a NodeSet and a partition each", _pools(settings)),
        ("From the setting slurm.extra", settings.slurm.extra),
    )
    texts = ["\n".join((f"# {title}", *lines)) for title, lines in sections if lines]
    return "\n\n".join(texts) + "\n"


def _controller(settings: ClusterSettings, site: Site) -> list[str]:
    # On AWS nobody resolves the containers' names but the containers.
    address = f"({site.aws.controller_address})" if site.aws else ""
    ports = [f"SrunPortRange={SRUN_PORTS[0]}-{SRUN_PORTS[1]}"] if site.aws else []
    return [
        f"ClusterName={settings.name}",
        f"SlurmctldHost=slurmctld{address}",
        "SlurmctldPort=6817",
        "SlurmdPort=6818",
        "SlurmUser=slurm",
        "StateSaveLocation=/var/spool/slurmctld",
        "SlurmctldPidFile=/run/slurmctld/slurmctld.pid",
        "SlurmdSpoolDir=/var/spool/slurmd",
        "SlurmdPidFile=/run/slurmd.pid",
        f"MaxJobCount={settings.slurm.max_job_count}",
        f"MaxArraySize={settings.slurm.max_array_size}",
        f"MinJobAge={settings.slurm.min_job_age_seconds}",
        # A reconfigure takes partitions from this file, but not back what an admin did to them.
        "ReconfigFlags=KeepPartState,KeepPowerSaveSettings",
        "MpiDefault=pmi2",
        # The images have no mailer.
        "MailProg=/usr/bin/true",
        # A node's limit on locked memory is what MPI needs, not the login node's.
        "PropagateResourceLimitsExcept=MEMLOCK",
        *ports,
    ]


def _authentication() -> list[str]:
    return [
        "AuthType=auth/slurm",
        "CredType=cred/slurm",
        "AuthInfo=use_client_ids",
        "AuthAltTypes=auth/jwt",
        "AuthAltParameters=jwt_key=/etc/slurm/jwt_hs256.key",
    ]


def _power_saving(settings: ClusterSettings) -> list[str]:
    # The programs only wake the node manager. The intervals shorten what slurmctld adds before it
    # asks for a node, and PrologSlurmctld what it adds after the node has come.
    # Which idle nodes stay (SuspendExcNodes) it tells slurmctld while that runs.
    return [
        "SlurmctldParameters=enable_configless,power_save_interval=1,power_save_min_interval=0",
        f"ResumeProgram={PROGRAMS}/wake-fleet",
        f"ResumeFailProgram={PROGRAMS}/wake-fleet",
        f"SuspendProgram={PROGRAMS}/wake-fleet",
        f"PrologSlurmctld={PROGRAMS}/wait-for-nodes",
        f"ResumeTimeout={settings.slurm.resume_timeout_seconds}",
        f"SuspendTimeout={settings.slurm.suspend_timeout_seconds}",
        "ResumeRate=0",
        "SuspendRate=0",
        "ReturnToService=2",
    ]


def _confinement(site: Site) -> list[str]:
    # A node's shape is the pool's, whatever the machine below it has.
    shape = "SlurmdParameters=config_overrides"
    if site.cgroup == "v2":
        return [shape, "ProctrackType=proctrack/cgroup", "TaskPlugin=task/cgroup,task/affinity"]
    return [shape, "ProctrackType=proctrack/linuxproc", "TaskPlugin=task/none"]


def _scheduling(settings: ClusterSettings, site: Site) -> list[str]:
    scheduler, priority = settings.slurm.scheduler, settings.slurm.priority
    parameters = {
        "bf_interval": scheduler.interval_seconds,
        "bf_window": scheduler.window_minutes,
        "bf_resolution": scheduler.resolution_seconds,
        "bf_max_job_test": scheduler.max_job_test,
        "bf_max_job_user": scheduler.max_jobs_per_user,
        "default_queue_depth": scheduler.queue_depth,
    }
    settled = ",".join(f"{key}={value}" for key, value in parameters.items())
    epilog = f"{PROGRAMS}/note-gpu-job" if settings.jobs_gpus_are_measured else "/usr/bin/true"
    return [
        "SchedulerType=sched/backfill",
        # By default a batch job may wait 3 s before it is looked at at all, and one whose node was
        # lost 2 min before it is tried again.
        f"SchedulerParameters=bf_continue,batch_sched_delay=0,requeue_delay=1,{settled}",
        # Without an epilog, slurmctld uses a free CPU at its next whole second: 10 short jobs/s on
        # 8 CPUs. With one, the node reports the end and the next job starts at once: 40.
        f"Epilog={epilog}",
        *_on_aws_nodes(settings, site),
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_CPU_Memory",
        "EnforcePartLimits=ALL",
        "PreemptType=preempt/none",
        "PriorityType=priority/multifactor",
        *_past_use(settings),
        f"PriorityMaxAge={priority.max_age}",
        f"PriorityWeightFairshare={priority.fairshare}",
        f"PriorityWeightAge={priority.age}",
        f"PriorityWeightQOS={priority.qos}",
        f"PriorityWeightPartition={priority.partition}",
        f"PriorityWeightJobSize={priority.job_size}",
    ]


def _past_use(settings: ClusterSettings) -> list[str]:
    """How long use counts, and as what: CPUs or, where there are prices, money."""
    lines = [f"PriorityDecayHalfLife={settings.slurm.priority.half_life or HALF_LIFE}"]
    if settings.resets_past_use:
        reset = RESETS[settings.budget.period]
        lines = ["PriorityDecayHalfLife=0", f"PriorityUsageResetPeriod={reset}"]
    if _has_prices(settings):
        lines.append("PriorityFlags=MAX_TRES")
    return lines


def _has_prices(settings: ClusterSettings) -> bool:
    return any(usual_price(pool) for pool in settings.pools.values())


def _on_aws_nodes(settings: ClusterSettings, site: Site) -> list[str]:
    if site.aws is None:
        return []
    # Slurm runs every Prolog that it finds.
    noting = [f"Prolog={PROGRAMS}/note-gpu-job"] if settings.jobs_gpus_are_measured else []
    return [f"Prolog={PROGRAMS}/name-nodes", *noting, f"TaskProlog={PROGRAMS}/task-prolog"]


def _accounting(settings: ClusterSettings, site: Site) -> list[str]:
    gather = "cgroup" if site.cgroup == "v2" else "linux"
    lines = [
        "AccountingStorageType=accounting_storage/slurmdbd",
        # By name, on EC2 as well: slurmdbd sends what changes to where slurmctld called it from,
        # which must be slurmctld's own address.
        "AccountingStorageHost=slurmdbd",
        "AccountingStorageEnforce=associations,limits,qos,safe",
        f"JobAcctGatherType=jobacct_gather/{gather}",
        # By default 30 s: nothing would be known of the memory of shorter jobs.
        "JobAcctGatherFrequency=10",
    ]
    if any(pool.gpus for pool in settings.pools.values()):
        types = sorted({pool.gpus.type for pool in settings.pools.values() if pool.gpus})
        tracked = ",".join(["gres/gpu", *(f"gres/gpu:{kind}" for kind in types)])
        lines += ["GresTypes=gpu", f"AccountingStorageTRES={tracked}"]
    return lines


def _observation(settings: ClusterSettings) -> list[str]:
    lines = [f"SlurmctldDebug={settings.slurm.debug}", f"SlurmdDebug={settings.slurm.debug}"]
    if settings.monitoring.enabled:
        lines.append("MetricsType=metrics/openmetrics")
    return lines


def _pools(settings: ClusterSettings) -> list[str]:
    return [
        line
        for name, pool in sorted(settings.pools.items())
        for line in _pool_lines(settings, name, pool)
    ]


def _pool_lines(settings: ClusterSettings, name: str, pool: Pool) -> Iterator[str]:
    nodes = node_range(name, 1, pool.max_nodes)
    gres = f" Gres={_gres(pool.gpus)}" if pool.gpus else ""
    limit = pool.time_limit
    weights = f" TRESBillingWeights={billing_weights(pool)}" if _has_prices(settings) else ""
    default = "YES" if name == settings.default_pool else "NO"
    for capacity, first, last in _capacities(pool):
        features = ",".join(sorted({name, capacity, *pool.features}))
        yield (
            f"NodeName={node_range(name, first, last)} CPUs={pool.cpus}"
            f" RealMemory={pool.memory_mb}{gres} Feature={features} State=CLOUD"
        )
    yield f"NodeSet={name} Nodes={nodes}"
    yield (
        f"PartitionName={name} Nodes={name} Default={default}"
        f" MaxTime={limit} DefaultTime={limit} DefMemPerCPU={settings.memory_per_cpu_mb(name)}"
        f" PriorityJobFactor={pool.priority} SuspendTime={pool.idle_seconds}{weights} State=UP"
    )


def _capacities(pool: Pool) -> Iterator[tuple[str, int, int]]:
    """How the nodes are bought, which jobs may ask for, and the first and last number of each."""
    spot = pool.spot_settings
    on_demand = pool.max_nodes if spot is None else spot.on_demand_nodes
    if on_demand:
        yield "on_demand", 1, on_demand
    if on_demand < pool.max_nodes:
        yield "spot", on_demand + 1, pool.max_nodes


def _gres(gpus: Gpus) -> str:
    return f"gpu:{gpus.type}:{gpus.count}"
