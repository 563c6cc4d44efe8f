"""Who may know whom: imports of the project's own code, read from its sources."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest

from ops.environment import CHECKOUT

IMAGES_CODE = (
    "images/configurator",
    "images/host-agent",
    "images/job-accounting",
    "images/job-exporter",
    "images/node-manager",
)
OUR_TOPS = {
    "config", "components", "ops", "offline", "tests", "configurator", "host_agent", "node_manager",
    "job_accounting", "job_exporter",
}  # fmt: skip


def project_files() -> list[str]:
    """Files of the project by git, those that are not added yet too."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return sorted(name for name in set(listed.splitlines()) if (CHECKOUT / name).is_file())


FILES = project_files()
SOURCES = [name for name in FILES if name.endswith(".py")]


def imported(name: str) -> set[str]:
    """Modules that a source imports, anywhere in it."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse((CHECKOUT / name).read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute"
            modules.add(node.module or "")
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def tops(name: str) -> set[str]:
    """The first parts of the modules that a source imports."""
    return {module.partition(".")[0] for module in imported(name)}


def below(*directories: str) -> Iterator[str]:
    for name in SOURCES:
        if any(PurePosixPath(name).is_relative_to(directory) for directory in directories):
            yield name


def violations(sources: Iterator[str], forbidden: set[str]) -> dict[str, set[str]]:
    found = {name: tops(name) & forbidden for name in sources}
    assert found, "there are no such sources"
    return {name: modules for name, modules in found.items() if modules}


def test_settings_and_renderers_know_no_platform_and_no_pulumi() -> None:
    forbidden = (OUR_TOPS - {"config"}) | {"pulumi", "pulumi_command", "docker"}
    assert violations(below("config"), forbidden) == {"config/stack.py": {"pulumi"}}


def test_settings_know_no_renderer() -> None:
    found = {name: imported(name) for name in below("config/settings")}
    assert not [n for n, modules in found.items() if any("config.render" in m for m in modules)]


def test_renderers_know_no_configuration_of_pulumi() -> None:
    for name in below("config/render", "config/settings"):
        assert "config.stack" not in imported(name)


@pytest.mark.parametrize("directory", IMAGES_CODE)
def test_code_in_images_knows_nothing_outside_its_image(directory: str) -> None:
    own = {directory.removeprefix("images/").replace("-", "_")}
    # The exporter's image and the login node's have the accounting of jobs in them.
    own |= {"job_accounting"} if own == {"job_exporter"} else set()
    assert violations(below(directory), (OUR_TOPS - own) | {"pulumi", "pydantic", "yaml"}) == {}


@pytest.mark.parametrize("package", ["configurator", "job_accounting"])
def test_what_needs_the_standard_library_alone(package: str) -> None:
    for name in below(f"images/{package.replace('_', '-')}"):
        assert tops(name) <= sys.stdlib_module_names | {package}


def test_components_know_settings_and_renderers_but_no_command_and_no_configuration() -> None:
    forbidden = {"ops", "offline", "tests", "configurator", "host_agent", "node_manager"}
    assert violations(below("components"), forbidden) == {}
    for name in below("components"):
        assert "config.stack" not in imported(name)


def test_the_product_knows_no_test() -> None:
    assert violations((name for name in SOURCES if not name.startswith("tests/")), {"tests"}) == {}


def test_commands_reach_pulumi_by_its_cli_alone() -> None:
    assert violations(below("ops"), {"pulumi", "pulumi_command"}) == {}


def test_preparation_needs_the_standard_library_alone() -> None:
    # It runs before there is a virtualenv.
    for name in [*below("ops/prepare"), "ops/environment.py", "ops/__init__.py"]:
        assert tops(name) <= sys.stdlib_module_names | {"ops"}
        ours = {module for module in imported(name) if module.startswith("ops.")}
        assert all(m.startswith(("ops.prepare", "ops.environment")) for m in ours)


# Prose may speak of it, and so may what ships or checks it.
_MAY_NAME_OFFLINE = ("ops/prepare/", "offline/", "tests/", "docs/", "README.md", "ops/lint.py")


def test_only_the_preparation_knows_of_the_restricted_way() -> None:
    naming = [
        name
        for name in FILES
        if "offline/" in (CHECKOUT / name).read_text(errors="replace")
        or (name in SOURCES and "offline" in tops(name))
    ]
    assert any(name.startswith("ops/prepare/") for name in naming)
    assert [name for name in naming if not name.startswith(_MAY_NAME_OFFLINE)] == []
