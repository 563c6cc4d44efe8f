"""The page: one HTML file with everything in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from config.panels.model import Colour, Dashboard
from ops.report.data import Answers
from ops.report.timeline import Timeline, moment
from ops.report.views import Drawing, Section, View

MOST_CONCERNS = 10
"""Listed at the top; where nothing answers, there would be one for each panel."""
_HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Concern:
    """What somebody has to look at: a panel, or several of a section for the same reason."""

    section: str
    colour: str
    views: tuple[View, ...]

    @property
    def title(self) -> str:
        """Of which panels."""
        more = len(self.views) - 2
        names = ", ".join(view.title for view in self.views[:2])
        return f"{names} and {more} more" if more > 0 else names

    @property
    def text(self) -> str:
        """What is the matter."""
        return self.views[0].summary


def page(cluster: str, dashboards: Sequence[Dashboard], answers: Answers) -> str:
    """The HTML document."""
    drawing = Drawing(answers)
    sections = [drawing.section(dashboard) for dashboard in dashboards]
    templates = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # What is no number would end the reading of all plots.
    templates.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return templates.get_template("page.html").render(
        cluster=cluster,
        made=moment(answers.timeline.end),
        span=_span(answers.timeline),
        sections=sections,
        concerns=list(concerns(sections)),
        most_concerns=MOST_CONCERNS,
        queries=answers.queries,
        failed=answers.failed,
        plots=drawing.plots,
        style=(_HERE / "style.css").read_text("utf-8"),
        script=(_HERE / "page.js").read_text("utf-8"),
        plotly=files("plotly").joinpath("package_data", "plotly.min.js").read_text("utf-8"),
    )


def concerns(sections: Sequence[Section]) -> Iterator[Concern]:
    """What somebody has to look at, red before yellow."""
    for colour in (Colour.RED, Colour.YELLOW):
        for section in sections:
            alike: dict[str, list[View]] = {}
            for view in section.views:
                if view.urgent and view.colour == colour:
                    # What is no message is about its own panel alone.
                    alike.setdefault(view.message or view.id, []).append(view)
            for views in alike.values():
                yield Concern(section=section.title, colour=colour, views=tuple(views))


def _span(timeline: Timeline) -> tuple[str, str]:
    """How long, and from when to when."""
    words = "Since the first measurement" if timeline.is_shortened else timeline.words
    return words, f"{moment(timeline.start).removesuffix(' UTC')} to {moment(timeline.end)}"
