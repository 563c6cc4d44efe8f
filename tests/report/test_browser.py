"""The page as a browser shows it: from a file, without a network."""

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from config.panels import DASHBOARDS
from config.panels.model import Dashboard, Kind, Needs, Query, Row, Unit
from ops.environment import CHECKOUT
from ops.report.__main__ import make_report
from ops.report.subject import subject_of
from tests.report.browser import Shown, printed, screenshot, show
from tests.report.samples import EVIL, RISING, UP, panel
from tests.report.stand_in import EVERYTHING, Found, StandIn, listening

ASK_THE_PAGE = """
<script>
setTimeout(() => {
  const cards = [...document.querySelectorAll(".card")];
  const inside = (part, whole) => part.bottom <= whole.bottom + 1 && part.right <= whole.right + 1
    && part.top >= whole.top - 1 && part.left >= whole.left - 1;
  const faults = [];
  for (const card of cards) {
    const box = card.getBoundingClientRect();
    const plot = card.querySelector(".drawing");
    const legend = card.querySelector(".legend");
    if (plot && !inside(plot.getBoundingClientRect(), box)) faults.push(`${card.id}: plot`);
    if (!legend) continue;
    if (!inside(legend.getBoundingClientRect(), box)) faults.push(`${card.id}: legend`);
    if (plot.getBoundingClientRect().bottom > legend.getBoundingClientRect().top + 1)
      faults.push(`${card.id}: legend on plot`);
  }
  for (const tile of document.querySelectorAll(".tile")) {
    const box = tile.getBoundingClientRect();
    const parts = [...tile.querySelectorAll(".value, .word, .who, .icon")];
    if (!parts.every((part) => inside(part.getBoundingClientRect(), box)))
      faults.push(`${tile.id}: text`);
  }
  const page = document.documentElement;
  if (page.scrollWidth > page.clientWidth) faults.push(`page: ${page.scrollWidth} wide`);
  dispatchEvent(new Event("beforeprint"));
  dispatchEvent(new Event("afterprint"));
  document.querySelectorAll(".legend").forEach((legend) => legend.querySelector("button").click());
  document.body.dataset.faults = faults.join("; ") || "none";
}, 5000);
</script>
"""
"""Looks for what overlaps or overflows, and presses what can be pressed."""


def wave(size: float, period: float) -> Found:
    """A value that goes up and down; it was not measured for some time."""

    def value(at: float) -> float | None:
        if 0.55 < (at % 86_400) / 86_400 < 0.6:
            return None
        return size * (1.2 + math.sin(2 * math.pi * at / period)) / 2.2

    return {"pool": f"pool-{period:.0f}", "le": "+Inf"}, value


SAMPLE = Dashboard(
    uid="sample",
    title="Sample",
    about="One of each, with `code`.",
    rows=(
        Row(
            title="Lights",
            panels=(
                panel(Kind.LIGHT, "up", title="Up", steps=UP, words=((1, "works"),)),
                panel(Kind.LIGHT, "nothing", title="Dark", empty="not known"),
                panel(Kind.NUMBER, "memory", title="Memory", unit=Unit.BYTES),
                panel(Kind.NUMBER, "budget", title="Budget", unit=Unit.SHARE, steps=RISING),
                panel(Kind.NUMBER, "refused", title="Refused"),
                panel(Kind.NUMBER, "up", title="Full in", words=((1, "90 days or more"),)),
                panel(Kind.NUMBER, "started", title="Started", unit=Unit.TIME_AGO),
                panel(Kind.NUMBER, "age", title="Age", unit=Unit.SECONDS, steps=RISING),
                panel(Kind.NUMBER, "disks", title="Disks", unit=Unit.SECONDS, steps=RISING),
            ),
        ),
        Row(
            title="Plots",
            panels=(
                panel(Kind.LINES, "waves", title="Lines", unit=Unit.SECONDS),
                panel(Kind.AREAS, "waves", title="Areas", unit=Unit.DOLLARS),
                panel(Kind.BUCKETS, "waits", title="Histogram", queries=(Query(expr="waits"),)),
                panel(Kind.BARS, "waves", title="Bars", unit=Unit.SHARE, steps=RISING),
                panel(Kind.TABLE, "evil", title="Table"),
                panel(Kind.LINES, "evil", title="Evil lines"),
                panel(Kind.LINES, "nothing", title="Nothing", empty="no job yet"),
            ),
        ),
        Row(title="GPUs", panels=(panel(Kind.LINES, "gpus", needs=Needs.GPUS),)),
    ),
)
FOUND: dict[str, list[Found]] = {
    "up": [({}, 1.0)],
    "started": [({}, 1_000.0 * (23 * 3_600 + 59 * 60))],
    "age": [({}, 23 * 3_600 + 59 * 60.0)],
    "disks": [({"device": f"/dev/nvme{n}n1p1"}, 86_399.0 * 20) for n in range(2)],
    "memory": [({}, 12.3 * 2**30)],
    "budget": [({"account": "physics"}, 0.88), ({"account": "root"}, 0.5)],
    "waves": [wave(1, 9_000 + 700 * n) for n in range(10)],
    "waits": [({"le": "1"}, 3.0), ({"le": "60"}, 9.0), ({"le": "+Inf"}, 10.0)],
    "evil": [({"name": EVIL}, 1.0)],
}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page with all that a panel can be."""
    out = tmp_path_factory.mktemp("report") / "sample.html"
    with listening(StandIn(found=dict(FOUND), refused={"refused": "no <b>memory</b>"})) as server:
        make_report(subject_of(CHECKOUT / "Pulumi.local.yaml"), [SAMPLE], server.url, "24h", out)
    return out.read_text("utf-8")


@pytest.fixture(scope="module")
def shown(sample: str) -> Shown:
    return show(sample.replace("</body>", f"{ASK_THE_PAGE}</body>"))


def elements(dom: str, marked: str) -> Iterator[str]:
    """The panels' HTML, by a word in their titles."""
    for article in re.findall(r"<article.*?</article>", dom, re.S):
        if f"<h4>{marked}</h4>" in article:
            yield article


