"""Things that break: containers that die, daemons that restart, state that is lost."""

import re
import subprocess
import time
from collections import Counter
from collections.abc import Sequence

import pytest
from job_accounting.sacct import jobs

from ops.first_job import run_first_job
from ops.report.prometheus import Prometheus
from tests.cluster.running_cluster import RunningCluster, await_value, docker

COUNTED_SECONDS = 150
"""The exporter asks accounting once a minute."""


def _running_job(cluster: RunningCluster, seconds: int) -> str:
    job = cluster.submit(
        "ada",
        f"echo run ${{SLURM_RESTART_COUNT:-0}} >> fault-$SLURM_JOB_ID; sleep {seconds}",
        "--open-mode=append",
    )
    cluster.await_state(job, "RUNNING")
    return job


def _runs(cluster: RunningCluster, job: str) -> list[str]:
    return cluster.run("ada", f"cat fault-{job}").splitlines()


@pytest.mark.parametrize(
    "service",
    ["slurmctld", "slurmdbd", "mysql", "node-manager", "configurator", "login", "job-exporter"],
)
def test_a_restarted_service_loses_no_running_and_no_waiting_job(
    cluster: RunningCluster, service: str
) -> None:
    running = _running_job(cluster, 12)
    waiting = cluster.submit("ada", "hostname", f"--dependency=afterok:{running}")
    docker("restart", "--time", "5", cluster.container(service))
    await_value(
        "the cluster to answer",
        lambda: cluster.attempt("ada", "sinfo && sacct -n").returncode == 0,
        60,
    )
    cluster.finish(running)
    cluster.finish(waiting)
    assert _runs(cluster, running) == ["run 0"]
    assert cluster.record(running, "ExitCode,Restarts") == "0:0|0"


def _forget(cluster: RunningCluster, job: str) -> None:
    """Have the job's node know nothing of it, as if slurmctld had not sent it any more."""
    found = cluster.job(job)
    node = cluster.node_containers()[found["nodes"]]
    script = (
        "for process in /proc/[0-9]*; do "
        # Not a pattern that its own text in this shell's command line has, too.
        f"if grep -q 'slurmstepd: [[]{found['job_id']}.batch' $process/cmdline; "
        "then kill -9 ${process#/proc/}; fi; done 2> /dev/null; true"
    )
    docker("exec", node, "sh", "-c", script)


def test_jobs_whose_start_was_lost_with_slurmctld_begin_again_and_no_others(
    cluster: RunningCluster,
) -> None:
    other = _running_job(cluster, 40)
    array = cluster.submit(
        "ada",
        "echo run ${SLURM_RESTART_COUNT:-0} >> task-$SLURM_ARRAY_TASK_ID; sleep 40",
        "--array=1-2",
        "--output=task-%a.out",
        "--open-mode=append",
    )
    both = "cat task-1 task-2 || true"
    await_value("both tasks", lambda: len(cluster.run("ada", both).splitlines()) == 2, 60)
    _forget(cluster, f"{array}_2")
    docker("restart", "--time", "5", cluster.container("slurmctld"))
    await_value(
        "the task to begin again",
        lambda: cluster.run("ada", "cat task-2").splitlines()[1:],
        90,
    )
    assert cluster.run("ada", "cat task-1").splitlines() == ["run 0"]
    assert _runs(cluster, other) == ["run 0"]
    cluster.run("ada", "scancel --me; rm task-1 task-2")


def test_records_of_jobs_that_ended_while_the_database_was_away_arrive(
    cluster: RunningCluster,
) -> None:
    docker("stop", "--time", "5", cluster.container("slurmdbd"))
    job = cluster.submit("ada", "hostname")
    cluster.finish(job)
    docker("start", cluster.container("slurmdbd"))
    assert cluster.record(job, "User,ExitCode") == "ada|0:0"
    # And they are in MySQL itself, in the table of this cluster.
    count = docker(
        "exec",
        cluster.container("mysql"),
        "sh",
        "-c",
        'MYSQL_PWD="$(cat /run/secrets/database_password)" mysql -h127.0.0.1 -uslurm -N -e'
        f' "SELECT COUNT(*) FROM {cluster.name}_job_table WHERE id_job={job}" slurm_acct_db',
    )
    assert count == "1"


