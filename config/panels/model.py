"""What a panel is: a question about the cluster, its queries, and how the answer is to be read.

Grafana's dashboards and `make report` are both drawn from these, so they cannot differ.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How the answer is shown."""

    LIGHT = "light"
    """A traffic light: one value for each series, coloured by thresholds. No data is red."""
    NUMBER = "number"
    """One large number for each series."""
    LINES = "lines"
    """Values over time."""
    AREAS = "areas"
    """Values over time that add up, stacked."""
    BARS = "bars"
    """The newest value of each series as a horizontal bar, the largest first."""
    TABLE = "table"
    """The newest value of each series as a row, its labels as columns."""
    BUCKETS = "buckets"
    """A histogram: each query's series are cumulative buckets by the label `le`."""


class Unit(StrEnum):
    """Of a panel's values. Grafana's own names."""

    NONE = "none"
    COUNT = "short"
    SECONDS = "s"
    TIME_AGO = "dateTimeFromNow"
    """A point in time, in milliseconds since the epoch."""
    SHARE = "percentunit"
    """0 to 1."""
    BYTES = "bytes"
    BYTES_PER_SECOND = "Bps"
    PER_SECOND = "ops"
    DOLLARS = "currencyUSD"
    CELSIUS = "celsius"
    WATTS = "watt"


class Needs(StrEnum):
    """What a cluster must have for a panel to have data."""

    NOTHING = "nothing"
    GPUS = "nodes with GPUs"
    MACHINES = "nodes that are machines of their own"
    AWS = "AWS"
    BUDGET = "a budget in dollars"
    MINUTES = "a budget in TRES-minutes"


class Colour(StrEnum):
    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class Step:
    """From this value on, the colour holds. The first step of a panel has `value` None."""

    value: float | None
    colour: Colour
    number: str = ""
    """The number of the settings that a cluster has in the place of `value`, which is its default:
    a name that alerts have as `@name`. numbers.py puts it there."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """PromQL; docs of the variables in queries.py. `legend` may name labels: "{{pool}}"."""

    expr: str
    legend: str = ""
    nothing: str = ""
    """The label of a series that only says that there is none: Grafana would show no picture."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture. `width` is in 24ths of the page, `height` in Grafana's rows."""

    title: str
    about: str
    """What it shows and what to make of it, in a sentence or two."""
    kind: Kind
    queries: tuple[Query, ...]
    unit: Unit = Unit.COUNT
    steps: tuple[Step, ...] = ()
    advises: bool = False
    """True: its colours are to think about; nobody is called because of them."""
    words: tuple[tuple[float, str], ...] = ()
    """Texts in the place of values, such as (1, "up"), (0, "down")."""
    columns: tuple[tuple[str, str], ...] = ()
    """Of a table: label and heading, in this order; the value is the last column."""
    value_heading: str = "value"
    empty: str = "no data in this time"
    """What to say when there is nothing, which is not always a fault."""
    empty_is_fine: bool = True
    """False: no data is a fault by itself, and shown red."""
    tells_of_sources: bool = False
    """True: only says whether those answer who tell what its row shows (rows.py). The report marks
    the row itself."""
    needs: Needs = Needs.NOTHING
    width: int = 12
    height: int = 8


@dataclass(frozen=True, kw_only=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """A page. `variables` are labels to choose values of, such as "account"."""

    uid: str
    title: str
    about: str
    rows: tuple[Row, ...]
    choose: str = ""
    """What to choose in Grafana, which has the variables at the top of the page."""
    variables: tuple[str, ...] = ()
    variable_source: str = ""
    """The metric that has the variables as labels."""
    hours: int = 6
    """How far back it looks when it is opened."""

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All of them, in order."""
        return tuple(panel for row in self.rows for panel in row.panels)
