"""Accounting database: MySQL, slurmdbd, and how far the counting of jobs is."""

from config.panels.absence import JOBS_COUNTED, NOT_COUNTED, or_not_known, while_known
from config.panels.model import Colour, Dashboard, Kind, Panel, Query, Step, Unit
from config.panels.rows import row
from config.panels.steps import FULL, GOOD_FROM_ONE, UP_OR_DOWN

_NO_MYSQL = "MySQL or its exporter does not answer"
_NO_EXPORTER = "the job exporter does not answer"
_NO_SLURMCTLD = "slurmctld does not answer"
_QUEUE = (
    Step(value=None, colour=Colour.GREEN),
    Step(value=100, colour=Colour.YELLOW),
    Step(value=5000, colour=Colour.RED),
)


def _rate(status: str) -> str:
    return f"sum(rate(mysql_global_status_{status}[$__rate_interval]))"


def _number(
    title: str, about: str, expr: str, unit: Unit, steps: tuple[Step, ...], empty: str
) -> Panel:
    return Panel(
        title=title,
        about=about,
        kind=Kind.NUMBER,
        queries=(Query(expr=expr, legend=title),),
        unit=unit,
        steps=steps,
        empty=empty,
        empty_is_fine=False,
        width=4,
        height=4,
    )


def _light(title: str, about: str, expr: str) -> Panel:
    return Panel(
        title=title,
        about=about,
        kind=Kind.LIGHT,
        queries=(Query(expr=or_not_known(expr), legend=title),),
        unit=Unit.NONE,
        steps=GOOD_FROM_ONE,
        words=UP_OR_DOWN,
        empty="not known",
        empty_is_fine=False,
        width=4,
        height=4,
    )


_NOW = (
    _light("MySQL answers", "Whether MySQL answers its exporter.", "max(mysql_up)"),
    _light(
        "slurmdbd answers",
        "Whether slurmdbd answers the job exporter.",
        "min(hpc_stack_slurmdbd_answers)",
    ),
    _number(
        "Waiting for slurmdbd",
        "Records that slurmctld has not got rid of. They grow while slurmdbd is down or slow; "
        "at 10 000 and more, some are lost.",
        "max(slurm_slurmdbd_queue_size)",
        Unit.COUNT,
        _QUEUE,
        _NO_SLURMCTLD,
    ),
    _number(
        "MySQL up for",
        "Time since its last start.",
        "max(mysql_global_status_uptime)",
        Unit.SECONDS,
        (),
        _NO_MYSQL,
    ),
    _number(
        "Connections in use",
        "Of those that MySQL allows. At 100 % slurmdbd gets none.",
        "max(mysql_global_status_threads_connected) / max(mysql_global_variables_max_connections)",
        Unit.SHARE,
        FULL,
        _NO_MYSQL,
    ),
    _number(
        "Accounting query",
        "How long the last question for finished jobs took.",
        while_known("max(hpc_stack_accounting_query_seconds)", JOBS_COUNTED),
        Unit.SECONDS,
        (
            Step(value=None, colour=Colour.GREEN),
            Step(value=5, colour=Colour.YELLOW),
            Step(value=30, colour=Colour.RED),
        ),
        NOT_COUNTED,
    ),
)


def _lines(
    title: str,
    about: str,
    queries: tuple[Query, ...],
    unit: Unit,
    empty: str = _NO_MYSQL,
    *,
    width: int = 8,
) -> Panel:
    return Panel(
        title=title,
        about=about,
        kind=Kind.LINES,
        queries=queries,
        unit=unit,
        empty=empty,
        empty_is_fine=False,
        width=width,
    )