def test_an_error_in_a_page_is_noticed() -> None:
    page = "<script>nothing.at.all</script><script src='https://example.org/x.js'></script>"
    said = "\n".join(show(page).console)
    assert "nothing is not defined" in said


def test_the_page_makes_no_error_and_asks_no_network(shown: Shown) -> None:
    assert shown.console == ()


def test_nothing_overlaps_and_nothing_overflows(shown: Shown) -> None:
    assert 'data-faults="none"' in shown.dom


def test_on_a_narrow_screen_as_well(sample: str) -> None:
    narrow = show(sample.replace("</body>", f"{ASK_THE_PAGE}</body>"), width=500)
    assert 'data-faults="none"' in narrow.dom
    assert narrow.console == ()


def test_every_plot_is_drawn(shown: Shown) -> None:
    assert shown.dom.count('class="drawing') == 4
    for title in ("Lines", "Areas", "Histogram", "Evil lines"):
        (one,) = elements(shown.dom, title)
        assert "main-svg" in one
        assert 'd="M' in one


def test_lights_and_numbers_are_words(shown: Shown) -> None:
    for title, text in {
        "Up": "works", "Dark": "not known", "Memory": "12.3 GiB", "Budget": "88%",
        "Refused": "Prometheus refuses: no &lt;b&gt;memory&lt;/b&gt;", "Nothing": "no job yet",
    }.items():  # fmt: skip
        (one,) = elements(shown.dom, title)
        assert text in one
    assert "This needs nodes with GPUs." in shown.dom
    assert "<code>code</code>" in shown.dom


def test_what_needs_attention_is_at_the_top(shown: Shown) -> None:
    (top,) = re.findall(r'<section class="attention red".*?</section>', shown.dom, re.S)
    assert "5 things need attention" in top
    order = [top.index(f"<b>{title}:</b>") for title in ("Dark", "Refused", "Budget")]
    assert order == sorted(order)


def test_names_of_others_make_no_element_and_run_no_script(shown: Shown) -> None:
    assert "<img" not in shown.dom
    assert re.search(r"<title>local, ", shown.dom)
    assert "&lt;img src=x" in next(elements(shown.dom, "Table"))


def test_the_page_can_be_printed(sample: str) -> None:
    assert printed(sample).startswith(b"%PDF-")


def test_the_clusters_own_panels_make_no_error(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    subject = subject_of(CHECKOUT / "Pulumi.local.yaml")
    everything = replace(subject, has=frozenset(Needs))
    with listening(StandIn(found={EVERYTHING: FOUND["waves"][:3]})) as server:
        made = make_report(everything, DASHBOARDS, server.url, "24h", out)
    assert made.failed == 0
    html = out.read_text("utf-8")
    found = show(html.replace("</body>", f"{ASK_THE_PAGE}</body>"))
    assert found.console == ()
    assert 'data-faults="none"' in found.dom
    picture = screenshot(html)
    (tmp_path / "report.png").write_bytes(picture)  # for people: pytest keeps the directory
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 50_000