def test_a_node_whose_container_dies_is_replaced_and_its_job_runs_again(
    cluster: RunningCluster,
) -> None:
    job = _running_job(cluster, 8)
    node = cluster.job(job)["nodes"]
    docker("kill", cluster.node_containers()[node])
    await_value("the job's second run", lambda: _runs(cluster, job)[1:], 200)
    cluster.finish(job)
    assert _runs(cluster, job) == ["run 0", "run 1"]
    states = cluster.run("ada", "sinfo -h -N -o %T")
    assert "down" not in states


def test_a_container_that_slurm_does_not_know_is_removed(cluster: RunningCluster) -> None:
    labels = {"cluster": cluster.name, "pool": "cpu", "node": "cpu-77"}
    options = [word for k, v in labels.items() for word in ("--label", f"hpc-stack.{k}={v}")]
    image = docker("inspect", "--format", "{{.Config.Image}}", cluster.container("login"))
    docker("run", "--detach", "--name", "hpc-test-orphan", *options, image, "sleep", "600")
    await_value(
        "the orphan to go",
        lambda: not docker("ps", "--all", "--quiet", "--filter", "name=hpc-test-orphan"),
        60,
    )


def test_nodes_that_were_idle_for_their_time_are_gone(cluster: RunningCluster) -> None:
    job = cluster.submit("ada", "hostname", "--partition=brief", "--mem=100M")
    cluster.finish(job)
    node = cluster.output(job)
    assert node in cluster.node_containers()
    await_value("the node to go", lambda: node not in cluster.node_containers(), 90)
    await_value(
        "Slurm to know",
        lambda: cluster.run("ada", f"sinfo -h -n {node} -o %t") == "idle~",
        60,
    )


def test_a_controller_without_its_state_refuses_to_start(cluster: RunningCluster) -> None:
    job = _running_job(cluster, 20)
    controller = cluster.container("slurmctld")
    image = docker("inspect", "--format", "{{.Config.Image}}", controller)
    volume = f"hpc-{cluster.name}_state"
    docker("stop", "--time", "5", controller)
    shell = ("run", "--rm", "--volume", f"{volume}:/state", image, "bash", "-c")
    docker(*shell, "cd /state && mkdir .aside && mv * .aside/")
    try:
        docker("start", controller)
        await_value(
            "the refusal",
            lambda: "refusing to start" in _log(controller),
            60,
        )
    finally:
        docker("stop", "--time", "5", controller)
        docker(*shell, "cd /state && rm -rf * && mv .aside/* . && rmdir .aside")
        docker("start", controller)
    await_value(
        "the controller", lambda: cluster.attempt("ada", "scontrol ping").returncode == 0, 90
    )
    cluster.finish(job)
    assert _runs(cluster, job) == ["run 0"]


