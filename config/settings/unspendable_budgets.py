"""What is not a mistake, but will not be as written: budgets above one that holds as well."""

from collections.abc import Iterator
from typing import NamedTuple

from config.settings.accounts import ROOT
from config.settings.cluster import ClusterSettings

_DOLLARS = "dollars"


class _Budget(NamedTuple):
    """`kind` is dollars or a TRES; `path` is the setting."""

    amount: float
    path: str
    kind: str

    def __str__(self) -> str:
        text = f"{self.amount:.12g}"
        return text if self.kind == _DOLLARS else f"{self.kind}={text}"


def budget_warnings(settings: ClusterSettings) -> list[str]:
    """One line for each account's budget that is larger than the smallest above it of its kind."""
    warnings = []
    for name in sorted(settings.accounts):
        above = list(_budgets_above(settings, name))
        for own in _budgets(settings, name):
            smallest = min((one for one in above if one.kind == own.kind), default=own)
            if own.amount > smallest.amount:
                warnings.append(
                    f"{own.path}: {own}, but {smallest.path} is {smallest} "
                    "and holds as well: what is more can never be spent; lower the "
                    "one or raise the other"
                )
    return warnings


def _budgets_above(settings: ClusterSettings, name: str) -> Iterator[_Budget]:
    """Each budget that an account's jobs also draw on."""
    while name != ROOT:
        name = settings.accounts[name].parent
        yield from _budgets(settings, name)


def _budgets(settings: ClusterSettings, name: str) -> Iterator[_Budget]:
    """An account's own budgets; root has those of the whole cluster."""
    if name == ROOT:
        path = "cluster.budget"
        dollars, dollars_key = settings.budget.dollars, "dollars"
        minutes, minutes_key = settings.budget.tres_mins, "tres_mins"
    else:
        path = f"cluster.accounts.{name}"
        account = settings.accounts[name]
        dollars, dollars_key = account.budget_dollars, "budget_dollars"
        minutes, minutes_key = account.limits.grp_tres_mins, "limits.grp_tres_mins"
    if dollars is not None:
        yield _Budget(dollars, f"{path}.{dollars_key}", _DOLLARS)
    for kind, count in (minutes or {}).items():
        yield _Budget(count, f"{path}.{minutes_key}", kind)
