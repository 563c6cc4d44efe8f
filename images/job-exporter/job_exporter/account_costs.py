"""What accounts have cost in this period, with the accounts below them: pure."""

from collections.abc import Iterable, Mapping

from job_exporter.label_names import OTHER
from job_exporter.settings_file import ROOT, Settings
from job_exporter.spending import added


def account_costs(
    settings: Settings, own: Mapping[str, float], known: Iterable[str]
) -> dict[str, float]:
    """Dollars by account, each with those of the accounts below it; root has everything.

    `own`: dollars of each account's own jobs. `known`: accounts in the order in which they came
    into use. At most `max_accounts` are told, besides root and those with a budget, and first those
    in the settings; what the others' own jobs cost is "other".
    """
    told = dict.fromkeys([ROOT, *settings.budgets])
    room = settings.max_accounts + len(told)
    used = [*known, *sorted(own)]
    for account in sorted(used, key=lambda name: name not in settings.accounts):
        for name in settings.lineage(account):
            if len(told) < room:
                told.setdefault(name)
    total: dict[str, float] = dict.fromkeys(told, 0.0)
    for account, dollars in own.items():
        with_above = {name: dollars for name in settings.lineage(account) if name in told}
        rest = {} if account in told else {OTHER: dollars}
        total = added(total, with_above, rest)
    return total
