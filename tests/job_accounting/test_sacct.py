"""sacct is asked the right question, and its troubles are told apart."""

from collections.abc import Sequence

import pytest
from job_accounting import sacct
from job_accounting.command import CommandFailed
from job_accounting.sacct import SacctRefused, SacctUnavailable

from tests.job_accounting.builders import NOW, sacct_line


class Sacct:
    """Remembers what it was asked; answers with a job, in the delimiter that was wanted."""

    def __init__(self, trouble: str | None = None) -> None:
        self.trouble = trouble
        self.options: dict[str, str] = {}

    def __call__(self, command: Sequence[str], timeout: float) -> str:
        assert command[0] == "sacct"
        self.options = {name: value for name, _, value in (word.partition("=") for word in command)}
        if self.trouble is not None:
            raise CommandFailed(self.trouble)
        return sacct_line(delimiter=self.options["--delimiter"], JobName="a|b") + "\n"


def test_everybodys_jobs_are_asked_for_unless_users_are_named() -> None:
    run = Sacct()
    (found,) = sacct.jobs(since=NOW - 60, until=NOW, run=run)
    assert found.name == "a|b"
    assert "--allusers" in run.options
    assert "--allocations" not in run.options
    assert "--state" not in run.options
    assert run.options["--starttime"] == f"uts{NOW - 60}"
    assert run.options["--endtime"] == f"uts{NOW}"


def test_users_and_accounts_are_named_in_lists() -> None:
    run = Sacct()
    sacct.jobs(users=["ada", "ben"], accounts=["research"], steps=False, run=run)
    assert "--allusers" not in run.options
    assert run.options["--user"] == "ada,ben"
    assert run.options["--accounts"] == "research"
    assert "--allocations" in run.options


def test_ended_jobs_are_selected_by_state_so_that_the_times_are_of_their_end() -> None:
    run = Sacct()
    sacct.jobs(since=NOW - 60, until=NOW, ended_only=True, run=run)
    states = run.options["--state"].split(",")
    assert {"completed", "cancelled", "requeued", "resizing", "deadline"} <= set(states)
    assert "running" not in states


def test_no_time_is_too_early_for_sacct() -> None:
    run = Sacct()
    sacct.jobs(since=0, run=run)
    assert run.options["--starttime"] == "uts1000000000"


def test_the_delimiter_is_another_one_each_time() -> None:
    first, second = Sacct(), Sacct()
    sacct.jobs(run=first)
    sacct.jobs(run=second)
    assert first.options["--delimiter"] != second.options["--delimiter"]


def test_trouble_is_told_in_saccts_words() -> None:
    words = "sacct: error: Problem talking to the database: Connection refused"
    with pytest.raises(SacctUnavailable, match="Connection refused") as caught:
        sacct.jobs(run=Sacct(words))
    assert not isinstance(caught.value, SacctRefused)


@pytest.mark.parametrize(
    "words",
    ["sacct: error: Invalid user id: nosuch", "sacct: fatal: Bad job/step specified: abc"],
)
def test_a_question_that_cannot_be_is_no_outage(words: str) -> None:
    with pytest.raises(SacctRefused, match=words):
        sacct.jobs(run=Sacct(words))
