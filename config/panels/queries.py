"""A panel's PromQL as Prometheus itself takes it, with Grafana's variables filled in."""

import re

_VARIABLE = re.compile(r"\$\{?(?P<name>[a-z]\w*)\}?")


def promql(expr: str, *, rate_interval: str = "2m", time_range: str = "1h") -> str:
    """The expression for everybody: a variable that chooses among label values takes all."""
    text = expr.replace("$__rate_interval", rate_interval).replace("$__range", time_range)
    return _VARIABLE.sub(".*", text)
