"""Slurm's commands are run with a time limit, and fail in their own words."""

import sys

import pytest
from job_accounting.command import CommandFailed, run_command


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_times_are_asked_for_in_seconds_since_the_epoch() -> None:
    code = "import os; print(os.environ['SLURM_TIME_FORMAT'])"
    assert run_command(python(code), 10) == "%s\n"


def test_a_failure_is_the_last_line_that_it_said() -> None:
    code = "import sys; sys.exit('sacct: error: one\\nsacct: error: two')"
    with pytest.raises(CommandFailed, match=r"^sacct: error: two$"):
        run_command(python(code), 10)


def test_a_failure_that_says_nothing_is_its_exit_status() -> None:
    with pytest.raises(CommandFailed, match="exit status 3"):
        run_command(python("raise SystemExit(3)"), 10)


def test_an_error_with_exit_status_0_is_a_failure() -> None:
    code = "import sys; print('sacct: error: Problem talking to the database', file=sys.stderr)"
    with pytest.raises(CommandFailed, match="Problem talking"):
        run_command(python(code), 10)


def test_a_warning_beside_an_answer_is_none() -> None:
    code = "import sys; print('1|a'); print('sacct: error: old plugin', file=sys.stderr)"
    assert run_command(python(code), 10) == "1|a\n"


def test_no_answer_in_time_is_a_failure() -> None:
    with pytest.raises(CommandFailed, match=r"no answer within 0\.2 s"):
        run_command(python("import time; time.sleep(30)"), 0.2)


def test_a_command_that_is_not_there_is_a_failure() -> None:
    with pytest.raises(CommandFailed, match="No such file"):
        run_command(("sacct-that-is-not-here",), 1)


def test_bytes_that_are_no_text_break_nothing() -> None:
    code = r"import sys; sys.stdout.buffer.write(b'1|\xff\n')"
    assert run_command(python(code), 10).startswith("1|")
