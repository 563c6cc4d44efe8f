"""What is not a mistake, but will not be as written: budgets above one that holds as well."""

from collections.abc import Iterator

from config.settings.accounts import ROOT
from config.settings.cluster import ClusterSettings


def budget_warnings(settings: ClusterSettings) -> list[str]:
    """One line for each account's budget that is larger than the smallest above it."""
    warnings = []
    for name, account in sorted(settings.accounts.items()):
        own, above = account.budget_dollars, min(_budgets_above(settings, name), default=None)
        if own is None or above is None:
            continue
        dollars, path = above
        if own > dollars:
            warnings.append(
                f"cluster.accounts.{name}.budget_dollars: {own:.12g}, but {path} is {dollars:.12g} "
                "and holds as well: what is more can never be spent; lower the "
                "one or raise the other"
            )
    return warnings


def _budgets_above(settings: ClusterSettings, name: str) -> Iterator[tuple[float, str]]:
    """Dollars and path of each budget that an account's jobs also draw on."""
    if settings.budget.dollars is not None:
        yield settings.budget.dollars, "cluster.budget.dollars"
    parent = settings.accounts[name].parent
    while parent != ROOT:
        dollars = settings.accounts[parent].budget_dollars
        if dollars is not None:
            yield dollars, f"cluster.accounts.{parent}.budget_dollars"
        parent = settings.accounts[parent].parent