def _log(container: str) -> str:
    done = subprocess.run(
        ["docker", "logs", "--tail", "40", container], capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("service", ["slurmctld", "node-manager", "mysql"])
def test_nodes_that_power_up_while_a_service_restarts_come_and_their_job_runs(
    cluster: RunningCluster, service: str
) -> None:
    _power_down(cluster)
    job = cluster.submit("ada", "srun hostname", "--nodes=3", "--mem=100M")
    await_value("a node to be on its way", cluster.node_containers, 30, pause=0.02)
    docker("restart", "--time", "2", cluster.container(service))
    cluster.finish(job, seconds=150)
    assert sorted(cluster.output(job).split()) == ["cpu-1", "cpu-2", "cpu-3"]
    assert cluster.record(job, "ExitCode") == "0:0"
    states = cluster.run("ada", "sinfo -h -N -o %T")
    assert "down" not in states
    assert "drain" not in states


def test_nodes_come_while_the_database_is_away_and_the_record_arrives_later(
    cluster: RunningCluster,
) -> None:
    _power_down(cluster)
    docker("stop", "--time", "5", cluster.container("mysql"))
    try:
        job = cluster.submit("ada", "hostname")
        cluster.finish(job)
    finally:
        docker("start", cluster.container("mysql"))
    assert cluster.record(job, "User,ExitCode", seconds=120) == "ada|0:0"


def test_a_second_node_manager_refuses_to_work_beside_the_first(cluster: RunningCluster) -> None:
    second = subprocess.run(
        ["docker", "exec", cluster.container("node-manager"), "python3", "-m", "node_manager"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 2
    assert "another node manager holds" in second.stderr


def _power_down(cluster: RunningCluster) -> None:
    """Have all nodes removed, and wait until Slurm may use their names again."""
    cluster.attempt("carol", "scontrol update nodename=ALL state=power_down_asap")
    await_value(
        "all nodes to be gone",
        lambda: (
            set(cluster.run("ada", "sinfo -h -N -o %t").split()) == {"idle~"}
            and not cluster.node_containers()
        ),
        120,
    )


def test_after_all_of_this_a_first_job_still_runs(cluster: RunningCluster) -> None:
    assert "pi = 3.14159" in run_first_job(cluster.name, "ada").output


def test_a_node_that_dies_again_and_again_is_out_at_once_and_its_job_waits_in_the_queue(
    cluster: RunningCluster,
) -> None:
    job = cluster.submit("ada", "sleep 600", "--partition=brief", "--nodelist=brief-1")
    dead: set[str] = set()

    def at_work() -> str | None:
        """The machine on which the job runs now."""
        name = cluster.node_containers().get("brief-1")
        machine = name and docker("inspect", "--format", "{{.Id}}", name)
        return machine if machine not in dead and cluster.state(job) == "RUNNING" else None

    for _ in range(3):
        machine = await_value("the job to run on another machine", at_work, 60)
        docker("kill", machine)
        dead.add(machine)
    node = "sinfo --noheader --nodes=brief-1 --format='%T %E'"
    await_value(
        "the node to be out of service, and off",
        lambda: re.match("(drained|down)~ hpc-stack: its machine", cluster.run("ada", node)),
        30,  # not as long as SlurmdTimeout
    )
    assert cluster.state(job) == "PENDING"
    cluster.run("ada", f"scancel {job}")
    cluster.run("carol", "scontrol update nodename=brief-1 state=resume")


def test_after_all_that_was_done_to_it_each_job_is_counted_once(cluster: RunningCluster) -> None:
    prometheus = Prometheus(cluster.stack.outputs()["prometheus"])
    exporter = cluster.container("job-exporter")

    def inside(command: Sequence[str], _timeout: float) -> str:
        return docker("exec", exporter, *command)

    def counted() -> Counter[tuple[str, str]]:
        by_state = "sum by (account, state) (hpc_stack_jobs_finished_total) > 0"
        found = prometheus.now(by_state, time.time())
        named = ((one.labels["account"], one.labels["state"], one.samples) for one in found)
        return Counter({(name, state): int(samples[-1][1]) for name, state, samples in named})

    def recorded() -> Counter[tuple[str, str]]:
        ended = jobs(since=0, until=time.time(), ended_only=True, steps=False, run=inside)
        return Counter((job.account, job.state) for job in ended)

    def both() -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
        return counted(), recorded()

    for user in ("ada", "ben", "carol"):
        cluster.run(user, "scancel --me")
    deadline = time.monotonic() + COUNTED_SECONDS
    while (seen := both())[0] != seen[1] and time.monotonic() < deadline:
        time.sleep(2)
    assert seen[0] == seen[1]
