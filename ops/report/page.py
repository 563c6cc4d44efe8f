"""The page: one HTML file with everything in it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from config.alerts import ALERTS, Severity
from config.panels.model import Colour, Dashboard
from config.panels.overview import FIRING
from ops.report.data import Answers
from ops.report.facts import facts
from ops.report.subject import Subject
from ops.report.timeline import Timeline, moment
from ops.report.views import Drawing, RowView, Section, View

MOST_CONCERNS = 10
"""Listed at the top; where nothing answers, there would be one for each panel."""
MOST_ACCOUNTS = 12
"""Named at the top, of those below the one that the page is about."""
_COLOURS: Mapping[str, Colour] = {
    Severity.PAGE: Colour.RED,
    Severity.WARNING: Colour.YELLOW,
    Severity.INFO: Colour.BLUE,
}
_MEANINGS = {alert.name: alert.meaning for alert in ALERTS}
_HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Concern:
    """What somebody has to look at."""

    section: str
    colour: str
    title: str
    text: str
    anchor: str
    """The id of the panel or row that says more."""


@dataclass(frozen=True, kw_only=True)
class Heading:
    """What the page is about."""

    kind: str
    title: str
    notes: tuple[str, ...]
    """What has to be known before anything is read."""


def page(subject: Subject, dashboards: Sequence[Dashboard], answers: Answers) -> str:
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
        cluster=subject.cluster,
        heading=heading(subject, answers.timeline),
        made=moment(answers.timeline.end),
        span=_span(answers.timeline),
        sections=sections,
        concerns=list(concerns(sections)),
        most_concerns=MOST_CONCERNS,
        knows_alerts=FIRING in answers.by_panel,
        facts=facts(answers),
        queries=answers.queries,
        failed=answers.failed,
        plots=drawing.plots,
        style=(_HERE / "style.css").read_text("utf-8"),
        script=(_HERE / "page.js").read_text("utf-8"),
        plotly=files("plotly").joinpath("package_data", "plotly.min.js").read_text("utf-8"),
    )


def heading(subject: Subject, timeline: Timeline) -> Heading:
    """The top of the page."""
    notes = []
    if timeline.is_shortened:
        notes.append(
            f"Measurements begin on {moment(timeline.start)}; "
            f"`monitoring.retention_days` is {subject.retention_days}."
        )
    account = subject.account
    if account is None:
        return Heading(kind="Slurm cluster", title=subject.cluster, notes=tuple(notes))
    if account.below:
        named = ", ".join(account.below[:MOST_ACCOUNTS])
        more = len(account.below) - MOST_ACCOUNTS
        notes.insert(0, f"With {named}" + (f" and {more} more below it." if more > 0 else "."))
    if account.unmeasured:
        notes.append(account.unmeasured)
    return Heading(
        kind=f"Slurm cluster {subject.cluster}",
        title=": ".join(filter(None, (f"Account {account.name}", account.description))),
        notes=tuple(notes),
    )


def concerns(sections: Sequence[Section]) -> Iterator[Concern]:
    """What somebody has to look at: red, then yellow, then blue; alerts before panels."""
    alerts = [(section, view) for section in sections for view in section.views
              if view.title == FIRING.title]  # fmt: skip
    for colour in (Colour.RED, Colour.YELLOW, Colour.BLUE):
        for section, view in alerts:
            yield from _active(section, view, colour)
        for section in sections:
            yield from _panels(section, colour)


def _active(section: Section, view: View, colour: Colour) -> Iterator[Concern]:
    """The alerts of a colour, from the rows of the panel that lists them."""
    for item in view.items:
        alert, severity = item.cells
        if _COLOURS.get(severity, Colour.YELLOW) == colour:
            yield Concern(
                section=section.title,
                colour=colour,
                title=alert,
                text=_MEANINGS.get(alert, "an alert"),
                anchor=view.id,
            )


def _panels(section: Section, colour: Colour) -> Iterator[Concern]:
    """The section's rows and panels of a colour; several with the same reason are one concern."""
    alike: dict[str, list[Concern]] = {}
    for reason, concern in _one_by_one(section, colour):
        alike.setdefault(reason, []).append(concern)
    for found in alike.values():
        more = len(found) - 2
        names = ", ".join(one.title for one in found[:2])
        yield replace(found[0], title=f"{names} and {more} more" if more > 0 else names)


def _one_by_one(section: Section, colour: Colour) -> Iterator[tuple[str, Concern]]:
    """Each with its reason."""

    def concern(one: RowView | View, text: str) -> Concern:
        return Concern(
            section=section.title, colour=colour, title=one.title, text=text, anchor=one.id
        )

    for row in section.rows:
        if colour is Colour.RED:
            yield from ((text, concern(row, text)) for text in row.untold)
        for view in row.views:
            if view.urgent and view.colour == colour:
                # What is no message is about its own panel alone.
                yield view.message or view.id, concern(view, view.summary)


def _span(timeline: Timeline) -> tuple[str, str]:
    """How long, and from when to when."""
    return (
        timeline.words,
        f"{moment(timeline.start).removesuffix(' UTC')} to {moment(timeline.end)}",
    )
