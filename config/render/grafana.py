"""Grafana's files: the pages as JSON, where their data comes from, and where Grafana finds them.

Its library is imported here and in grafana_panels.py alone. What pages show is in config/panels.
"""

import json
from collections.abc import Iterator, Mapping, Sequence

import yaml
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from config.panels import DASHBOARDS
from config.panels.model import Dashboard, Panel
from config.panels.numbers import with_numbers
from config.render.alert_rules import numbers
from config.render.grafana_environment import (
    DASHBOARDS_DIRECTORY,
    HOME_DASHBOARD,
    PROVISIONING,
)
from config.render.grafana_panels import DATASOURCE, grafana_panel
from config.settings import ClusterSettings

FOLDER = "hpc-stack"
_TAG = "hpc-stack"
_COLUMNS = 24
_ALL = "$__all"
_SCRAPE_SECONDS = 15


def grafana_files(settings: ClusterSettings) -> dict[str, str]:
    """All files: path in the container -> text."""
    scrape_seconds = settings.monitoring.scrape_seconds
    pages = dashboards_json(with_numbers(DASHBOARDS, numbers(settings)), scrape_seconds)
    return {
        f"{PROVISIONING}/datasources/{FOLDER}.yaml": datasource_yaml(scrape_seconds),
        f"{PROVISIONING}/dashboards/{FOLDER}.yaml": provider_yaml(),
        **{f"{DASHBOARDS_DIRECTORY}/{name}": text for name, text in pages.items()},
    }


def dashboards_json(
    dashboards: Sequence[Dashboard], scrape_seconds: int = _SCRAPE_SECONDS
) -> Mapping[str, str]:
    """File name -> text. `scrape_seconds`: between two measurements.

    The same pages give the same text.
    """
    return {
        f"{page.uid}.json": json.dumps(
            _dashboard(page, dashboards, scrape_seconds),
            cls=JSONEncoder,
            separators=(",", ":"),
            sort_keys=True,
        )
        for page in dashboards
    }


def datasource_yaml(scrape_seconds: int) -> str:
    """Where the data comes from. No step is shorter than the time between two measurements."""
    source = {
        "name": "Prometheus",
        "uid": DATASOURCE.uid,
        "type": DATASOURCE.type_val,
        "access": "proxy",
        "url": "http://prometheus:9090",
        "isDefault": True,
        "editable": False,
        "jsonData": {
            "httpMethod": "POST",
            "timeInterval": f"{scrape_seconds}s",
            "prometheusType": "Prometheus",
            "manageAlerts": False,
        },
    }
    document = {"apiVersion": 1, "prune": True, "datasources": [source]}
    return yaml.safe_dump(document, sort_keys=False)


def provider_yaml() -> str:
    """Where Grafana finds the pages. They are changed in the settings and the code alone."""
    provider = {
        "name": FOLDER,
        "folder": FOLDER,
        "folderUid": FOLDER,
        "type": "file",
        "disableDeletion": False,
        "allowUiUpdates": False,
        "updateIntervalSeconds": 60,
        "options": {"path": DASHBOARDS_DIRECTORY},
    }
    return yaml.safe_dump({"apiVersion": 1, "providers": [provider]}, sort_keys=False)


def _dashboard(
    page: Dashboard, pages: Sequence[Dashboard], scrape_seconds: int
) -> models.Dashboard:
    builder = (
        builders.Dashboard(page.title)
        .uid(page.uid)
        .description(" ".join(filter(None, (page.about, page.choose))))
        .tags([_TAG])
        .readonly()
        .timezone("browser")
        .time(f"now-{page.hours}h", "now")
        .refresh("30s")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .variables([_variable(page, index) for index in range(len(page.variables))])
        .links(list(_links(page, pages)))
    )
    dashboard = builder.build()
    dashboard.annotations = models.AnnotationContainer(list_val=list(_marks()))
    dashboard.panels = list(_panels(page, scrape_seconds))
    return dashboard


def _panels(page: Dashboard, scrape_seconds: int) -> Iterator[models.Panel | models.RowPanel]:
    number, top = 1, 0
    for row in page.rows:
        place = models.GridPos(x=0, y=top, w=_COLUMNS, h=1)
        yield models.RowPanel(id_val=number, title=row.title, collapsed=False, grid_pos=place)
        number, top = number + 1, top + 1
        for line in _lines(row.panels):
            left = 0
            for panel in line:
                place = models.GridPos(x=left, y=top, w=panel.width, h=panel.height)
                yield grafana_panel(
                    panel, number=number, place=place, scrape_seconds=scrape_seconds
                )
                number, left = number + 1, left + panel.width
            top += max(panel.height for panel in line)


