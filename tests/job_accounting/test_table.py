"""Tables fit a terminal."""

from job_accounting.table import cut, table


def test_columns_are_as_wide_as_they_must_be() -> None:
    lines = table(["JOB", "COST"], [["7", "$1.00"], ["12_3", "$10.00"]], right=[1])
    assert lines == [
        "JOB     COST",
        "7      $1.00",
        "12_3  $10.00",
    ]


def test_one_column_gives_way() -> None:
    lines = table(["A", "NAME", "B"], [["x" * 30, "y" * 90, "z" * 30]], shrink=1)
    assert max(map(len, lines)) == 80
    assert "yyyyyy.." in lines[1]


def test_a_table_that_does_not_fit_keeps_a_little_of_the_column() -> None:
    lines = table(["A", "NAME"], [["x" * 90, "yyyyyyyy"]], shrink=1)
    assert lines[1] == "x" * 90 + "  yy.."


def test_a_short_text_is_not_cut() -> None:
    assert [cut("abcd", size) for size in (4, 3, 2, 1, 0)] == ["abcd", "a..", "..", ".", ""]
