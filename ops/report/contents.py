"""Which dashboards a report shows: all of a cluster's, or what there is to say of an account."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from config.panels.cost import COST
from config.panels.model import Dashboard, Panel
from config.panels.my_class import MY_CLASS
from config.panels.numbers import with_numbers
from ops.report.subject import Subject


def contents(dashboards: Sequence[Dashboard], subject: Subject) -> tuple[Dashboard, ...]:
    """Of these dashboards, what is about the subject, with the numbers of its cluster."""
    return with_numbers(_about(dashboards, subject), subject.numbers)


def _about(dashboards: Sequence[Dashboard], subject: Subject) -> Iterator[Dashboard]:
    if subject.account is None:
        # All users of a cluster are no class.
        return (one for one in dashboards if one != MY_CLASS)
    return _of_an_account(dashboards)


def _of_an_account(dashboards: Sequence[Dashboard]) -> Iterator[Dashboard]:
    if MY_CLASS in dashboards:
        yield MY_CLASS
    if COST in dashboards:
        rows = [replace(row, panels=tuple(filter(_is_by_account, row.panels))) for row in COST.rows]
        yield replace(COST, rows=tuple(row for row in rows if row.panels))


def _is_by_account(panel: Panel) -> bool:
    """Whether it tells of the chosen accounts, and not of their users: those are the class's."""
    exprs = [query.expr for query in panel.queries]
    return all("$account" in expr and "$user" not in expr for expr in exprs)
