"""`make report`: the cluster's panels as one HTML file, for those who have no Grafana.

    python -m ops.report STACK [--range 24h] [--out report.html] [--account NAME]
                               [--prometheus URL]

With --account it is about that account and those below it, for instance about a class. The file
needs no network: it can be mailed, printed, or attached to a build.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from config.panels import DASHBOARDS
from config.panels.model import Dashboard
from ops.environment import CHECKOUT
from ops.progress import say
from ops.report.contents import contents
from ops.report.data import Answers, ask, began
from ops.report.page import page
from ops.report.prometheus import NoAnswer, Prometheus, Refused
from ops.report.subject import Subject, measured, subject_of
from ops.report.timeline import Timeline
from ops.stack import StackProblem, run_command


def make_report(
    subject: Subject, dashboards: Sequence[Dashboard], url: str, wanted: str, out: Path
) -> Answers:
    """Ask the Prometheus at `url`, and write the page: what these dashboards say of the subject.

    Raises StackProblem.
    """
    prometheus = Prometheus(url)
    timeline = Timeline.before(time.time(), wanted, subject.scrape_seconds)
    try:
        timeline = timeline.since(began(prometheus, timeline))
    except (NoAnswer, Refused) as problem:
        raise StackProblem(_silent(subject, url, problem)) from None
    subject = measured(subject, prometheus, timeline)
    shown = contents(dashboards, subject)
    choice = subject.account.choice if subject.account else None
    answers = ask(shown, prometheus, timeline, subject.has, choice)
    try:
        out.write_text(page(subject, shown, answers), "utf-8")
    except OSError as error:
        raise StackProblem(f"{out} cannot be written: {error.strerror}") from None
    return answers


def _silent(subject: Subject, url: str, problem: Exception) -> str:
    fix = "make ports, in another terminal" if subject.on_aws else "make up"
    return f"No report: Prometheus does not answer at {url} ({problem}). Fix: {fix}"


def main() -> None:
    """`python -m ops.report`; see above."""
    parser = argparse.ArgumentParser(prog="make report", description="One page of all panels.")
    parser.add_argument("stack", metavar="STACK")
    parser.add_argument("--range", default="24h", help="how far it goes back: 90m, 24h, 7d, 2w")
    parser.add_argument("--out", type=Path, default=Path("report.html"), help="the file to write")
    parser.add_argument("--account", default="", help="about it and those below it alone")
    parser.add_argument("--prometheus", metavar="URL", help="where Prometheus listens")
    told = parser.parse_args(sys.argv[1:])
    begun = time.monotonic()
    subject = subject_of(CHECKOUT / f"Pulumi.{told.stack}.yaml", told.account)
    url = told.prometheus or subject.prometheus
    answers = make_report(subject, DASHBOARDS, url, told.range, told.out)
    megabytes = told.out.stat().st_size / 1e6
    say(
        f"{told.out}: {len(answers.by_panel)} panels, {answers.queries} queries, "
        f"{megabytes:.1f} MB, {time.monotonic() - begun:.1f} s. Open it in a browser."
    )
    if answers.failed:
        say(f"{answers.failed} of {answers.queries} queries have no answer: see the red panels.")


if __name__ == "__main__":
    run_command(main)
