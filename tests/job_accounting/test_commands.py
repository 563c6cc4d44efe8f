"""hpc-cost and hpc-job as users call them, with commands of Slurm's that answer out of files."""

import json
import os
import pwd
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from job_accounting import hpc_cost, hpc_job

from tests.job_accounting.builders import NOW, came, sacct_line, step_line, write
from tests.job_accounting.fake_prometheus import prometheus

CHECKOUT = Path(__file__).parents[2]
MONTH = "2026-11"
BEGUN = NOW - 7200
ME = pwd.getpwuid(os.getuid()).pw_name

FAKE = f"""#!{sys.executable}
import json, pathlib, sys
here = pathlib.Path(__file__).parent
name = pathlib.Path(__file__).name
with (here / "asked").open("a") as log:
    print(name, *sys.argv[1:], file=log)
if (here / (name + ".trouble")).exists():
    sys.exit((here / (name + ".trouble")).read_text())
options = dict(word.partition("=")[::2] for word in sys.argv[1:])
text = (here / (name + ".answer")).read_text()
print(text.replace("\\x1f", options.get("--delimiter", "|")), end="")
"""


class Cluster:
    """Slurm's commands, what they answer, and the ledger."""

    def __init__(self, directory: Path) -> None:
        self.bin = directory / "bin"
        self.ledger = directory / "ledger"
        self.prometheus = directory / "prometheus"
        self.bin.mkdir()
        self.ledger.mkdir()
        for name in ("sacct", "sacctmgr", "sshare"):
            (self.bin / name).write_text(FAKE)
            (self.bin / name).chmod(0o755)
        self.answer("sacct", "")
        self.answer(
            "sacctmgr",
            "root|||gres/gpu=6000\n"
            f"research||root|billing=6000000\nresearch|{ME}||\nresearch|ben||\n"
            "teaching||root|\n",
        )
        self.answer(
            "sshare",
            "root||gres/gpu=6000|cpu=1,billing=600000,gres/gpu=300\n"
            " research||billing=6000000,cpu=600|cpu=30,billing=600000,gres/gpu=0\n",
        )

    def answer(self, command: str, text: str) -> None:
        (self.bin / f"{command}.answer").write_text(text)

    def trouble(self, command: str, text: str) -> None:
        (self.bin / f"{command}.trouble").write_text(text)

    def jobs(self, *lines: str) -> None:
        self.answer("sacct", "".join(f"{line}\n" for line in lines))

    def asked(self) -> str:
        return (self.bin / "asked").read_text()


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Calls hpc-cost or hpc-job on that cluster, at NOW."""
    monkeypatch.setenv("PATH", str(cluster.bin))
    monkeypatch.setenv("HPC_STACK_LEDGER", str(cluster.ledger))
    monkeypatch.setenv("HPC_STACK_PROMETHEUS", str(cluster.prometheus))
    for module in (hpc_cost, hpc_job):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: float(NOW)))

    def call(command: ModuleType, *arguments: str) -> Done:
        status = command.main(arguments)
        said = capsys.readouterr()
        return Done(status=status, out=said.out, err=said.err)

    return call


def line(**fields: str) -> str:
    """A job of mine that ran for half an hour, on cpu-1."""
    usual = {
        "User": ME,
        "Start": str(BEGUN),
        "End": str(BEGUN + 1800),
        "NodeList": "cpu-1",
        "AllocTRES": "cpu=2,mem=1500M,node=1",
        "TotalCPU": "30:00",
    }
    return sacct_line(delimiter="\x1f", **{**usual, **fields})


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    made = Cluster(tmp_path)
    write(made.ledger / f"lives-{MONTH}.jsonl", came(start=float(BEGUN - 60)))
    return made


def failed(done: Done, status: int) -> str:
    """The one line that a command which failed says."""
    assert (done.status, done.out) == (status, "")
    (said,) = done.err.splitlines()
    return said


def test_hpc_cost_shows_my_jobs_and_my_accounts(cluster: Cluster, run: Run) -> None:
    lost = line(JobIDRaw="2", JobID="2", NodeList="cpu-9")
    begun = step_line(delimiter="\x1f", JobIDRaw="2.batch", JobID="2.batch")
    cluster.jobs(line(), lost, begun)
    done = run(hpc_cost)
    assert done.status == 0, done.err
    assert f"jobs of {ME}, {MONTH} so far (UTC)" in done.out
    assert "$0.50" in done.out
    assert "unpriced" in done.out
    assert "account research: $0.50 of a limit of $10.00; $9.00 left (Slurm counts $1.00)" in (
        done.out
    )
    assert f"--user={ME}" in cluster.asked()
    assert all(len(text) <= 80 for text in done.out.splitlines())


def test_hpc_cost_asks_for_steps_where_a_job_has_no_machine(cluster: Cluster, run: Run) -> None:
    cluster.jobs(line())
    run(hpc_cost)
    assert cluster.asked().count("sacct --") == cluster.asked().count("--allocations") == 2
    cluster.jobs(line(), line(JobIDRaw="2", JobID="2", NodeList="cpu-9", State="CANCELLED"))
    done = run(hpc_cost)
    assert "unpriced" not in done.out
    assert "2 jobs: $0.50" in done.out


def test_hpc_cost_shows_minutes_of_my_accounts_and_of_those_above(
    cluster: Cluster, run: Run
) -> None:
    cluster.jobs(line())
    done = run(hpc_cost)
    assert "account research: 0.5 of 10 cpu-hours; 9.5 left\n" in done.out
    assert "account root: 5 of 100 gres/gpu-hours; 95 left\n" in done.out
    assert "--accounts=research,root" in cluster.asked()


def test_hpc_cost_does_not_ask_slurm_what_it_counts_now_about_a_month_that_is_over(
    cluster: Cluster, run: Run
) -> None:
    assert "-hours" not in run(hpc_cost, "--month", "2026-10").out
    assert "sshare" not in cluster.asked()


def test_hpc_cost_shows_an_account_by_user(cluster: Cluster, run: Run) -> None:
    cluster.jobs(line(), line(JobIDRaw="2", JobID="2", User="ben", Account="research"))
    done = run(hpc_cost, "--account", "research", "--json")
    found = json.loads(done.out)
    assert {name: one["dollars"] for name, one in found["by"]["user"].items()} == {
        ME: 0.5,
        "ben": 0.5,
    }
    assert found["accounts"]["research"]["limit_dollars"] == 10
    assert "--accounts=research" in cluster.asked()


def test_hpc_cost_shows_everybody(cluster: Cluster, run: Run) -> None:
    cluster.jobs(line(), line(JobIDRaw="2", JobID="2", User="ben", Account="teaching"))
    done = run(hpc_cost, "--all", "--jobs", "1")
    assert "1 more job: $0.50" in done.out
    assert "ACCOUNT" in done.out
    assert "teaching" in done.out


def test_hpc_cost_says_which_pools_have_no_price(cluster: Cluster, run: Run) -> None:
    cluster.jobs(line())
    file = cluster.ledger / f"lives-{MONTH}.jsonl"
    file.write_text(came(start=float(BEGUN - 60), price=0.0))
    done = run(hpc_cost)
    assert "without a price when they ran: jobs in cpu. Set price_per_hour." in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--account", "nix"], "no account 'nix'; there are research, root, teaching"),
        (["--month", "soon"], "'soon' is not a month; write it like 2026-11"),
        (["--month", "9000-01"], "9000-01 has not begun"),
    ],
)
def test_hpc_cost_tells_a_mistake_in_a_line(run: Run, arguments: list[str], said: str) -> None:
    assert failed(run(hpc_cost, *arguments), 2) == f"hpc-cost: {said}"


def test_hpc_cost_tells_that_a_user_is_unknown(cluster: Cluster, run: Run) -> None:
    cluster.trouble("sacct", "sacct: error: Invalid user id: nix")
    said = failed(run(hpc_cost, "--user", "nix"), 2)
    assert said == "hpc-cost: sacct: error: Invalid user id: nix"


@pytest.mark.parametrize("command", ["sacct", "sacctmgr"])
def test_hpc_cost_tells_that_accounting_is_away(cluster: Cluster, run: Run, command: str) -> None:
    cluster.trouble(command, "error: one\nerror: Problem talking to the database: refused")
    said = failed(run(hpc_cost), 1)
    assert said == (
        "hpc-cost: accounting does not answer: error: Problem talking to the database: refused"
    )


def test_hpc_cost_does_without_slurms_count(cluster: Cluster, run: Run) -> None:
    cluster.jobs(line())
    cluster.trouble("sshare", "sshare: error: Unable to contact slurm controller")
    done = run(hpc_cost)
    assert "account research: $0.50 of a limit of $10.00; $9.50 left" in done.out
    assert "-hours" not in done.out


def test_hpc_job_reports_a_job(cluster: Cluster, run: Run) -> None:
    cluster.jobs(
        line(ReqTRES="cpu=2,mem=1500M,node=1"),
        step_line(delimiter="\x1f", TRESUsageInMax="mem=64M", TRESUsageInTot="mem=64M"),
    )
    done = run(hpc_job, "1")
    assert done.status == 0, done.err
    assert "job 1, pi: completed" in done.out
    assert "cost $0.50, for its node (on demand)" in done.out
    assert "memory  1.5 GiB  64 MiB" in done.out
    assert "peak memory 64 MiB of 1.5 GiB asked: --mem=256M" in done.out
    assert "--jobs=1" in cluster.asked()


def test_hpc_job_reports_the_last_run_of_a_requeued_job(cluster: Cluster, run: Run) -> None:
    later = {"Submit": str(BEGUN + 1800), "Start": str(BEGUN + 1900), "End": str(BEGUN + 2000)}
    cluster.jobs(line(**later), line(State="NODE_FAIL"))
    done = run(hpc_job, "1", "--json")
    (found,) = json.loads(done.out)
    assert found["state"] == "completed"
    assert [run["state"] for run in found["earlier_runs"]] == ["node_fail"]


def test_hpc_job_lists_the_jobs_of_an_array(cluster: Cluster, run: Run) -> None:
    cluster.jobs(line(JobIDRaw="1", JobID="1_1"), line(JobIDRaw="2", JobID="1_2"))
    done = run(hpc_job, "1")
    assert "2 jobs; more about one: hpc-job 1_1" in done.out


GPUS = {"AllocTRES": "cpu=2,mem=1500M,node=1,gres/gpu=4"}


def test_hpc_job_shows_how_busy_gpus_were_in_each_run(cluster: Cluster, run: Run) -> None:
    later = {"Submit": str(BEGUN + 1800), "Start": str(BEGUN + 1900), "End": str(BEGUN + 2300)}
    cluster.jobs(line(**later, **GPUS), line(State="NODE_FAIL", **GPUS))
    with prometheus() as server:
        cluster.prometheus.write_text(f"{server.address}\n")
        server.percents["1"] = "25"
        done = run(hpc_job, "1")
        assert re.search(r"GPUs +4 +1 +75%", done.out)
        assert "kept its GPUs 25% busy" in done.out
    assert [one["end"] for one in server.asked] == [str(BEGUN + 1800), str(BEGUN + 2300)]


def test_hpc_job_does_without_prometheus(cluster: Cluster, run: Run) -> None:
    cluster.jobs(line(**GPUS))
    with prometheus() as server:
        cluster.prometheus.write_text(f"{server.address}\n")
    done = run(hpc_job, "1")
    assert done.status == 0
    assert done.err == (
        "hpc-job: how busy GPUs were is not known: Prometheus: [Errno 111] Connection refused\n"
    )
    assert re.search(r"GPUs +4 +\? +\?", done.out)


def test_hpc_job_asks_about_gpus_of_several_jobs_only_where_it_tells_of_them(
    cluster: Cluster, run: Run
) -> None:
    cluster.jobs(line(JobIDRaw="1", JobID="1_1", **GPUS), line(JobIDRaw="2", JobID="1_2", **GPUS))
    with prometheus() as server:
        cluster.prometheus.write_text(f"{server.address}\n")
        server.percents |= {"1": "25", "2": "50"}
        assert "2 jobs" in run(hpc_job, "1").out
        assert server.asked == []
        found = json.loads(run(hpc_job, "1", "--json").out)
    assert [one["gpu_utilisation"] for one in found] == [0.25, 0.5]


def test_hpc_job_tells_a_mistake_in_a_line(run: Run) -> None:
    said = failed(run(hpc_job, "99"), 2)
    assert said == "hpc-job: accounting knows no job 99"
    said = failed(run(hpc_job, "--json", "7;rm"), 2)
    assert said == "hpc-job: '7;rm' is not a job's number, such as 12 or 12_3"


def test_hpc_job_tells_that_accounting_is_away(cluster: Cluster, run: Run) -> None:
    cluster.trouble("sacct", "sacct: error: Problem talking to the database: refused")
    said = failed(run(hpc_job, "7"), 1)
    assert said.startswith("hpc-job: accounting does not answer: sacct: error: Problem talking")


def test_hpc_job_tells_that_slurm_is_not_here(cluster: Cluster, run: Run) -> None:
    (cluster.bin / "sacct").unlink()
    assert "sacct: No such file or directory" in failed(run(hpc_job, "7"), 1)


@pytest.mark.parametrize("command", ["hpc-cost", "hpc-job"])
def test_the_commands_are_there_for_users(command: str, tmp_path: Path) -> None:
    file = CHECKOUT / "images/slurm/files/login/usr/bin" / command
    assert os.access(file, os.X_OK)
    # A directory in which somebody left a module for others to fall into.
    (tmp_path / "json.py").write_text("raise SystemExit('fell into it')")
    script = (
        file.read_text()
        .replace("/opt/hpc-stack", str(CHECKOUT / "images/job-accounting"))
        .replace("/usr/bin/python3", sys.executable)
    )
    done = subprocess.run(
        ("sh", "-c", script, command, "--help"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: {command}")