def _lines(panels: Sequence[Panel]) -> Iterator[list[Panel]]:
    """The panels, as many beside each other as there is room for."""
    line: list[Panel] = []
    for panel in panels:
        if line and sum(one.width for one in line) + panel.width > _COLUMNS:
            yield line
            line = []
        line.append(panel)
    if line:
        yield line


def _variable(page: Dashboard, index: int) -> builders.QueryVariable:
    """A choice among a label's values. Those before it narrow what there is to choose."""
    name, before = page.variables[index], page.variables[:index]
    chosen = ", ".join(f'{one}=~"${one}"' for one in before)
    source = page.variable_source + (f"{{{chosen}}}" if chosen else "")
    return (
        builders.QueryVariable(name)
        .label(name.capitalize())
        .datasource(DATASOURCE)
        .query({"query": f"label_values({source}, {name})", "refId": name})
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(models.VariableOption(selected=True, text=["All"], value=[_ALL]))
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )


def _links(page: Dashboard, pages: Sequence[Dashboard]) -> Iterator[builders.DashboardLink]:
    """A list of all pages; the first page also has each by name, and the others have the first."""
    yield (
        builders.DashboardLink("All pages")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([_TAG])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )
    for other in pages:
        if other is not page and HOME_DASHBOARD in (page.uid, other.uid):
            yield (
                builders.DashboardLink(other.title)
                .type(models.DashboardLinkType.LINK)
                .url(f"/d/{other.uid}")
                .tooltip(other.about)
                .include_vars(True)
                .keep_time(True)
            )


class _Mark(models.AnnotationQuery):
    """Points in time that all panels show. The library does not know of an annotation's texts."""

    def __init__(self, *, name: str, expr: str, color: str, title: str, text: str) -> None:
        super().__init__(name=name, datasource=DATASOURCE, icon_color=color, expr=expr)
        self._texts = {"titleFormat": title, "textFormat": text}

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), **self._texts}


# Its count of cycles begins anew when it starts, and at midnight (UTC). Around midnight it has
# started only if it was silent before, which it is for some seconds.
_SLURMCTLD_STARTED = (
    "resets(slurm_schedule_cycle_cnt[$__rate_interval]) > 0"
    " unless on () (min_over_time((hour() * 60 + minute())[$__rate_interval:1m]) < 3"
    ' unless on () min_over_time(up{job="slurm-scheduler"}[$__rate_interval]) == 0)'
)
# By what each tells of its start. The job exporter tells nothing, and the exporters of MySQL and
# of machines are not what their jobs are about.
_STARTED = " or ".join(
    (
        'changes(process_start_time_seconds{job=~"prometheus|alertmanager"}[$__rate_interval]) > 0',
        "resets(hpc_stack_round_seconds_count[$__rate_interval]) > 0",
        "resets(mysql_global_status_uptime[$__rate_interval]) > 0",
        f'label_replace({_SLURMCTLD_STARTED}, "job", "slurmctld", "", "")',
    )
)


def _marks() -> Iterator[_Mark]:
    yield _Mark(
        name="Restarts",
        expr=_STARTED,
        color="orange",
        title="{{job}} started",
        text="Of slurmctld: or its statistics were set to zero (`sdiag --reset`).",
    )
    yield _Mark(
        name="slurmctld is silent",
        expr="max(hpc_stack_slurmctld_answers) == 0",
        color="red",
        title="slurmctld does not answer",
        text="",
    )
    yield _Mark(
        name="Launches of nodes",
        expr="sum by (pool, capacity) (increase(hpc_stack_launches_total[$__rate_interval])) > 0",
        color="blue",
        title="{{pool}}: nodes launched",
        text="{{capacity}}",
    )
    yield _Mark(
        name="Ends of nodes",
        expr="sum by (pool, result) (increase(hpc_stack_terminations_total[$__rate_interval])) > 0",
        color="purple",
        title="{{pool}}: nodes ended",
        text="{{result}}",
    )
