"""Budgets of TRES-minutes, of accounts and of the whole cluster alike."""

from config.settings.accounts import ROOT
from config.settings.cluster import ClusterSettings


def tres_budgets(settings: ClusterSettings) -> dict[str, dict[str, int]]:
    """Minutes in a period by account and TRES; root is the whole cluster. Dollars are not here."""
    budgets = {
        name: account.limits.grp_tres_mins for name, account in sorted(settings.accounts.items())
    }
    budgets[ROOT] = settings.budget.tres_mins
    return {name: minutes for name, minutes in budgets.items() if minutes}
