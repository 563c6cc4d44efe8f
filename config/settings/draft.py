"""Settings as far as they could be read: what the checks between parts work on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from config.settings.accounts import Account, Qos
from config.settings.aws import Aws
from config.settings.budgets import Budget
from config.settings.limits import Limits
from config.settings.mistakes import Mistake, path_text, shown
from config.settings.monitoring import Monitoring
from config.settings.part import Part
from config.settings.pools import Pool
from config.settings.ports import Ports
from config.settings.slurm import Slurm
from config.settings.users import User

P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class Group(Generic[P]):
    """The entries of one kind: those that could be read, and the names of all that were written."""

    read: Mapping[str, P]
    names: frozenset[str]
    whole: bool
    """Whether `names` has them all: false where the kind itself could not be read."""

    @classmethod
    def complete(cls, entries: Mapping[str, P]) -> "Group[P]":
        """A group without mistakes."""
        return cls(entries, frozenset(entries), whole=True)

    @property
    def all_read(self) -> bool:
        """Whether every entry could be read."""
        return self.whole and self.names == self.read.keys()


@dataclass(frozen=True)
class Draft:
    """Settings as far as they could be read; a part that could not is None."""

    pools: Group[Pool]
    accounts: Group[Account]
    qos: Group[Qos]
    users: Group[User]
    slurm: Slurm | None
    limits: Limits | None
    budget: Budget | None
    monitoring: Monitoring | None
    ports: Ports | None
    platform: str | None
    aws: Aws | None
    """None as well where it is not set."""
    aws_is_set: bool


def mistake_at(location: tuple[object, ...], value: object, allowed: str, fix: str) -> Mistake:
    """The mistake at a path below `cluster`."""
    return Mistake(path_text(location), shown(value, location), allowed, fix)
