"""Budgets of TRES-minutes: what accounts may use and have used, by Slurm's count."""

import json
from pathlib import Path

import pytest

from tests.job_exporter.builders import make_settings
from tests.job_exporter.exporter_process import Exporter, eventually
from tests.job_exporter.fake_commands import write_answer
from tests.job_exporter.fake_exporter import FakeExporter
from tests.job_exporter.fake_slurm import FakeSlurm

ACCOUNTS = {
    "root": {"tres_minutes": {"gres/gpu": 600}},
    "physics": {"parent": "root", "budget_dollars": 100, "tres_minutes": {"cpu": 6000, "mem": 9}},
    "teaching": {"parent": "root", "budget_dollars": None},
}
SHARES = [
    "root||gres/gpu=600|cpu=900,mem=51200,energy=0,node=20,billing=0,fs/disk=0,gres/gpu=240",
    " physics||billing=60000000,cpu=6000,mem=9|cpu=450,mem=7,energy=0,node=10,billing=0",
    "  physics|slurm||cpu=1,mem=7",
]
GAUGES = {"account_tres_budget_minutes", "account_tres_used_minutes"}
CPU = {"account": "physics", "tres": "cpu"}


@pytest.fixture
def slurm() -> FakeSlurm:
    return FakeSlurm(shares=SHARES)


@pytest.fixture
def exporter(tmp_path: Path, slurm: FakeSlurm) -> FakeExporter:
    return FakeExporter(tmp_path, slurm, make_settings(accounts=ACCOUNTS))


def series(exporter: FakeExporter) -> dict[tuple[str, str, str], float]:
    """The gauges' values by short name, account and TRES."""
    return {
        (name.split("_")[2], dict(labels)["account"], dict(labels)["tres"]): value
        for (name, labels), value in exporter.scrape().items()
        if name in GAUGES
    }


def test_budgets_are_told_beside_what_is_used_and_nothing_else(exporter: FakeExporter) -> None:
    exporter.look_at_budgets()
    assert series(exporter) == {
        ("budget", "root", "gres/gpu"): 600,
        ("budget", "physics", "cpu"): 6000,
        ("budget", "physics", "mem"): 9,
        ("used", "root", "gres/gpu"): 240,
        ("used", "physics", "cpu"): 450,
        ("used", "physics", "mem"): 7,
    }


def test_without_such_budgets_there_are_no_such_gauges(tmp_path: Path, slurm: FakeSlurm) -> None:
    assert not FakeExporter(tmp_path, slurm).names() & GAUGES


def test_what_slurm_does_not_tell_is_absent_and_not_0(
    exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    slurm.slurmctld = False
    exporter.look_at_budgets()
    exporter.look_at_budgets()
    assert exporter.names() & GAUGES == {"account_tres_budget_minutes"}
    assert exporter.events() == ["waiting"]

    slurm.slurmctld = True
    exporter.look_at_budgets()
    assert exporter.value("account_tres_used_minutes", **CPU) == 450
    assert exporter.events() == ["waiting", "answers again"]


def test_an_old_look_is_not_told(exporter: FakeExporter, slurm: FakeSlurm) -> None:
    exporter.look_at_budgets()
    slurm.slurmctld = False
    exporter.now += 120
    exporter.look_at_budgets()
    assert exporter.value("account_tres_used_minutes", **CPU) == 450
    exporter.now += 1
    assert exporter.value("account_tres_used_minutes", **CPU) is None


def test_an_account_that_slurm_does_not_know_is_named_in_the_log_and_hides_no_other(
    exporter: FakeExporter, slurm: FakeSlurm
) -> None:
    slurm.shares = SHARES[:1]
    exporter.look_at_budgets()
    assert exporter.value("account_tres_used_minutes", **CPU) is None
    assert exporter.value("account_tres_used_minutes", account="root", tres="gres/gpu") == 240
    assert json.loads(exporter.log.getvalue())["reason"] == "it tells nothing of physics"


def test_the_command_asks_for_those_accounts_once_an_interval(process: Exporter) -> None:
    document = json.loads(process.settings.read_text()) | {
        "accounts": ACCOUNTS,
        "query_seconds": 3600,
    }
    process.settings.write_text(json.dumps(document))
    write_answer(process.bin, "sshare", SHARES)
    process.start()
    eventually(lambda: process.value("account_tres_used_minutes") is not None, "a look at budgets")
    looks = asked(process, "squeue")
    eventually(lambda: asked(process, "squeue") > looks, "another look at the queue")
    assert asked(process, "sshare") == 1


def asked(process: Exporter, command: str) -> int:
    """How often it was called."""
    lines = (process.bin / "asked").read_text().splitlines()
    return sum(line.endswith(f"/{command}") for line in lines)
