"""On cgroup v2 and systemd, with Docker's defaults: a node is unprivileged, and a job is confined.

Every job is an ordinary user's, submitted on the login node.
"""

from __future__ import annotations

from tests.vm.cluster import NODE, VmCluster
from tests.vm.delivery import GPU_DEVICES
from tests.vm.machine import Vm

SYS_ADMIN = 1 << 21  # linux/capability.h

# Says of each "GPU" whether it can be opened. Both are there with mode 0666, in every node.
OPEN_GPUS = "\n".join(
    f"if (exec 3<> {path}); then echo opened {path}; else echo refused {path}; fi"
    for path in GPU_DEVICES
)
FIRST_GPU, SECOND_GPU = GPU_DEVICES


def test_the_vm_has_systemd_and_cgroup_v2_and_docker_uses_both(vm: Vm) -> None:
    assert vm.run("cat /proc/1/comm").stdout.strip() == "systemd"
    assert vm.run("stat -f -c %T /sys/fs/cgroup").stdout.strip() == "cgroup2fs"
    info = vm.run(["docker", "info", "--format", "{{.CgroupVersion}} {{.CgroupDriver}}"]).stdout
    assert info.strip() == "2 systemd"


def test_a_nodes_container_is_not_privileged(cluster: VmCluster) -> None:
    host = cluster.node_container()["HostConfig"]
    assert host["Privileged"] is False
    assert sorted(host["CapAdd"]) == ["BPF", "NET_ADMIN", "SYS_NICE", "SYS_PTRACE"]


def test_a_nodes_container_keeps_the_default_apparmor_and_seccomp_profiles(
    cluster: VmCluster,
) -> None:
    container = cluster.node_container()
    assert container["AppArmorProfile"] == "docker-default"
    assert container["HostConfig"]["SecurityOpt"] == ["no-new-privileges:true"]


def test_slurmd_itself_runs_confined_and_without_sys_admin(cluster: VmCluster) -> None:
    init = cluster.node_container()["State"]["Pid"]
    slurmd = cluster.vm.run(f"pgrep --parent {init} slurmd").stdout.strip()
    status = _status(cluster.vm.run(["cat", f"/proc/{slurmd}/status"]).stdout)
    assert int(status["CapBnd"], 16) & SYS_ADMIN == 0
    assert status["Seccomp"] == "2"
    profile = cluster.vm.run(["cat", f"/proc/{slurmd}/attr/current"]).stdout
    assert profile.strip("\0\n") == "docker-default (enforce)"


def test_a_job_has_no_capability_and_cannot_gain_one(cluster: VmCluster) -> None:
    job = cluster.job("cat /proc/self/status")
    status = _status(job.output)
    assert job.state == "COMPLETED"
    assert int(status["CapEff"], 16) == 0
    assert status["NoNewPrivs"] == "1"


def test_a_job_that_takes_more_memory_than_it_asked_for_is_killed_and_its_node_stays_up(
    cluster: VmCluster,
) -> None:
    before = cluster.node_container()["State"]["StartedAt"]
    # tail keeps what has no line end in memory.
    job = cluster.job("head -c 400M /dev/zero | tail", "--mem=100M")
    assert job.state == "OUT_OF_MEMORY"
    assert cluster.node_container()["State"]["StartedAt"] == before
    assert cluster.node_state() in {"idle", "mixed", "allocated"}


def test_a_job_within_its_memory_is_left_alone(cluster: VmCluster) -> None:
    job = cluster.job("head -c 40M /dev/zero | tail | wc -c", "--mem=100M")
    assert (job.state, job.output) == ("COMPLETED", str(40 << 20))


def test_a_job_of_one_core_is_pinned_to_one_of_the_nodes_two(cluster: VmCluster) -> None:
    job = cluster.job("grep Cpus_allowed_list /proc/self/status; nproc", "--cpus-per-task=1")
    allowed, count = job.output.split("\n")
    assert allowed.split()[1] in {"0", "1"}
    assert count == "1"


def test_two_tasks_of_one_core_have_different_ones(cluster: VmCluster) -> None:
    job = cluster.job("srun --ntasks=2 grep Cpus_allowed_list /proc/self/status", "--ntasks=2")
    assert sorted(line.split()[1] for line in job.output.splitlines()) == ["0", "1"]


def test_a_job_opens_the_gpu_that_it_asked_for_and_not_the_other(cluster: VmCluster) -> None:
    job = cluster.job(OPEN_GPUS + "\necho visible: $CUDA_VISIBLE_DEVICES", "--gres=gpu:test:1")
    lines = job.output.splitlines()
    opened = [line for line in lines if line.startswith("opened")]
    refused = [line for line in lines if line.startswith("refused")]
    assert (len(opened), len(refused)) == (1, 1)
    assert "Operation not permitted" in job.output
    assert "visible: 0" in lines  # counted among those that it can open


def test_two_jobs_of_one_gpu_each_have_different_ones(cluster: VmCluster) -> None:
    # Each waits for the other, so that both hold their GPU at the same time.
    meet = "touch here-$SLURM_ARRAY_TASK_ID; until [[ -e here-0 && -e here-1 ]]; do sleep 1; done"
    cluster.run("rm -f here-* gpus-*")
    options = ("--gres=gpu:test:1", "--array=0-1", "--output=gpus-%a.out", "--wait")
    script = f"#!/bin/bash\n{meet}\n{OPEN_GPUS}\n"
    cluster.run(f"sbatch {' '.join(options)} <<'SCRIPT'\n{script}SCRIPT")
    outputs = cluster.run("grep --no-filename opened gpus-0.out gpus-1.out").splitlines()
    assert sorted(outputs) == [f"opened {FIRST_GPU}", f"opened {SECOND_GPU}"]


def test_a_job_that_asked_for_no_gpu_opens_none(cluster: VmCluster) -> None:
    job = cluster.job(f"ls -l {FIRST_GPU} {SECOND_GPU}\n{OPEN_GPUS}")
    assert job.output.count("crw-rw-rw-") == 2
    assert job.output.count("refused") == 2


def test_a_job_cannot_change_any_control_group(cluster: VmCluster) -> None:
    job = cluster.job(
        "own=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)\n"
        "for group in /sys/fs/cgroup $own $own/.. $own/../..; do\n"
        "  echo $$ > $group/cgroup.procs && echo moved to $group\n"
        "  mkdir $group/mine && echo made below $group\n"
        "  echo max > $group/memory.max && echo unlimited $group\n"
        "done\n"
        "echo tried $own"
    )
    assert "tried /sys/fs/cgroup/" in job.output
    for success in ("moved to", "made below", "unlimited /"):
        assert success not in job.output


def test_a_job_cannot_read_the_clusters_key(cluster: VmCluster) -> None:
    job = cluster.job("ls /etc/slurm; cat /etc/slurm/slurm.key")
    assert "slurm.key" in job.output
    assert "/etc/slurm/slurm.key: Permission denied" in job.output


def test_what_a_job_leaves_running_ends_with_it(cluster: VmCluster) -> None:
    job = cluster.job("setsid sleep 86399 < /dev/null > /dev/null 2>&1 &\nsleep 1; pgrep sleep")
    assert job.output
    left = cluster.vm.run("pgrep --full 'sleep 86399'", check=False)
    assert left.stdout == "", f"{NODE} still runs what job {job.number} started"


def _status(text: str) -> dict[str, str]:
    """/proc/PID/status by name."""
    lines = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in lines}
