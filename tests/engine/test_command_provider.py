"""pulumi-command's local Command as this product relies on it: true of the plugin and of its
stand-in."""

import os
import signal
import time
from pathlib import Path

from tests.engine.conftest import Project

HEAD = "import pulumi\nfrom pulumi_command import local\n"
SECRET = "a-Password-nobody-may-see"


def test_a_command_runs_once_and_its_output_loses_the_last_newline(project: Project) -> None:
    project.program(
        HEAD
        + "one = local.Command('one', create='echo ran >> log; echo out; echo err >&2')\n"
        + "pulumi.export('stdout', one.stdout)\npulumi.export('stderr', one.stderr)\n"
    )
    project.up()
    assert project.outputs() == {"stdout": "out", "stderr": "err"}
    assert "2 unchanged" in project.up()
    assert (project.directory / "log").read_text() == "ran\n"


def test_a_preview_runs_no_command(project: Project) -> None:
    project.program(HEAD + "local.Command('one', create='touch made')\n")
    project.pulumi("preview", "--stack", project.stack)
    assert not (project.directory / "made").exists()


def test_a_changed_input_runs_update_which_sees_the_output_of_before(project: Project) -> None:
    program = (
        HEAD
        + "one = local.Command('one', create='echo first', stdin='{}',\n"
        + "    update='echo after $PULUMI_COMMAND_STDOUT; cat')\n"
        + "pulumi.export('stdout', one.stdout)\n"
    )
    project.program(program.format("a"))
    project.up()
    project.program(program.format("b"))
    assert "1 updated" in project.up()
    assert project.outputs() == {"stdout": "after first\nb"}


def test_without_an_update_command_create_runs_again(project: Project) -> None:
    program = HEAD + "local.Command('one', create='cat >> log', stdin='{}')\n"
    project.program(program.format("a"))
    project.up()
    project.program(program.format("b"))
    assert "1 updated" in project.up()
    assert (project.directory / "log").read_text() == "ab"


def test_a_changed_trigger_replaces_the_resource(project: Project) -> None:
    program = (
        HEAD + "local.Command('one', create='echo create >> log', update='echo update >> log',\n"
        "    delete='echo delete >> log', triggers=['same', {}])\n"
    )
    project.program(program.format(1))
    project.up()
    project.program(program.format(2))
    assert "1 replaced" in project.up()
    assert (project.directory / "log").read_text() == "create\ncreate\ndelete\n"


def test_delete_runs_on_destroy_and_sees_the_output_of_before(project: Project) -> None:
    delete = "echo $PULUMI_COMMAND_STDOUT $PULUMI_COMMAND_STDERR > log"
    project.program(
        HEAD + f"local.Command('one', create='echo out; echo err >&2', delete='{delete}')\n"
    )
    project.up()
    project.pulumi("destroy", "--yes", "--skip-preview", "--stack", project.stack)
    assert (project.directory / "log").read_text() == "out err\n"


def test_environment_directory_and_interpreter_are_honoured(project: Project) -> None:
    (project.directory / "inner").mkdir()
    project.program(
        HEAD
        + "one = local.Command('one',\n"
        + "    create='import os; print(os.environ[\"WORD\"], os.getcwd())',\n"
        + "    environment={'WORD': 'here'}, dir='inner', interpreter=['python3', '-c'])\n"
        + "pulumi.export('stdout', one.stdout)\n"
    )
    project.up()
    assert project.outputs()["stdout"] == f"here {project.directory / 'inner'}"


def test_secrets_given_to_a_command_are_nowhere_in_plain_text(project: Project) -> None:
    project.pulumi("config", "set", "--secret", "word", SECRET, "--stack", project.stack)
    project.program(
        HEAD
        + "word = pulumi.Config().require_secret('word')\n"
        + "one = local.Command('one', create='cat; echo $WORD', stdin=word,\n"
        + "    environment={'WORD': word}, logging=local.Logging.NONE)\n"
        + "pulumi.export('stdout', one.stdout)\n"
    )
    printed = project.up()
    assert project.outputs()["stdout"].startswith(SECRET + SECRET)
    assert SECRET not in printed
    assert SECRET not in project.stored()
    assert "ciphertext" in project.resource("one")["inputs"]["stdin"]
    assert SECRET not in project.pulumi("preview", "--diff", "--stack", project.stack)


def test_a_failing_command_fails_with_what_it_printed(project: Project) -> None:
    project.program(HEAD + "local.Command('one', create='echo no such thing >&2; exit 3')\n")
    status, printed = project.attempt("up", "--yes", "--skip-preview", "--stack", project.stack)
    assert status != 0
    assert "exit status 3" in printed
    assert "no such thing" in printed
    assert "Traceback" not in printed


def test_a_failed_update_is_tried_again(project: Project) -> None:
    program = HEAD + "local.Command('one', create='true', update='test -e there', stdin='{}')\n"
    project.program(program.format("a"))
    project.up()
    project.program(program.format("b"))
    status, _ = project.attempt("up", "--yes", "--skip-preview", "--stack", project.stack)
    assert status != 0
    (project.directory / "there").touch()
    assert "1 updated" in project.up()


def test_logging_decides_what_is_shown(project: Project) -> None:
    project.program(
        HEAD
        + "local.Command('loud', create='echo heard')\n"
        + "local.Command('quiet', create='echo unheard', logging=local.Logging.NONE)\n"
        + "local.Command('half', create='echo also unheard; echo warned >&2',\n"
        + "    logging=local.Logging.STDERR)\n"
    )
    printed = project.up()
    assert "heard" in printed.split()
    assert "warned" in printed.split()
    assert "unheard" not in printed


def test_an_output_is_not_known_before_its_command_ran(project: Project) -> None:
    project.program(
        HEAD
        + "one = local.Command('one', create='echo out')\n"
        + "local.Command('two', create='cat', stdin=one.stdout)\n"
    )
    assert "3 to create" in project.pulumi("preview", "--stack", project.stack)
    project.up()
    assert project.resource("two")["outputs"]["stdout"] == "out"


def test_refresh_keeps_what_the_commands_left(project: Project) -> None:
    project.program(HEAD + "local.Command('one', create='date +%N')\n")
    project.up()
    before = project.resource("one")["outputs"]
    project.pulumi("refresh", "--yes", "--skip-preview", "--stack", project.stack)
    assert project.resource("one")["outputs"] == before


def test_an_interrupted_up_ends_its_command_and_leaves_the_stack_usable(project: Project) -> None:
    project.program(HEAD + "local.Command('one', create='echo $$ > pid; exec sleep 600')\n")
    running = project.start("up", "--yes", "--skip-preview", "--stack", project.stack)
    pid = int(await_text(project.directory / "pid"))
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode != 0
    await_end(pid)
    project.program(HEAD + "local.Command('one', create='true')\n")
    project.up()


def await_text(path: Path) -> str:
    """The file's text as soon as there is a line of it."""
    until = time.monotonic() + 60
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < until, f"{path} was not written"
        time.sleep(0.05)
    return path.read_text()


def await_end(pid: int) -> None:
    """Returns when the process is gone."""
    until = time.monotonic() + 30
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < until, f"process {pid} is still there"
        time.sleep(0.05)
