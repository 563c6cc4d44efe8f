"""A spot node is taken back while a job runs there: the example job loses nothing but time."""

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from ops.environment import CHECKOUT
from tests.cluster.running_cluster import RunningCluster, await_value, docker

NOTICE_SECONDS = 20
"""AWS gives two minutes."""
STEPS = 400
STAND_IN = "hpc-test-imds"


@pytest.fixture
def metadata(cluster: RunningCluster) -> Iterator[str]:
    """The stand-in for IMDS on the cluster's network, by the name that the settings have."""
    image = docker("inspect", "--format", "{{.Config.Image}}", cluster.container("login"))
    subprocess.run(["docker", "rm", "--force", STAND_IN], capture_output=True, check=False)
    program = (CHECKOUT / "tests/spot/imds_stand_in.py").read_text()
    docker(
        *("run", "--detach", "--name", STAND_IN, "--init"),
        *("--network", f"hpc-{cluster.name}_cluster", "--network-alias", "imds"),
        *("--entrypoint", "python3", image, "-c", program, "1338"),
    )
    yield STAND_IN
    docker("rm", "--force", STAND_IN)


def take_back(metadata: str, container: str) -> None:
    """Announce that a node's machine will be taken back."""
    address = docker(
        "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container
    )
    when = datetime.now(UTC) + timedelta(seconds=NOTICE_SECONDS)
    notice = json.dumps({"action": "terminate", "time": when.strftime("%Y-%m-%dT%H:%M:%SZ")})
    url = f"http://127.0.0.1:1338/stand-in/{address}/spot/instance-action"
    docker("exec", metadata, "curl", "--fail", "--silent", "--request", "PUT", "-d", notice, url)


def test_a_job_that_checkpoints_survives_the_loss_of_its_spot_node(
    cluster: RunningCluster, metadata: str
) -> None:
    cluster.run("ada", "rm -rf checkpoint && cp -r /opt/hpc-stack/examples/checkpoint .")
    submit = "cd checkpoint && sbatch --parsable --partition=spot --constraint=spot walk.sbatch"
    job = cluster.run("ada", f"{submit} {STEPS}")
    cluster.await_state(job, "RUNNING")
    node = cluster.job(job)["nodes"]

    def output() -> str:
        return cluster.attempt("ada", f"cat checkpoint/walk-{job}.out").stdout

    await_value("the walk to begin", lambda: "start at step 0" in output(), 30)
    take_back(metadata, cluster.node_containers()[node])

    found = await_value(
        "the checkpoint on the signal",
        lambda: re.search(r"checkpoint at step (\d+) \(signal\)", output()),
        30,
    )
    shown = cluster.run("ada", f"scontrol show node {node} --oneliner")
    assert "DRAIN" in shown
    assert "hpc-stack: leaving: spot interruption at " in shown
    others = await_value(
        "a replacement",
        lambda: [n for n in _up(cluster) if n.startswith("spot-") and n != node],
        30,
    )
    assert cluster.state(job) == "RUNNING", "the job goes on meanwhile"
    assert node in cluster.node_containers()

    # As AWS does it when the time is over.
    docker("kill", cluster.node_containers()[node])
    cluster.finish(job, seconds=150)
    lines = output().splitlines()
    (again,) = [line for line in lines if line.startswith("continue from step ")]
    assert int(again.rpartition(" ")[2]) >= int(found[1]) > 0
    assert lines[-1] == cluster.run("ada", _WHOLE).splitlines()[-1], "as without interruption"
    assert cluster.job(job)["nodes"] in others
    assert cluster.record(job, "Restarts,ExitCode") == "1|0:0"
    await_value(
        "the node to be of use again",
        lambda: cluster.run("ada", f"sinfo -h -n {node} -o %t") == "idle~",
        120,
    )


# The walk of the same length in one go, without its pauses.
_WHOLE = (
    "cd checkpoint && sed 's/^SECONDS_PER_STEP.*/SECONDS_PER_STEP = 0/' walk.py > quick.py"
    f" && python3 quick.py {STEPS} quick.state"
)


def _up(cluster: RunningCluster) -> list[str]:
    """Nodes that jobs can start on at once."""
    return [
        line.split()[0]
        for line in cluster.run("ada", "sinfo -h -N -o '%N %t'").splitlines()
        if line.split()[1] == "idle"
    ]
