"""What `make up` shows at its end, and what it brings back that somebody removed."""

from dataclasses import dataclass
from typing import Any

import pytest

from ops import up
from ops.containers import Container
from ops.first_job import FirstJob

OUTPUTS: dict[str, Any] = {
    "cluster": "local",
    "ssh": "ssh -p 2022 USER@127.0.0.1",
    "rest": "http://127.0.0.1:6820/slurm/v0.0.45/",
    "images": ["hpc-stack/login:1", "hpc-stack/slurmd:1"],
    "services": ["login", "mysql", "node-manager", "slurmctld", "slurmdbd", "slurmrestd"],
    "prometheus": "http://127.0.0.1:9090/",
}
JOB = FirstJob(
    job="7",
    output="pi = 3.14159 by 4 processes\non cpu-1 and cpu-2",
    record="COMPLETED|2|cpu-[1-2]|2026-01-01T10:00:00|2026-01-01T10:00:02|"
    "2026-01-01T10:00:03|research",
)


def test_the_summary_shows_the_first_job_and_its_record() -> None:
    lines = up.summary("local", OUTPUTS, JOB).splitlines()
    assert lines[1:6] == [
        "    pi = 3.14159 by 4 processes",
        "    on cpu-1 and cpu-2",
        "    job 7 in the accounting database: COMPLETED, 2 nodes (cpu-[1-2]), account research,",
        "    submitted 2026-01-01T10:00:00, started 2026-01-01T10:00:02, ended 2026-01-01T10:00:03",
        "",
    ]


def test_the_summary_says_so_when_nothing_changed() -> None:
    text = up.summary("local", OUTPUTS, None)
    assert "Nothing to change" in text
    assert "job" not in text


def test_the_summary_says_what_to_do_next_and_where_things_are() -> None:
    lines = up.summary("local", OUTPUTS, None).splitlines()
    assert "The cluster local is up." in lines
    addresses = [OUTPUTS[name] for name in ("ssh", "rest", "prometheus")]
    for part in (*addresses, "Pulumi.local.yaml", "docs/configuration.md"):
        assert any(part in line for line in lines)
    commands = [line.split()[:2] for line in lines if line.startswith("  make ")]
    assert commands == [["make", "shell"], ["make", "status"], ["make", "down"], ["make", "report"]]


def test_commands_for_another_stack_name_it() -> None:
    lines = up.summary("lab", OUTPUTS, None).splitlines()
    commands = [line for line in lines if line.startswith("  make ")]
    assert all("STACK=lab " in line for line in commands)
    assert any("Pulumi.lab.yaml" in line for line in lines)


def test_what_the_commands_do_is_written_below_each_other() -> None:
    for stack in ("local", "lab"):
        lines = up.summary(stack, OUTPUTS, None).splitlines()
        columns = {
            line.index(what)
            for line in lines
            for what in ("a shell on", "services, nodes", "stop it and", "how the cluster")
            if what in line
        }
        assert len(columns) == 1


@dataclass
class FakeStack:
    """A stack with outputs and resources, and no Pulumi."""

    name: str
    known: frozenset[str]
    given: dict[str, Any]

    def outputs(self) -> dict[str, Any]:
        return self.given

    def resources(self) -> frozenset[str]:
        return self.known

    def urn(self, cluster: str, part: str) -> str:
        return f"{cluster}-{part}"


def running(services: int) -> list[Container]:
    names = ["mysql", "slurmdbd", "slurmctld", "slurmrestd", "login", "node-manager"]
    return [
        Container(name=name, service=name, node=None, state="running", status="Up")
        for name in names[:services]
    ]


CONFIGURATOR = Container(name="c", service="configurator", node=None, state="running", status="Up")
NODE = Container(name="n", service=None, node="cpu-1", state="running", status="Up")
STOPPED = Container(name="s", service="mysql", node=None, state="exited", status="Exited")


@pytest.mark.parametrize(
    ("found", "images_exist", "lost"),
    [
        (running(6), True, []),
        (running(5), True, ["local-services"]),
        ([*running(5), CONFIGURATOR, NODE, STOPPED], True, ["local-services"]),
        (running(6), False, ["local-images"]),
        ([], False, ["local-images", "local-services"]),
    ],
)
def test_what_is_gone_from_the_engine_is_made_again(
    monkeypatch: pytest.MonkeyPatch, found: list[Container], images_exist: bool, lost: list[str]
) -> None:
    monkeypatch.setattr(up, "containers", lambda _: found)
    monkeypatch.setattr(up, "image_exists", lambda _: images_exist)
    stack: Any = FakeStack("local", frozenset({"local-images", "local-services"}), OUTPUTS)
    assert up.repairs(stack) == lost


def test_what_pulumi_does_not_know_is_not_repaired(monkeypatch: pytest.MonkeyPatch) -> None:
    # After `make down` the services are gone because somebody wanted it so.
    monkeypatch.setattr(up, "containers", lambda _: [])
    monkeypatch.setattr(up, "image_exists", lambda _: True)
    stack: Any = FakeStack("local", frozenset({"local-images"}), OUTPUTS)
    assert up.repairs(stack) == []


def test_before_the_first_up_there_is_nothing_to_repair() -> None:
    stack: Any = FakeStack("local", frozenset(), {})
    assert up.repairs(stack) == []
