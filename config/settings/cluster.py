"""`ClusterSettings`: everything that a user decides about one cluster."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from config.settings.accounts import NORMAL, ROOT, Account, Qos
from config.settings.aws import Aws
from config.settings.budget_consistency import past_use_is_reset
from config.settings.budgets import Budget
from config.settings.consistency import inconsistencies
from config.settings.database import Database
from config.settings.draft import Draft, Group
from config.settings.gpu_files import assign_gpu_files
from config.settings.limits import Limits
from config.settings.mistakes import SettingsError
from config.settings.monitoring import Monitoring
from config.settings.names import AccountName, ClusterName, PoolName, QosName, UserName
from config.settings.part import Many, Part, Text, refusal, without_duplicates
from config.settings.pools import Pool
from config.settings.ports import Ports
from config.settings.slurm import Slurm
from config.settings.storage import Storage
from config.settings.tags import Tags
from config.settings.time_zone import TimeZone
from config.settings.users import User

PackageName = Annotated[
    Text,
    Field(
        # https://www.debian.org/doc/debian-policy/ch-controlfields.html#source
        pattern=r"^[a-z0-9][a-z0-9+.-]{1,99}$",
        json_schema_extra={
            "allowed": "the name of a Debian package: lower-case letters, digits, '+', '-' and '.'"
        },
    ),
]


class ClusterFields(Part):
    """The settings with each part checked, but not yet the parts against each other."""

    name: ClusterName
    """Name of the cluster. Not set in Pulumi's configuration: the stack's name."""
    platform: Literal["local", "aws"] = "local"
    """Where it runs: `local` is Docker on this machine, `aws` an AWS account."""
    aws: Aws | None = None
    """What only AWS has. Required with `platform: aws`."""
    pools: Annotated[dict[PoolName, Pool], Field(min_length=1)]
    """Pools of compute nodes by name, which is also the partition's name."""
    limits: Limits = Limits()
    """What all pools together may take."""
    budget: Budget = Budget()
    """What all jobs together may cost, and how every budget counts."""
    time_zone: TimeZone = "UTC"
    """Time zone of the pools' `schedule`, for instance `Europe/Berlin`."""
    accounts: dict[AccountName, Account] = Field(default={})
    """Accounts by name."""
    qos: dict[QosName, Qos] = Field(default={})
    """QOS by name. `normal` always exists and is changed here."""
    users: Annotated[dict[UserName, User], Field(min_length=1)]
    """Users by login name."""
    slurm: Slurm = Slurm()
    """How Slurm schedules."""
    software: Annotated[Many[PackageName], AfterValidator(without_duplicates)] = ()
    """Debian packages on the compute and login nodes."""
    database: Database = Database()
    """The accounting database."""
    storage: Storage = Storage()
    """How data is guarded."""
    monitoring: Monitoring = Monitoring()
    """Metrics."""
    ports: Ports = Ports()
    """Ports of this machine at which the cluster is reached."""
    tags: Tags = Field(default={})
    """Labels on everything that is created, for your own use."""


class ClusterSettings(ClusterFields):
    """Settings of one cluster, valid in themselves and with each other.

    Use `load_cluster` for what a person wrote: it reports every mistake in plain words. Built
    directly, it raises pydantic's ValidationError.
    """

    @model_validator(mode="after")
    def _consistent(self) -> "ClusterSettings":
        mistakes = tuple(inconsistencies(draft_of(self)))
        if mistakes:
            raise refusal(str(SettingsError(mistakes)), "")
        return self

    @property
    def default_pool(self) -> str:
        """Name of the pool whose partition takes jobs that name none.

        Not the first as written: Pulumi hands settings over sorted by name.
        """
        chosen = [name for name, pool in sorted(self.pools.items()) if pool.default]
        return chosen[0] if chosen else min(self.pools)

    @property
    def has_budget(self) -> bool:
        """Whether the cluster or any account has a budget in dollars."""
        budgets = [self.budget.dollars, *(one.budget_dollars for one in self.accounts.values())]
        return any(dollars is not None for dollars in budgets)

    @property
    def resets_past_use(self) -> bool:
        """Whether past use counts in full until the budgets' period ends, and does not fade."""
        return past_use_is_reset(draft_of(self))

    def pool_zones(self, pool: str) -> tuple[str, ...]:
        """Zones of AWS in which a pool's nodes are launched; none elsewhere."""
        if self.aws is None:
            return ()
        own = self.pools[pool].aws
        return own.zones or self.aws.zones[: 1 if own.placement_group else None]

    @property
    def gpu_files(self) -> Mapping[str, tuple[str, ...]]:
        """Device files by pool: of each node, or on one machine of all nodes in turn."""
        return assign_gpu_files(self.pools, shared_machine=self.platform == "local")

    @property
    def jobs_gpus_are_measured(self) -> bool:
        """Whether each node measures its GPUs and knows which job has which.

        On one machine, where one exporter measures all of them, nobody tells it.
        """
        observed = self.monitoring.enabled and self.platform == "aws"
        return observed and any(pool.gpus for pool in self.pools.values())

    def memory_per_cpu_mb(self, pool: str) -> int:
        """MiB that a job in the pool gets for each CPU when it asks for no memory."""
        set_for_all = self.slurm.default_memory_per_cpu_mb
        shape = self.pools[pool]
        return set_for_all or max(1, shape.memory_mb // shape.cpus)

    def account_qos(self, account: str) -> tuple[str, ...]:
        """QOS that the account's jobs may use, its own or inherited."""
        while account != ROOT:
            if self.accounts[account].qos:
                return self.accounts[account].qos
            account = self.accounts[account].parent
        return (NORMAL,)

    def account_default_qos(self, account: str) -> str:
        """QOS of the account's jobs that name none."""
        if account == ROOT:
            return NORMAL
        own = self.accounts[account].default_qos
        inherited = own or self.account_default_qos(self.accounts[account].parent)
        usable = self.account_qos(account)
        return inherited if inherited in usable else usable[0]


def draft_of(settings: ClusterFields) -> Draft:
    """The view of complete settings that the checks between parts work on."""
    return Draft(
        pools=Group.complete(settings.pools),
        accounts=Group.complete(settings.accounts),
        qos=Group.complete(settings.qos),
        users=Group.complete(settings.users),
        slurm=settings.slurm,
        limits=settings.limits,
        budget=settings.budget,
        monitoring=settings.monitoring,
        ports=settings.ports,
        platform=settings.platform,
        aws=settings.aws,
        aws_is_set=settings.aws is not None,
    )
