"""From submission to the first line of the job."""

from collections.abc import Iterator

from tests.bench.bench_cluster import USER, say
from tests.bench.figure import Figure, median, p95
from tests.bench.variants import slurms_own_loop, variant
from tests.cluster.running_cluster import RunningCluster, await_value

NODES = 8
TRIES = 12
BASELINE_TRIES = 3

# Both clocks are this host's. slurmctld looks at batch jobs at each whole second: submissions come
# at any time in it.
_TRY = r"""
rm -f start.out
sleep 0.$((RANDOM % 10))
begun=$EPOCHREALTIME
sbatch --parsable --output=start.out {options} > /dev/null <<'SCRIPT'
#!/bin/bash
echo $EPOCHREALTIME
SCRIPT
until [ -s start.out ]; do sleep 0.01; done
echo $begun $(cat start.out)
"""
_INTERACTIVE = (
    "begun=$EPOCHREALTIME; echo $begun $(srun --nodelist=cpu-1 bash -c 'echo $EPOCHREALTIME')"
)


def figures(cluster: RunningCluster) -> Iterator[Figure]:
    """One new node, eight at once, a warm one."""
    new = [one_new_node(cluster, number) for number in range(TRIES)]
    say(f"one new node: {_listed(new)}")
    eight = [_eight_new_nodes(cluster) for _ in range(3)]
    say(f"eight new nodes: {_listed(eight)}")
    warm = [submit_to_start(cluster, "--nodelist=cpu-1") for _ in range(TRIES)]
    say(f"a warm node: {_listed(warm)}")
    srun = [_seconds(cluster, _INTERACTIVE) for _ in range(TRIES)]
    say(f"srun on a warm node: {_listed(srun)}")
    with variant(cluster, slurms_own_loop):
        slow = [one_new_node(cluster, number) for number in range(BASELINE_TRIES)]
        say(f"one new node by Slurm's own loop: {_listed(slow)}")
    yield Figure(
        name="start-new-node-p50",
        value=median(new),
        unit="s",
        goal=2.0,
        baseline=median(slow),
        baseline_is="Slurm's own loop",
    )
    yield Figure(name="start-new-node-p95", value=p95(new), unit="s", goal=3.0)
    yield Figure(name="start-8-new-nodes", value=median(eight), unit="s", goal=3.0)
    yield Figure(name="start-warm-node-sbatch", value=median(warm), unit="s", goal=0.3)
    yield Figure(name="start-warm-node-srun", value=median(srun), unit="s", goal=0.3)


def one_new_node(cluster: RunningCluster, number: int) -> float:
    """Seconds to the start on a node that does not exist: each in turn, then all go again."""
    if number % NODES == 0:
        power_down(cluster)
    return submit_to_start(cluster, f"--nodelist=cpu-{number % NODES + 1}")


def _eight_new_nodes(cluster: RunningCluster) -> float:
    power_down(cluster)
    return submit_to_start(cluster, f"--nodes={NODES}")


def power_down(cluster: RunningCluster) -> None:
    """Have all nodes removed, and wait until Slurm may use their names again."""
    cluster.attempt(USER, "scontrol update nodename=ALL state=power_down_asap")
    await_value(
        "all nodes to be gone",
        lambda: (
            set(cluster.run(USER, "sinfo -h -N -o %t").split()) == {"idle~"}
            and not cluster.node_containers()
        ),
        120,
    )


def submit_to_start(cluster: RunningCluster, options: str) -> float:
    """Seconds from the submission of a batch job with these options to its first line."""
    return _seconds(cluster, _TRY.format(options=options))


def _seconds(cluster: RunningCluster, script: str) -> float:
    """Between the two times that the script prints, as the user; the queue is empty before."""
    await_value("an empty queue", lambda: not cluster.run(USER, "squeue -h"), 60)
    begun, started = cluster.run(USER, script).split()
    return float(started) - float(begun)


def _listed(seconds: list[float]) -> str:
    return " ".join(f"{value:.2f}" for value in seconds)
