"""`make test` in two lanes: nothing is forgotten, nothing gets lost, nothing is left running."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

import pytest

from ops.environment import CHECKOUT
from ops.test import (
    BESIDE,
    INTERRUPTED,
    SUITES,
    Lane,
    beside,
    clusters,
    main,
    pytest_command,
    run_both,
)

pytestmark = pytest.mark.timeout(60)

ELSEWHERE = {"tests/vm", "tests/bench"}
OK, FAILED, LASTS = ("true",), ("false",), ("sleep", "600")


def named(words: Iterable[str]) -> list[str]:
    """The tests among a command's words."""
    return [word for word in words if word.startswith("tests/")]


def shell(script: str, *arguments: object) -> tuple[str, ...]:
    """A command that is a script, with $1 and so on."""
    return ("sh", "-c", script, "sh", *map(str, arguments))


def test_each_suite_is_run_by_exactly_one_lane() -> None:
    files = (CHECKOUT / "tests").rglob("test_*.py")
    suites = {"/".join(file.relative_to(CHECKOUT).parts[:2]) for file in files} - ELSEWHERE
    commands = [*beside().commands.values(), *clusters().commands.values()]
    assert sorted(named(word for command in commands for word in command)) == sorted(suites)


@pytest.mark.parametrize(
    ("arguments", "suites"),
    [
        (["tests/unit", "-x"], ["tests/unit"]),
        (["tests/spot/test_watcher.py::test_it"], ["tests/spot/test_watcher.py::test_it"]),
        (["-k", "port"], [*SUITES]),
    ],
)
def test_the_users_words_choose_suites_and_options_alone_mean_all(
    arguments: list[str], suites: list[str]
) -> None:
    command = pytest_command(arguments)
    assert named(command) == suites
    assert set(arguments) <= set(command)


