"""What users do with a cluster: submit, array, depend, cancel, requeue; and what limits do."""

import pytest

from tests.cluster.running_cluster import RunningCluster, await_value


def test_the_first_job_ran_on_nodes_that_were_made_for_it(cluster: RunningCluster) -> None:
    first = cluster.record("1", "NNodes,NodeList,Account,User,ExitCode")
    assert first == "2|cpu-[1-2]|research|ada|0:0"


def test_a_job_that_needs_memory_and_a_feature_goes_to_a_node_that_has_them(
    cluster: RunningCluster,
) -> None:
    job = cluster.submit("ada", "hostname", "--partition=brief", "--constraint=tiny", "--mem=200M")
    cluster.finish(job)
    assert cluster.output(job) == "brief-1"


def test_a_job_that_no_node_can_hold_is_refused_at_once(cluster: RunningCluster) -> None:
    refused = cluster.attempt("ada", "sbatch --mem=5G --wrap hostname")
    assert refused.returncode != 0
    assert "Requested node configuration is not available" in refused.stderr


def test_an_array_runs_every_task_and_a_dependent_job_follows_it(cluster: RunningCluster) -> None:
    cluster.run("ada", "rm -rf array && cp -r /opt/hpc-stack/examples/array .")
    cluster.run("ada", "./array/submit.sh")
    result = await_value(
        "the collected results",
        lambda: cluster.run("ada", "cat array/sweep-result.out 2> /dev/null || true"),
        120,
    )
    primes = dict(line.split() for line in result.splitlines())
    # Counts of primes: https://oeis.org/A038812 and the prime number tables.
    assert primes == {
        "1000": "168",
        "2000": "303",
        "3000": "430",
        "4000": "550",
        "5000": "669",
        "6000": "783",
        "7000": "900",
        "8000": "1007",
    }


def test_a_job_whose_dependency_fails_never_runs(cluster: RunningCluster) -> None:
    failing = cluster.submit("ada", "exit 3")
    after = cluster.submit("ada", "hostname", f"--dependency=afterok:{failing}")
    cluster.await_state(failing, "FAILED")
    assert cluster.record(failing, "ExitCode") == "3:0"
    reason = await_value(
        "the reason",
        lambda: (r := cluster.job(after)["state_reason"]) == "DependencyNeverSatisfied" and r,
        60,
    )
    assert reason == "DependencyNeverSatisfied"
    cluster.run("ada", f"scancel {after}")
    cluster.await_state(after, "CANCELLED")


def test_a_running_job_is_cancelled_by_its_owner_only(cluster: RunningCluster) -> None:
    job = cluster.submit("ada", "sleep 300")
    cluster.await_state(job, "RUNNING")
    refused = cluster.attempt("ben", f"scancel {job}")
    assert "Access/permission denied" in refused.stderr
    assert cluster.state(job) == "RUNNING"
    cluster.run("ada", f"scancel {job}")
    cluster.await_state(job, "CANCELLED")


def test_a_requeued_job_runs_again_with_the_same_id(cluster: RunningCluster) -> None:
    job = cluster.submit(
        "ada",
        'echo "start ${SLURM_RESTART_COUNT:-0}" >> requeued-$SLURM_JOB_ID; sleep 2',
        "--requeue",
    )
    cluster.await_state(job, "RUNNING")
    cluster.run("ada", f"scontrol requeue {job}")
    cluster.await_state(job, "PENDING")
    # Slurm holds a requeued job back for a while; an admin may let it go.
    cluster.run("carol", f"scontrol update jobid={job} starttime=now")
    cluster.finish(job)
    assert cluster.run("ada", f"cat requeued-{job}").splitlines() == ["start 0", "start 1"]


def test_a_job_is_ended_at_its_time_limit(cluster: RunningCluster) -> None:
    assert cluster.attempt("ada", "sbatch -p brief -t 11 --wrap hostname").returncode != 0
    job = cluster.submit("ada", "sleep 5", "--partition=brief")
    cluster.finish(job)
    assert cluster.record(job, "Timelimit") == "00:10:00"


def test_an_account_limit_holds_the_second_job_and_refuses_the_fourth(
    cluster: RunningCluster,
) -> None:
    jobs = [cluster.submit("ben", "sleep 60") for _ in range(3)]
    cluster.await_state(jobs[0], "RUNNING")
    reason = await_value(
        "the second job's reason",
        lambda: (r := cluster.job(jobs[1])["state_reason"]) not in ("None", "Priority") and r,
        60,
    )
    assert reason == "AssocMaxJobsLimit"
    fourth = cluster.attempt("ben", "sbatch --wrap hostname")
    assert fourth.returncode != 0
    assert "violates accounting/QOS policy" in fourth.stderr
    # The limit is the account's, not the user's: another account takes the job.
    other = cluster.submit("ben", "hostname", "--account=research")
    cluster.finish(other)
    cluster.run("ben", f"scancel {' '.join(jobs)}")


def test_a_qos_raises_the_priority_and_limits_the_run_time(cluster: RunningCluster) -> None:
    too_long = cluster.attempt("ada", "sbatch --qos=short --time=10 --wrap hostname")
    assert too_long.returncode != 0
    assert "QOSMaxWallDurationPerJobLimit" in too_long.stderr
    plain = cluster.submit("ada", "hostname", "--hold")
    quick = cluster.submit("ada", "hostname", "--qos=short", "--time=2", "--hold")
    cluster.run("carol", f"scontrol release {plain} {quick}")
    weights = {job: cluster.job(job)["priority"]["number"] for job in (plain, quick)}
    assert weights[quick] > weights[plain] + 5000
    cluster.finish(plain)
    cluster.finish(quick)


@pytest.mark.parametrize("option", ["--account=class", "--account=nobody", "--qos=none"])
def test_an_account_or_qos_that_is_not_a_users_own_is_refused(
    cluster: RunningCluster, option: str
) -> None:
    refused = cluster.attempt("ada", f"sbatch {option} --wrap hostname")
    assert refused.returncode != 0
    assert "Invalid" in refused.stderr


def test_fair_share_is_the_settings(cluster: RunningCluster) -> None:
    printed = cluster.run("carol", "sshare --noheader --parsable2 --format=Account,User,RawShares")
    rows = [line.strip().split("|") for line in printed.splitlines()]
    shares = {account: share for account, user, share in rows if not user}
    assert shares["research"] == "3"
    assert shares["teaching"] == "1"
