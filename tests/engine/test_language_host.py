"""How Pulumi runs a Python program: true of the original language host and of its stand-in."""

from tests.engine.conftest import Project


def test_a_run_error_prints_its_message_and_no_stack_trace(project: Project) -> None:
    project.program("import pulumi\nraise pulumi.RunError('the pool is too small')\n")
    status, printed = project.attempt("preview", "--stack", project.stack)
    assert status != 0
    assert "the pool is too small" in printed
    assert "Traceback" not in printed


def test_another_error_prints_the_programs_stack_trace(project: Project) -> None:
    (project.directory / "inner.py").write_text("def fail():\n    raise ValueError('unforeseen')\n")
    project.program("import inner\ninner.fail()\n")
    status, printed = project.attempt("preview", "--stack", project.stack)
    assert status != 0
    assert "Program failed with an unhandled exception" in printed
    assert "unforeseen" in printed
    first = next(line for line in printed.splitlines() if " File " in line)
    assert str(project.directory / "__main__.py") in first


def test_an_error_in_an_apply_fails_the_run(project: Project) -> None:
    project.program("import pulumi\npulumi.Output.from_input(1).apply(lambda value: value / 0)\n")
    status, printed = project.attempt("preview", "--stack", project.stack)
    assert status != 0
    assert "ZeroDivisionError" in printed


def test_the_program_reads_its_configuration_and_its_own_modules(project: Project) -> None:
    (project.directory / "inner.py").write_text("WORD = 'found'\n")
    project.pulumi("config", "set", "size", "3", "--stack", project.stack)
    project.program(
        "import pulumi\n"
        "def later(value):\n    import inner\n    return inner.WORD * value\n"
        "size = pulumi.Config().require_int('size')\n"
        "pulumi.export('word', pulumi.Output.from_input(size).apply(later))\n"
        "pulumi.export('where', [pulumi.get_project(), pulumi.get_stack()])\n"
    )
    project.up()
    assert project.outputs() == {"word": "found" * 3, "where": ["tested", "test"]}


def test_what_a_program_prints_is_shown(project: Project) -> None:
    project.program("print('a word from the program')\n")
    assert "a word from the program" in project.pulumi("preview", "--stack", project.stack)