def test_what_the_lane_beside_says_is_shown_as_a_whole_when_it_ends_and_its_file_remains(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    log.write_text("the run before this one said more than this one does")
    # Each waits for a line of the other's.
    turns = "until [ -e $1 ]; do sleep 0.02; done; echo {}; touch $2"
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    background = Lane(
        {
            "lint": shell("echo a line of lint; touch $1", first),
            "tests": shell(turns.format("a line of tests >&2"), second, third),
        }
    )
    foreground = Lane(
        {
            "clusters": shell(
                f"{turns.format('a line at once')}; until [ -e $3 ]; do sleep 0.02; done",
                *(first, second, third),
            )
        }
    )
    monkeypatch.setattr("ops.test.beside", lambda: background)
    monkeypatch.setattr("ops.test.clusters", lambda: foreground)
    monkeypatch.setattr("ops.test.LOG", log)
    assert main([]) == 0
    assert log.read_text() == "a line of lint\na line of tests\n"
    shown = re.sub(r"\d+ s\b", "N s", capfd.readouterr().out)
    assert shown.splitlines() == [
        f"[test] beside: lint and {len(BESIDE)} suites, in {log}",
        "a line at once",
        "",
        "[test] beside:",
        "a line of lint",
        "a line of tests",
        "[test] beside: lint ok, tests ok, N s",
        "[test] lint ok, tests ok, clusters ok, N s in all",
    ]


@pytest.mark.parametrize(
    ("lint", "tests", "clusters", "status", "said"),
    [
        (FAILED, shell("exit 5"), OK, 1, "lint failed, tests failed, clusters ok"),
        (OK, shell("exit 5"), shell("exit 3"), 5, "lint ok, tests failed, clusters failed"),
        (OK, OK, shell("exit 3"), 3, "lint ok, tests ok, clusters failed"),
    ],
)
def test_the_first_failure_is_the_runs_and_the_others_run_all_the_same(
    lint: Sequence[str],
    tests: Sequence[str],
    clusters: Sequence[str],
    status: int,
    said: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    background = Lane({"lint": lint, "tests": tests})
    assert run_both(background, Lane({"clusters": clusters}), tmp_path / "log") == status
    assert capfd.readouterr().out.splitlines()[-1].startswith(f"[test] {said}, ")


# Whoever has the pipe open for writing is still there: also the child, which does not hear of
# Ctrl-C, since a shell has put it into the background.
LINGERS = "exec > $1; sleep 600 & echo begun; : > $2; wait"
# Longer than `subprocess.run` waits after Ctrl-C.
TIDIES = """
import pathlib, sys, time
try:
    print("begun", flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    time.sleep(1)
    pathlib.Path(sys.argv[1]).touch()
"""
REFUSES = """
import os, signal, sys, time
pipe = os.open(sys.argv[1], os.O_WRONLY)
signal.signal(signal.SIGINT, lambda *_: os.write(pipe, b"no\\n"))
os.write(pipe, b"begun\\n")
time.sleep(600)
"""


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """Named, without anybody at its ends."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


@pytest.fixture
def removed(tmp_path: Path) -> Path:
    """A file that is there once TIDIES has tidied up."""
    return tmp_path / "removed"


def tidies(removed: Path) -> tuple[str, ...]:
    return (sys.executable, "-c", TIDIES, str(removed))


@contextmanager
def program(text: str, sigint: str = "default_int_handler") -> Iterator["subprocess.Popen[str]"]:
    """A program of the checkout, in a process group of its own, as `sigint` takes Ctrl-C."""
    # Who runs the tests by nohup, which ignores SIGHUP, hands that on.
    hangup = "signal.signal(signal.SIGHUP, signal.SIG_DFL)"
    text = f"import signal, sys; signal.signal(signal.SIGINT, signal.{sigint}); {hangup}; {text}"
    with subprocess.Popen(
        (sys.executable, "-c", text),
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def running(
    background: Mapping[str, Sequence[str]],
    foreground: Mapping[str, Sequence[str]],
    sigint: str = "default_int_handler",
) -> Iterator["subprocess.Popen[str]"]:
    """`run_both` as a process; its exit code is what that returns."""
    with NamedTemporaryFile() as log:
        text = (
            "from pathlib import Path; from ops.test import Lane, run_both; "
            f"sys.exit(run_both(Lane({background!r}), Lane({foreground!r}), Path({log.name!r})))"
        )
        with program(text, sigint) as process:
            yield process


def line(output: IO[str] | None) -> str:
    """Wait for the next one."""
    assert output is not None
    return output.readline()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_both_lanes_once_their_tests_have_removed_what_they_made(
    pipe: Path, tmp_path: Path, removed: Path, number: signal.Signals
) -> None:
    lingers = shell(LINGERS, pipe, tmp_path / "begun")
    background = {"lint": OK, "tests": lingers, "more": shell("echo nobody sees this")}
    with running(background, {"clusters": tidies(removed)}) as process:
        with pipe.open() as rest:
            assert (line(rest), line(process.stdout)) == ("begun\n", "begun\n")
            process.send_signal(number)
            assert rest.read() == ""
        said, _ = process.communicate()
    assert process.returncode == INTERRUPTED
    assert removed.exists()
    assert "[test] beside: lint ok, tests interrupted, more interrupted, " in said
    assert "nobody sees this" not in said
    assert "clusters interrupted, " in said.splitlines()[-1]


def test_a_second_ctrl_c_does_not_wait_for_those_who_do_not_end(pipe: Path) -> None:
    background = {"tests": (sys.executable, "-c", REFUSES, str(pipe))}
    with running(background, {"clusters": OK}) as process:
        with pipe.open() as rest:
            assert line(rest) == "begun\n"
            process.send_signal(signal.SIGINT)
            assert line(rest) == "no\n"
            process.send_signal(signal.SIGINT)
            assert rest.read() == ""
        process.communicate()
    assert process.returncode == INTERRUPTED


def test_a_second_sigterm_is_the_same_interrupt(removed: Path) -> None:
    with running({"tests": LASTS}, {"clusters": tidies(removed)}) as process:
        assert line(process.stdout) == "begun\n"
        for _ in range(5):
            process.send_signal(signal.SIGTERM)
            time.sleep(0.05)
        process.communicate()
    assert removed.exists()


def test_an_interrupt_that_nobody_is_left_to_read_about_is_still_a_single_one(
    removed: Path,
) -> None:
    with running({"tests": LASTS}, {"clusters": tidies(removed)}) as process:
        assert line(process.stdout) == "begun\n"
        assert process.stdout is not None
        process.stdout.close()
        process.send_signal(signal.SIGINT)
        process.wait()
    assert removed.exists()


def test_where_ctrl_c_is_ignored_a_run_goes_on_and_sigterm_still_lets_it_tidy_up(
    removed: Path, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    background = {"tests": shell("until [ -e $1 ]; do sleep 0.02; done", go)}
    with running(background, {"clusters": tidies(removed)}, "SIG_IGN") as process:
        assert line(process.stdout) == "begun\n"
        process.send_signal(signal.SIGINT)
        go.touch()
        assert (line(process.stdout), line(process.stdout)) == ("\n", "[test] beside:\n")
        assert line(process.stdout).startswith("[test] beside: tests ok, ")
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert removed.exists()


def test_ctrl_c_lets_a_pytest_in_the_foreground_tidy_up(removed: Path) -> None:
    # pytest's command line is the words themselves.
    text = (
        "from ops import lint, test; lint.main = lambda: 0; test.pytest_command = list; "
        f"sys.exit(test.run_in_foreground({tidies(removed)!r}))"
    )
    with program(text) as process:
        assert line(process.stdout) == "begun\n"
        os.killpg(process.pid, signal.SIGINT)
        process.communicate()
    assert removed.exists()


def test_when_the_foreground_raises_nothing_is_left_beside(pipe: Path, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    foreground = Lane(
        {
            "clusters": shell("until [ -e $1 ]; do sleep 0.02; done", begun),
            "more": ("/no/such/program",),
        }
    )
    # So that the writer does not wait for a reader.
    with os.fdopen(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)) as rest:
        with pytest.raises(ExceptionGroup) as raised:
            run_both(Lane({"tests": shell(LINGERS, pipe, begun)}), foreground, tmp_path / "log")
        os.set_blocking(rest.fileno(), True)
        assert rest.read() == "begun\n"
    assert raised.group_contains(FileNotFoundError)
