"""One panel as Grafana draws it. What it asks is in config/panels.

Which picture a kind becomes: LIGHT and NUMBER a stat, LINES and AREAS a time series, BARS a bar
gauge, TABLE a table, BUCKETS a bar gauge of Prometheus' buckets made not cumulative.
"""

from collections.abc import Callable, Mapping
from string import ascii_uppercase

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import Dataquery, PromQueryFormat, QueryEditorMode

from config.panels.model import Colour, Kind, Needs, Panel, Query, Unit

DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="hpc-prometheus")

_OVER_TIME = (Kind.LINES, Kind.AREAS)
_DECIMALS = {Unit.COUNT: 0, Unit.SHARE: 0, Unit.DOLLARS: 2}


def grafana_panel(
    panel: Panel, *, number: int, place: models.GridPos, scrape_seconds: int
) -> models.Panel:
    """The panel with this id, at this place."""
    drawn = _PICTURES[panel.kind](panel)
    drawn.id_val = number
    drawn.title = panel.title
    drawn.description = panel.about
    drawn.datasource = DATASOURCE
    drawn.grid_pos = place
    drawn.interval = f"{scrape_seconds}s"
    drawn.targets = [
        _target(panel, query, ascii_uppercase[index]) for index, query in enumerate(panel.queries)
    ]
    _set_field(drawn, panel)
    return drawn


def _target(panel: Panel, query: Query, ref: str) -> Dataquery:
    target = (
        prometheus.Dataquery()
        .ref_id(ref)
        .datasource(DATASOURCE)
        .expr(_expression(panel, query))
        .legend_format(query.legend)
        .editor_mode(QueryEditorMode.CODE)
    )
    if panel.kind in _OVER_TIME:
        target.range()
    else:
        target.instant()
    formats = {Kind.TABLE: PromQueryFormat.TABLE, Kind.BUCKETS: PromQueryFormat.HEATMAP}
    target.format(formats.get(panel.kind, PromQueryFormat.TIME_SERIES))
    return target.build()


def _expression(panel: Panel, query: Query) -> str:
    # A bar gauge keeps the order in which Prometheus answers.
    one = len(panel.queries) == 1
    return f"sort_desc({query.expr})" if panel.kind is Kind.BARS and one else query.expr


def _set_field(drawn: models.Panel, panel: Panel) -> None:
    source = drawn.field_config or models.FieldConfigSource()
    field = source.defaults
    field.unit = panel.unit.value
    field.no_value = _nothing(panel)
    field.mappings = _mappings(panel)
    field.thresholds = _thresholds(panel)
    field.color = _color(panel)
    if panel.kind in (Kind.NUMBER, Kind.LIGHT):
        field.decimals = _DECIMALS.get(panel.unit)
    if panel.kind is Kind.BARS:
        field.min_val = 0
        field.max_val = 1 if panel.unit is Unit.SHARE else None
    drawn.field_config = source


def _nothing(panel: Panel) -> str:
    if panel.needs is Needs.NOTHING:
        return panel.empty
    return f"{panel.empty} (only with {panel.needs.value})"


def _mappings(panel: Panel) -> list[models.ValueMapping]:
    found: list[models.ValueMapping] = []
    if panel.words:
        texts = {
            f"{value:g}" if value < 1e5 else f"{value:.0f}": models.ValueMappingResult(
                text=text, index=index
            )
            for index, (value, text) in enumerate(panel.words)
        }
        found.append(models.ValueMap(options=texts))
    if not panel.empty_is_fine and panel.kind not in _OVER_TIME:
        nothing = models.DashboardSpecialValueMapOptions(
            match=models.SpecialValueMatch.NULL_AND_NAN,
            result=models.ValueMappingResult(
                text=_nothing(panel), color=Colour.RED.value, index=len(panel.words)
            ),
        )
        found.append(models.SpecialValueMap(options=nothing))
    return found


def _thresholds(panel: Panel) -> models.ThresholdsConfig:
    steps = [models.Threshold(value=step.value, color=step.colour.value) for step in panel.steps]
    plain = models.Threshold(value=None, color=Colour.BLUE.value)
    return models.ThresholdsConfig(mode=models.ThresholdsMode.ABSOLUTE, steps=steps or [plain])


def _color(panel: Panel) -> models.FieldColor:
    if panel.kind in _OVER_TIME:
        return models.FieldColor(mode=models.FieldColorModeId.PALETTE_CLASSIC_BY_NAME)
    return models.FieldColor(mode=models.FieldColorModeId.THRESHOLDS)


def _newest() -> common.ReduceDataOptions:
    # Without `values`, each series is one value.
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


def _stat(panel: Panel) -> models.Panel:
    modes = common_models.BigValueTextMode
    alone = len(panel.queries) == 1 and "{{" not in panel.queries[0].legend
    colors = common_models.BigValueColorMode
    coloured = colors.BACKGROUND_SOLID if panel.kind is Kind.LIGHT else colors.VALUE
    return (
        stat.Panel()
        .reduce_options(_newest())
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .color_mode(coloured if panel.steps else colors.NONE)
        .text_mode(modes.VALUE if alone else modes.VALUE_AND_NAME)
        .justify_mode(common_models.BigValueJustifyMode.AUTO)
        .orientation(common_models.VizOrientation.AUTO)
        .build()
    )


def _time_series(panel: Panel) -> models.Panel:
    drawn = (
        timeseries.Panel()
        .draw_style(common_models.GraphDrawStyle.LINE)
        .line_width(1)
        .fill_opacity(30 if panel.kind is Kind.AREAS else 0)
        .show_points(common_models.VisibilityMode.AUTO)
        .axis_soft_min(0)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(common_models.LegendDisplayMode.LIST)
            .placement(common_models.LegendPlacement.BOTTOM)
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_models.TooltipDisplayMode.MULTI)
            .sort(common_models.SortOrder.DESCENDING)
        )
    )
    if panel.kind is Kind.AREAS:
        drawn.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL).group("A"))
    if panel.steps:
        drawn.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(common_models.GraphTresholdsStyleMode.DASHED)
        )
    return drawn.build()


def _bars(_: Panel) -> models.Panel:
    return (
        bargauge.Panel()
        .reduce_options(_newest())
        .orientation(common_models.VizOrientation.HORIZONTAL)
        .display_mode(common_models.BarGaugeDisplayMode.BASIC)
        .value_mode(common_models.BarGaugeValueMode.COLOR)
        .show_unfilled(True)
        .min_viz_height(16)
        .min_viz_width(8)
        .build()
    )


def _table(panel: Panel) -> models.Panel:
    drawn = table.Panel().show_header(True).cell_height(common_models.TableCellHeight.SM).build()
    shown = [*(label for label, _ in panel.columns), "Value"]
    headings = {**dict(panel.columns), "Value": panel.value_heading}
    drawn.transformations = [
        models.DataTransformerConfig(
            id_val="filterFieldsByName", options={"include": {"names": shown}}
        ),
        models.DataTransformerConfig(
            id_val="organize",
            options={
                "indexByName": {name: index for index, name in enumerate(shown)},
                "renameByName": headings,
            },
        ),
    ]
    return drawn


_PICTURES: Mapping[Kind, Callable[[Panel], models.Panel]] = {
    Kind.LIGHT: _stat,
    Kind.NUMBER: _stat,
    Kind.LINES: _time_series,
    Kind.AREAS: _time_series,
    Kind.BARS: _bars,
    Kind.TABLE: _table,
    Kind.BUCKETS: _bars,
}
