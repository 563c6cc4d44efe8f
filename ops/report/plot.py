"""What all plots have in common: their parts, as plotly.js takes them, and their looks.

https://plotly.com/javascript/reference/
"""

import html
from dataclasses import dataclass
from typing import Any

from ops.report.numbers import Scale

_INK, _QUIET, _AXIS, _GRID = "#1f2933", "#5f6b7a", "#c5cdd6", "#e8ecf1"
_FONT = "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


@dataclass(frozen=True, kw_only=True)
class Key:
    """An entry of a legend, which is the page's: so it never covers the plot."""

    name: str
    colour: str
    value: str
    """The newest, or the sum, in words; empty where there is none."""
    traces: tuple[int, ...]
    """Which traces of the figure it is for."""
    dotted: bool = False


@dataclass(frozen=True, kw_only=True)
class Figure:
    """`plot` is the second and third argument of Plotly.newPlot, by their names."""

    plot: dict[str, Any]
    legend: tuple[Key, ...]
    note: str = ""
    """What of the answer is not drawn as it is."""


def shown(text: str) -> str:
    """A text of somebody else's: plotly reads a little HTML in all it shows."""
    return html.escape(text, quote=False)


def rounded(value: float) -> float:
    """With as many digits as a plot can show."""
    return float(f"{value:.5g}")


def layout(scale: Scale) -> dict[str, Any]:
    """The looks. `scale` is of the vertical axis."""
    horizontal = {
        "gridcolor": _GRID,
        "linecolor": _AXIS,
        "tickfont": {"color": _QUIET},
        "automargin": True,
    }
    vertical = {
        "rangemode": "tozero",
        "fixedrange": True,
        "automargin": True,
        "nticks": 6,
        "ticks": "outside",
        "ticklen": 6,
        "tickcolor": "rgba(0,0,0,0)",
        "tickprefix": scale.prefix,
        "ticksuffix": scale.suffix,
        "tickformat": ",",
        "hoverformat": scale.form,
        "gridcolor": _GRID,
        "zerolinecolor": _AXIS,
        "tickfont": {"color": _QUIET},
    }
    return {
        "font": {"family": _FONT, "size": 12, "color": _INK},
        "margin": {"l": 8, "r": 12, "t": 10, "b": 36},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": False,
        "xaxis": horizontal,
        "yaxis": vertical,
        "hoverlabel": {
            "bgcolor": "#fff",
            "bordercolor": _AXIS,
            "font": {"family": _FONT, "size": 12, "color": _INK},
            "namelength": 40,
        },
    }
