"""What user data does to a machine, on one whose programs only write down what they are asked."""

import configparser
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.aws.host import boot, disks, network
from config.render.gpu_exporter import GPU_FIELDS
from config.render.prometheus import ALERTMANAGER_PORT
from tests.unit.test_boot import CONTROLLER, MEASURED, NODE

PROGRAMS = ("docker", "iptables", "mdadm", "mkfs.xfs", "mount", "nvidia-smi", "systemctl", "umount")
A_CONTROLLER = {**CONTROLLER, "role": "controller"}
A_NODE = {**NODE, "role": "node"}
A_GPU_NODE = {**A_NODE, **MEASURED, "gpus": True, "gpu_fields": GPU_FIELDS}


class Machine:
    """Its programs succeed, unless what they are asked is refused."""

    def __init__(self, place: Path) -> None:
        self._programs, self._log = place / "bin", place / "log"
        self._refusals = place / "refusals"
        self.units, self.script = place / "units", place / "hpc-stack-boot"
        self.scratch, self.disks = place / "scratch", place / "by-id"
        for folder in (self._programs, self.units, self.disks):
            folder.mkdir()
        for file in (self._log, self._refusals):
            file.touch()
        for program in PROGRAMS:
            file = self._programs / program
            file.write_text(
                f'#!/bin/sh\nasked="{program} $*"\necho "$asked" >> {self._log}\n'
                "while read -r refused; do\n"
                '    case "$asked" in $refused) echo "not here"; exit 1;; esac\n'
                f"done < {self._refusals}\n"
            )
            file.chmod(0o700)

    def refuse(self, *patterns: str) -> None:
        """From now on, these alone; as the shell's patterns."""
        self._refusals.write_text("".join(f"{pattern}\n" for pattern in patterns))

    def lacks(self, program: str) -> None:
        (self._programs / program).unlink()

    def ran(self, *beginnings: str) -> list[str]:
        """What was asked, as far as it begins so, in order."""
        return [line for line in self._log.read_text().splitlines() if line.startswith(beginnings)]

    def has_disk(self, serial: str) -> str:
        """A disk, under each name that Amazon Linux gives it."""
        device = self.disks.parent / f"nvme{serial}n1"
        device.touch()
        for end in ("", "-ns-1", "_1"):
            (self.disks / f"nvme-store_AWS{serial}{end}").symlink_to(device)
        return str(device)

    def unit(self, name: str) -> configparser.ConfigParser:
        found = configparser.ConfigParser(interpolation=None)
        found.optionxform = str  # type: ignore[assignment,method-assign]
        found.read_string((self.units / name).read_text())
        return found


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine at its first boot: cloud-init runs its user data."""
    made = Machine(tmp_path)
    user_data = tmp_path / "part-001"
    user_data.write_text("the script")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sys, "argv", ["part-001"])
    monkeypatch.setattr(boot, "__file__", str(user_data))
    monkeypatch.setattr(boot, "SCRIPT", made.script)
    monkeypatch.setattr(boot, "UNITS", made.units)
    for name in ("RUN", "JOB_ENVIRONMENT", "GPU_JOBS", "GPU_FIELDS"):
        monkeypatch.setattr(boot, name, tmp_path / name)
    for module in (boot, disks):
        monkeypatch.setattr(module, "SCRATCH", str(made.scratch))
    monkeypatch.setattr(disks, "INSTANCE_STORE", f"{made.disks}/nvme-store_*")
    return made


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """What AWS gives a machine, and nothing that these tests are about."""
    for step in ("mount_data", "mount_homes", "forward", "log_in", "serve_credentials"):
        monkeypatch.setattr(boot, step, lambda *_: None)
    monkeypatch.setattr(boot, "read_parameter", lambda *_: "key")
    monkeypatch.setattr(boot, "await_name", lambda *_: "cpu-1")
    monkeypatch.setattr(boot, "metadata", lambda item: item)


def fail_as_controller(monkeypatch: pytest.MonkeyPatch, report: Callable[..., None]) -> None:
    def controller(told: dict[str, Any]) -> None:
        raise RuntimeError("no volume")

    monkeypatch.setattr(boot, "controller", controller)
    monkeypatch.setattr(boot, "report_failure", report)


# The first boot, and those after it.


def test_docker_runs_without_the_agent_of_ecs_at_this_boot_and_the_next(
    machine: Machine, aws: None
) -> None:
    boot.main(A_CONTROLLER)
    asked = machine.ran("systemctl enable docker.service", "systemctl mask")
    assert [line.split()[1] for line in asked] == ["enable", "mask"]
    assert machine.ran("systemctl start docker.service")


def test_nothing_waits_for_the_agent_of_ecs_which_waits_for_cloud_init(
    machine: Machine, aws: None
) -> None:
    boot.main(A_CONTROLLER)
    about = [line for line in machine.ran("systemctl") if "ecs.service" in line]
    assert about
    assert all("--no-block" in line for line in about)


def test_a_machine_without_the_agent_of_ecs_boots_as_well(machine: Machine, aws: None) -> None:
    machine.refuse("systemctl *ecs.service*")
    boot.main(A_CONTROLLER)
    assert machine.ran("docker start")


def test_a_boot_that_failed_is_reported_then_tried_again_until_it_succeeds(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_report: list[str] = []
    fail_as_controller(monkeypatch, lambda *_: before_report.extend(machine.ran("systemctl")))
    with pytest.raises(SystemExit):
        boot.main(A_CONTROLLER)
    after_report = machine.ran("systemctl")[len(before_report) :]
    assert after_report == ["systemctl start --no-block hpc-stack-boot.service"]
    assert machine.unit("hpc-stack-boot.service")["Service"]["Restart"] == "on-failure"
    assert machine.script.read_text() == "the script"


def test_a_boot_whose_failure_cannot_be_reported_is_tried_again_too(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def report(*_: object) -> None:
        raise TimeoutError

    fail_as_controller(monkeypatch, report)
    with pytest.raises(TimeoutError):
        boot.main(A_CONTROLLER)
    assert machine.ran("systemctl start --no-block hpc-stack-boot.service")


def test_systemds_own_attempt_fails_without_starting_another(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_as_controller(monkeypatch, lambda *_: None)
    monkeypatch.setattr(boot, "__file__", str(machine.script))
    with pytest.raises(SystemExit) as ended:
        boot.main(A_CONTROLLER)
    assert ended.value.code == 1
    assert machine.ran("systemctl") == ["systemctl start docker.service"]


def test_a_machine_whose_docker_cannot_start_yet_still_tries(machine: Machine, aws: None) -> None:
    """As after a restart without /home: systemd gives up for good what requires Docker."""
    boot.main(A_NODE)
    unit = machine.unit("hpc-stack-boot.service")["Unit"]
    assert "docker.service" in unit["Wants"].split()
    assert "Requires" not in unit


def test_only_a_controller_looks_whether_its_volume_has_grown(machine: Machine, aws: None) -> None:
    boot.main(A_NODE)
    assert not machine.ran("systemctl enable --now")
    boot.main(A_CONTROLLER)
    (asked,) = machine.ran("systemctl enable --now")
    timer = asked.split()[-1]
    assert machine.unit(timer)["Timer"]["OnCalendar"]
    command = machine.unit(timer.replace("timer", "service"))["Service"]["ExecStart"]
    assert command == "xfs_growfs /data"


def test_the_role_and_what_is_backstage_are_roots_alone_before_anybody_is_there(
    machine: Machine, aws: None
) -> None:
    machine.refuse("iptables -C *", "docker start *")
    boot.main(A_CONTROLLER)
    root = "-m owner ! --uid-owner 0 -j REJECT"
    made_to = "-m conntrack --ctdir ORIGINAL --ctorigdst"
    assert machine.ran("iptables -I", "docker run")[:4] == [
        f"iptables -I OUTPUT -d 169.254.169.254 {root}",
        f"iptables -I OUTPUT {made_to} 192.168.241.0/24 {root}",
        f"iptables -I OUTPUT -p tcp {made_to} 127.0.0.1 --ctorigdstport 9193 {root}",
        f"iptables -I OUTPUT -p tcp -o lo --dport 9093 {root}",
    ]


def test_the_guarded_port_is_alertmanagers() -> None:
    assert str(ALERTMANAGER_PORT) == network.ALERTMANAGER_PORT


def test_a_node_has_nothing_backstage_to_guard(machine: Machine, aws: None) -> None:
    machine.refuse("iptables -C *")
    boot.main(A_NODE)
    assert len(machine.ran("iptables -I")) == 1


@pytest.mark.parametrize(
    ("told", "container"), [(A_CONTROLLER, "hpc-stack-agent"), (A_NODE, "slurmd")]
)
def test_what_an_attempt_has_left_of_a_container_is_not_in_the_way_of_the_next(
    machine: Machine, aws: None, told: dict[str, Any], container: str
) -> None:
    machine.refuse("docker start *")
    boot.main(told)
    removed, run = machine.ran("docker rm", "docker run")
    assert removed == f"docker rm --force {container}"
    assert f"--name {container}" in run


# GPUs.


def test_a_node_with_gpus_waits_for_their_driver(
    machine: Machine, aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            machine.refuse()

    monkeypatch.setattr("time.sleep", sleep)
    machine.refuse("nvidia-smi *")
    boot.main({**A_NODE, "gpus": True})
    asked = machine.ran("nvidia-smi", "docker run")
    assert [line.split()[0] for line in asked] == ["nvidia-smi"] * 4 + ["docker"]


@pytest.mark.parametrize("installed", [True, False])
def test_a_node_whose_gpus_have_no_driver_says_so(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    monkeypatch.setattr(boot, "GPU_SECONDS", 0)
    machine.refuse("nvidia-smi *")
    if not installed:
        machine.lacks("nvidia-smi")
    with pytest.raises(RuntimeError, match="NVIDIA's driver"):
        boot.await_gpus()


def test_a_node_without_gpus_does_not_ask_for_them(machine: Machine, aws: None) -> None:
    boot.main(A_NODE)
    assert not machine.ran("nvidia-smi")


def test_gpus_are_measured_once_slurmd_runs(machine: Machine, aws: None) -> None:
    boot.main(A_GPU_NODE)
    slurmd, exporter = machine.ran("docker run")
    assert "--name slurmd" in slurmd
    assert "--name dcgm-exporter" in exporter
    assert exporter.endswith(MEASURED["gpu_exporter"])
    assert boot.GPU_FIELDS.read_text() == GPU_FIELDS


def test_a_node_whose_gpus_nobody_can_measure_runs_jobs_and_says_so(
    machine: Machine, aws: None, capfd: pytest.CaptureFixture[str]
) -> None:
    machine.refuse("docker run *dcgm-exporter*")
    boot.main(A_GPU_NODE)
    assert "--name slurmd" in machine.ran("docker run")[0]
    assert machine.ran("docker rm")[-1] == "docker rm --force dcgm-exporter"
    assert "this node's GPUs are not measured" in capfd.readouterr().err


def test_a_new_slurmd_knows_of_no_job_with_a_gpu(machine: Machine, aws: None) -> None:
    boot.GPU_JOBS.mkdir()
    (boot.GPU_JOBS / "0").write_text("7\n")
    boot.main(A_GPU_NODE)
    assert list(boot.GPU_JOBS.iterdir()) == []
    assert boot.GPU_JOBS.stat().st_mode & 0o777 == 0o755


def test_a_node_without_an_exporter_starts_slurmd_alone(machine: Machine, aws: None) -> None:
    boot.main({**A_NODE, "gpus": True})
    (run,) = machine.ran("docker run")
    assert "--name slurmd" in run


# Scratch space.

BLANK = "mount *LABEL=*"
"""Refused where no disk has a file system yet."""


def test_a_disk_with_several_names_is_one_disk(machine: Machine) -> None:
    machine.refuse(BLANK)
    disk = machine.has_disk("1")
    disks.stripe_scratch()
    (made,) = machine.ran("mkfs.xfs")
    assert made.endswith(f" {disk}")
    assert machine.ran("mount")[-1].endswith(f" {disk} {machine.scratch}")
    assert not machine.ran("mdadm")


def test_several_disks_become_one_stripe(machine: Machine) -> None:
    machine.refuse(BLANK)
    members = [machine.has_disk(serial) for serial in "12"]
    disks.stripe_scratch()
    (created,) = machine.ran("mdadm --create")
    assert "--raid-devices=2" in created
    assert created.split()[-2:] == members


def test_without_mdadm_scratch_is_on_one_disk_and_the_log_says_so(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    machine.refuse(BLANK)
    machine.lacks("mdadm")
    first, _ = (machine.has_disk(serial) for serial in "12")
    disks.stripe_scratch()
    (made,) = machine.ran("mkfs.xfs")
    assert made.endswith(f" {first}")
    assert f"no mdadm: {machine.scratch} is on {first} alone" in capfd.readouterr().err


@pytest.mark.parametrize("serials", ["1", "12"])
def test_what_a_restart_has_left_on_scratch_is_mounted_as_it_is(
    machine: Machine, serials: str
) -> None:
    for serial in serials:
        machine.has_disk(serial)
    disks.stripe_scratch()
    assert machine.ran("mount")
    assert not machine.ran("mkfs.xfs", "mdadm --create", "mdadm --stop")


@pytest.mark.parametrize("broken", ["mkfs.xfs *", "mount *", "mdadm *"])
def test_a_node_with_a_broken_disk_boots_without_scratch(
    machine: Machine, aws: None, broken: str, capfd: pytest.CaptureFixture[str]
) -> None:
    machine.refuse(BLANK, broken)
    for serial in "12":
        machine.has_disk(serial)
    boot.main(A_NODE)
    (run,) = machine.ran("docker run")
    assert str(machine.scratch) not in run
    assert f"this node has no {machine.scratch}" in capfd.readouterr().err


def test_scratch_that_is_mounted_is_everybodys_and_slurmds(
    machine: Machine, aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.has_disk("1")
    machine.scratch.mkdir(mode=0o700)
    monkeypatch.setattr("os.path.ismount", lambda path: path == str(machine.scratch))
    boot.main(A_NODE)
    assert machine.scratch.stat().st_mode & 0o7777 == 0o1777
    (run,) = machine.ran("docker run")
    assert f"--volume {machine.scratch}:{machine.scratch}" in run
    assert not machine.ran("mount", "mkfs.xfs")
