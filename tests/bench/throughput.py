"""Sustained short jobs per second: ours, ours without the gate, and a plain slurm.conf."""

from collections.abc import Iterator

from tests.bench.bench_cluster import USER, say
from tests.bench.figure import Figure, median
from tests.bench.variants import plain, variant, without_gate
from tests.cluster.running_cluster import RunningCluster, await_value

JOBS = 200
WARM, COLD = "cpu-[1-4]", "cpu-[5-8]"
"""Four nodes that are up take the jobs; no other may be started while the clock runs."""
ROUNDS = 3

_ROUND = f"""
begun=$EPOCHREALTIME
sbatch --array=1-{JOBS} --ntasks=1 --mem=10M --exclude={COLD} \
    --output=/dev/null --wrap=true > /dev/null
while squeue --noheader | grep -q .; do sleep 0.05; done
echo $begun $EPOCHREALTIME
"""


def figures(cluster: RunningCluster) -> Iterator[Figure]:
    """Jobs a second from the submission of an array to its last job's end, both ways in turn."""
    cluster.run(USER, f"srun --nodes=4 --nodelist={WARM} true")
    ours, baseline, ungated = [], [], []
    for _ in range(ROUNDS):
        ours.append(jobs_per_second(cluster))
        with variant(cluster, without_gate):
            ungated.append(jobs_per_second(cluster))
        ours.append(jobs_per_second(cluster))
        with variant(cluster, plain):
            baseline.append(jobs_per_second(cluster))
        say(
            f"jobs/s: ours {ours[-2]:.1f} and {ours[-1]:.1f}, without the gate "
            f"{ungated[-1]:.1f}, plain {baseline[-1]:.1f}"
        )
    yield Figure(
        name="short-jobs",
        value=median(ours),
        unit="jobs/s",
        goal=1.5,
        goal_is_ratio=True,
        more_is_better=True,
        baseline=median(baseline),
        baseline_is="the defaults of slurm-docker-cluster",
    )
    yield Figure(
        name="short-jobs-gated",
        value=median(ours),
        unit="jobs/s",
        goal=0.95,
        goal_is_ratio=True,
        more_is_better=True,
        baseline=median(ungated),
        baseline_is="the same without PrologSlurmctld",
    )


def jobs_per_second(cluster: RunningCluster) -> float:
    """From the submission of an array of JOBS to its last one's end."""
    await_value("an empty queue", lambda: not cluster.run(USER, "squeue -h"), 60)
    begun, ended = cluster.run(USER, _ROUND, timeout=300).split()
    return JOBS / (float(ended) - float(begun))
