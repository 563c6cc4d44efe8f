"""A series keeps its birth while it lasts, and has another when it comes back."""

from job_exporter.births import BEFORE, Births
from job_exporter.totals import Totals

from tests.job_exporter.builders import NOW

ADA, BEN = ("physics", "ada", "completed"), ("physics", "ben", "completed")


def test_a_series_that_came_back_is_born_again() -> None:
    births = Births()
    births.note(Totals(finished_by_user={ADA: 1.0, BEN: 1.0}), NOW)
    births.note(Totals(finished_by_user={BEN: 2.0}), NOW + 60)
    births.note(Totals(finished_by_user={BEN: 2.0, ADA: 3.0}), NOW + 120)
    assert births.times["finished_by_user"] == {ADA: NOW + 120 - BEFORE, BEN: NOW - BEFORE}