_ACCOUNTING = (
    _lines(
        "Waiting for slurmdbd over time",
        "A hill is an interruption that was made up for. A slope is a slurmdbd that is too slow.",
        (Query(expr="max(slurm_slurmdbd_queue_size)", legend="records"),),
        Unit.COUNT,
        _NO_SLURMCTLD,
        width=7,
    ),
    _lines(
        "Counting is behind by",
        "Time since until when finished jobs have been counted.",
        (
            Query(
                expr="time() - max(hpc_stack_accounting_cursor_timestamp_seconds)",
                legend="behind",
            ),
        ),
        Unit.SECONDS,
        _NO_EXPORTER,
        width=7,
    ),
    _lines(
        "Accounting queries",
        "How long the questions for finished jobs take.",
        (Query(expr="max(hpc_stack_accounting_query_seconds)", legend="last query"),),
        Unit.SECONDS,
        _NO_EXPORTER,
        width=7,
    ),
)

_MYSQL = (
    _lines(
        "Connections",
        "Open ones, those that do something now, and what MySQL allows.",
        (
            Query(expr="max(mysql_global_status_threads_connected)", legend="open"),
            Query(expr="max(mysql_global_status_threads_running)", legend="busy"),
            Query(expr="max(mysql_global_variables_max_connections)", legend="at most"),
        ),
        Unit.COUNT,
        width=7,
    ),
    _lines(
        "Queries",
        "All, and those slower than `long_query_time`.",
        (
            Query(expr=_rate("queries"), legend="all"),
            Query(expr=_rate("slow_queries"), legend="slow"),
        ),
        Unit.PER_SECOND,
        width=7,
    ),
    _lines(
        "Commands",
        "What slurmdbd and the exporters ask MySQL to do.",
        (
            Query(
                expr="sum by (command) (rate(mysql_global_status_commands_total"
                '{command=~"select|insert|update|delete|commit|rollback"}[$__rate_interval]))',
                legend="{{command}}",
            ),
        ),
        Unit.PER_SECOND,
        width=7,
    ),
    _lines(
        "Reads from the buffer pool",
        "Share of reads that needed no disk. Below 99 % for long: the pool is too small for "
        "the tables in use.",
        (
            Query(
                expr=f"1 - {_rate('innodb_buffer_pool_reads')}"
                f" / clamp_min({_rate('innodb_buffer_pool_read_requests')}, 0.001)",
                legend="from memory",
            ),
        ),
        Unit.SHARE,
    ),
    Panel(
        title="Pages of the buffer pool",
        about="What MySQL's main memory holds. No free pages are usual after some time.",
        kind=Kind.AREAS,
        queries=(
            Query(
                expr="sum by (state) (mysql_global_status_buffer_pool_pages)", legend="{{state}}"
            ),
        ),
        empty=_NO_MYSQL,
        empty_is_fine=False,
        width=8,
    ),
    _lines(
        "Database's disk traffic",
        "What InnoDB reads and writes.",
        (
            Query(expr=_rate("innodb_data_read"), legend="read"),
            Query(expr=_rate("innodb_data_written"), legend="written"),
        ),
        Unit.BYTES_PER_SECOND,
    ),
    _lines(
        "Row locks",
        "How often one query waited for another. Often: archive old records, or look for a report "
        "that runs for long.",
        (Query(expr=_rate("innodb_row_lock_waits"), legend="waits"),),
        Unit.PER_SECOND,
    ),
    _lines(
        "Failed connections",
        "Refused ones, and those that ended without a goodbye, as when slurmdbd is killed.",
        (
            Query(expr=_rate("aborted_connects"), legend="refused"),
            Query(expr=_rate("aborted_clients"), legend="broken off"),
        ),
        Unit.PER_SECOND,
    ),
    _lines(
        "Database's network traffic",
        "What MySQL receives and sends.",
        (
            Query(expr=_rate("bytes_received"), legend="received"),
            Query(expr=_rate("bytes_sent"), legend="sent"),
        ),
        Unit.BYTES_PER_SECOND,
    ),
)

DATABASE = Dashboard(
    uid="hpc-database",
    title="Accounting database and MySQL",
    about="Whether records of jobs arrive, and how the database does.",
    rows=(
        row("The database now", _NOW),
        row("Accounting", _ACCOUNTING),
        row("MySQL", _MYSQL),
    ),
)
