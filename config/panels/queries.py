"""A panel's PromQL as Prometheus itself takes it, with Grafana's variables filled in."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_VARIABLE = re.compile(r"\$\{?(?P<name>[a-z]\w*)\}?")
_EVERYTHING = ".*"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Accounts to tell of, and no others."""

    accounts: tuple[str, ...]
    users: tuple[str, ...]
    """Those who may use the accounts: for metrics that know users and no accounts."""

    def pattern(self, variable: str, expr: str) -> str:
        """The regular expression that a variable of this expression stands for."""
        if variable == "account":
            return _one_of(self.accounts)
        # Somebody may have used an account and have left it: where accounts are known, they decide.
        if variable == "user" and not _names(expr, "account"):
            return _one_of(self.users)
        return _EVERYTHING


def promql(
    expr: str, *, rate_interval: str = "2m", time_range: str = "1h", choice: Choice | None = None
) -> str:
    """The expression for what was chosen; else for everybody: a variable stands for all values."""
    text = expr.replace("$__rate_interval", rate_interval).replace("$__range", time_range)

    def value(variable: re.Match[str]) -> str:
        return choice.pattern(variable["name"], text) if choice else _EVERYTHING

    return _VARIABLE.sub(value, text)


def _names(expr: str, variable: str) -> bool:
    return any(found["name"] == variable for found in _VARIABLE.finditer(expr))


def _one_of(names: Iterable[str]) -> str:
    """A regular expression, as it stands between the quotation marks of PromQL."""
    # Nothing in a name of the settings would end the quotation.
    return "|".join(re.escape(name).replace("\\", "\\\\") for name in names)
